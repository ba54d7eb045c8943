import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { Attachment, BIN, type Command, call, environment, type Json } from '../../lib/testing/cni.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { reference } from '../../lib/testing/reference.js'

const REFERENCE = reference()
const VERSIONS = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']

interface Case {
  readonly ipam?: Json
  readonly rest?: Json
  readonly args?: string
  /** Our code where ADD fails, as the reference's does. */
  readonly fails?: number
}

const FOUR = { address: '10.1.0.5/24', gateway: '10.1.0.1' }
const SIX = { address: 'fd01::5/64', gateway: 'fd01::1' }
const one = { addresses: [FOUR] }
const both = { addresses: [FOUR, SIX] }
const runtime = (...ips: string[]): Json => ({ runtimeConfig: { ips } })
const args = (...ips: string[]): Json => ({ args: { cni: { ips } } })

const CASES: Record<string, Case> = {
  'one address': { ipam: one },
  'both families, other spellings': { ipam: { addresses: [FOUR, { address: 'FD01:0::0005/64', gateway: 'FD01::1' }] } },
  'an IPv4-mapped address': { ipam: { addresses: [{ address: '::ffff:10.1.0.5/120', gateway: '::ffff:10.1.0.1' }] } },
  'keys in another case': { ipam: { Addresses: [{ ADDRESS: '10.1.0.5/24' }] } },
  'no gateway, and an empty one': {
    ipam: { addresses: [{ address: '10.1.0.5/24' }, { address: SIX.address, gateway: '' }] },
  },
  'IP behind the configuration': { ipam: one, args: 'IP=fd01::9/64' },
  'IP and GATEWAY, both lists': { ipam: {}, args: 'IP=10.1.0.9/24, fd01::9/64;GATEWAY=fd01::2,10.1.0.2,10.9.0.1' },
  'GATEWAY is for IP alone': {
    ipam: { addresses: [{ address: '10.1.0.5/24' }] },
    args: 'IP=fd01::9/64;GATEWAY=10.1.0.2,fd01::2',
  },
  'args in place of the configuration and IP': { ipam: both, rest: args('10.1.0.7/16'), args: 'IP=10.1.0.9/24' },
  'the capability in place of all others': {
    ipam: both,
    rest: { ...args('10.1.0.7/24'), ...runtime('10.1.0.8/24', 'fd01::8/64') },
    args: 'IP=10.1.0.9/24',
  },
  'empty lists are as none': { ipam: one, rest: { ...args(), ...runtime() }, args: 'IP=' },
  'keys of Kubernetes': { ipam: one, args: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=a;K8S_POD_NAME=b' },
  'routes in order, one destination twice': {
    ipam: {
      ...both,
      routes: [
        { dst: '10.9.1.2/16', gw: '10.1.0.2', mtu: 1400, advmss: 1300, priority: 5, table: 0, scope: 0 },
        { dst: '10.9.1.2/16', gw: '10.1.0.3' },
        { dst: 'FD09:0::/48', gw: '' },
      ],
    },
  },
  DNS: { ipam: { ...one, dns: { nameservers: ['10.1.0.53'], domain: 'a', search: ['b'], options: ['ndots:2'] } } },
  'DNS that is empty': { ipam: { ...one, dns: { nameservers: [], domain: '' } }, rest: { dns: { domain: 'ignored' } } },
  'refused: no section': { fails: 7 },
  'refused: no section, but addresses': { rest: { ...args('10.1.0.7/24'), ...runtime('10.1.0.8/24') }, fails: 7 },
  'refused: no prefix length': { ipam: { addresses: [{ address: '10.1.0.5' }] }, fails: 7 },
  'refused: no address': { ipam: { addresses: [{ gateway: '10.1.0.1' }] }, fails: 7 },
  'refused: null': { ipam: { addresses: [null] }, fails: 7 },
  'refused: a gateway that is no address': { ipam: { addresses: [{ ...FOUR, gateway: '10.1.0' }] }, fails: 7 },
  'refused: a route to nowhere': { ipam: { ...one, routes: [{ dst: 'nowhere' }] }, fails: 7 },
  'refused: IP': { ipam: one, args: 'IP=10.9.0.9', fails: 4 },
  'refused: the second IP': { ipam: {}, args: 'IP=10.1.0.9/24,', fails: 4 },
  'refused: GATEWAY': { ipam: one, args: 'GATEWAY=10.1.0', fails: 4 },
  'refused: args': { ipam: one, rest: args('10.9.0.9'), fails: 7 },
  'refused: the capability': { ipam: one, rest: runtime('10.1.0.8/33'), fails: 7 },
}

interface Answer {
  readonly status: number | null
  readonly json: Json
  readonly stderr: string
}

function run(
  bin: string,
  command: Command,
  version: string,
  { ipam, rest = {}, args = '' }: Case,
  more: Json = {},
): Answer {
  const section = ipam === undefined ? {} : { ipam: { type: 'static', ...ipam } }
  const config = { name: 'net', type: 'bridge', ...section, ...rest, cniVersion: version, ...more }
  const env = { ...environment({ command, config, args, netns: '/run/none', host: undefined as never }), CNI_PATH: bin }
  const { status, stdout, stderr } = spawnSync(join(bin, 'static'), {
    input: JSON.stringify(config),
    env,
    encoding: 'utf8',
  })
  return { status, stderr, json: stdout === '' ? undefined : JSON.parse(stdout) }
}

const ours = (command: Command, version: string, given: Case, more: Json = {}) =>
  run(BIN, command, version, given, more)

/** The reference tells an empty `dns`. */
function withoutEmptyDns({ dns, ...result }: Json): Json {
  return Object.keys(dns ?? {}).length === 0 ? result : { ...result, dns }
}

t.test(
  'ADD, CHECK and DEL answer as those of the reference, at every version',
  { skip: REFERENCE === undefined },
  async (t) => {
    const { directory = '' } = REFERENCE ?? {}
    for (const [name, given] of Object.entries(CASES)) {
      const failing = given.fails !== undefined
      const versions = failing ? ['1.0.0'] : name === 'one address' ? VERSIONS : ['0.2.0', '0.4.0', '1.1.0']
      for (const version of versions) {
        if (REFERENCE?.version === '1.1.1' && version === '1.1.0') continue
        const what = `${name}, ${version}`
        const [own, theirs] = [BIN, directory].map((bin) => run(bin, 'ADD', version, given)) as [Answer, Answer]
        t.equal(theirs.status, failing ? 1 : 0, `${what}: the reference ${JSON.stringify(theirs.json)}`)
        t.equal(own.status, theirs.status, `${what}: ${JSON.stringify(own.json)}`)
        if (failing) t.equal(own.json.code, given.fails, what)
        else t.same(withoutEmptyDns(own.json), withoutEmptyDns(theirs.json), what)
        for (const bin of [BIN, directory]) t.equal(run(bin, 'DEL', version, given).status, 0, `${what}: DEL`)
        if (failing || !['0.4.0', '1.0.0', '1.1.0'].includes(version)) continue
        for (const bin of [BIN, directory])
          t.equal(run(bin, 'CHECK', version, given, { prevResult: own.json }).status, 0, what)
      }
    }
  },
)

t.test('what differs from the reference', { skip: REFERENCE === undefined }, async (t) => {
  const theirs = (command: Command, version: string, given: Case, more: Json = {}) =>
    run(REFERENCE?.directory ?? '', command, version, given, more)

  t.test('an address without a prefix length has prefix length and gateway of its network', async (t) => {
    for (const given of [
      { ipam: both, rest: runtime('fd01::8', '10.1.0.8') },
      { ipam: both, rest: args('fd01::8', '10.1.0.8') },
      { ipam: { addresses: [] }, args: 'IP=fd01::8,10.1.0.8' },
    ]) {
      t.equal(theirs('ADD', '1.0.0', given).status, 1)
      const { json } = ours('ADD', '1.0.0', given)
      if (given.ipam.addresses.length === 0) t.match(json, { code: 4 })
      else
        t.same(json.ips, [
          { ...SIX, address: 'fd01::8/64' },
          { ...FOUR, address: '10.1.0.8/24' },
        ])
    }
  })

  t.test('CHECK misses an address', async (t) => {
    const more = { prevResult: { cniVersion: '1.0.0', ips: [FOUR] } }
    t.equal(theirs('CHECK', '1.0.0', { ipam: both }, more).status, 0)
    t.match(ours('CHECK', '1.0.0', { ipam: both }, more).json, {
      code: 100,
      details: 'fd01::5/64 is not in the previous result',
    })
  })

  t.test('CHECK sees another gateway, as the reference', async (t) => {
    for (const gateway of ['10.1.0.99', undefined]) {
      const more = { prevResult: { cniVersion: '1.0.0', ips: [{ ...FOUR, gateway }] } }
      t.equal(theirs('CHECK', '1.0.0', { ipam: one }, more).status, 1)
      t.match(ours('CHECK', '1.0.0', { ipam: one }, more).json, { code: 100, details: /gateway of 10.1.0.5\/24/ })
    }
  })

  t.test('STATUS and ADD look at the whole configuration', async (t) => {
    const faulty = { ipam: { addresses: [{ address: '10.1.0.5' }] } }
    t.match(ours('STATUS', '1.1.0', faulty).json, { code: 7, msg: /"\/ipam\/addresses\/0\/address"/ })
    t.match(ours('STATUS', '1.1.0', { ipam: { routes: [{ dst: 'x' }] } }).json, {
      code: 7,
      msg: /"\/ipam\/routes\/0\/dst"/,
    })
    t.equal(ours('STATUS', '1.1.0', { ipam: both }).status, 0)
    const replaced = { ...faulty, rest: runtime('10.1.0.8/24') }
    t.equal(theirs('ADD', '1.0.0', replaced).status, 0)
    t.match(ours('ADD', '1.0.0', replaced).json, { code: 7 })
  })
})

t.test('several addresses of one family, or none, need version 0.3.0', async (t) => {
  const twice = { ipam: { addresses: [FOUR, { address: '10.2.0.5/24' }] } }
  for (const version of VERSIONS) {
    const old = version < '0.3.0'
    for (const given of [twice, { ipam: {} }] as Case[]) {
      const { json } = ours('ADD', version, given)
      if (old) t.match(json, { code: 7 }, version)
      else t.equal(json.ips?.length ?? 0, given.ipam?.addresses?.length ?? 0, version)
      if (REFERENCE !== undefined && version !== '1.1.0') {
        t.equal(run(REFERENCE.directory, 'ADD', version, given).status, old ? 1 : 0, version)
      }
    }
  }
})

t.test('GC and DEL succeed whatever the configuration says', async (t) => {
  const faulty = { ipam: { addresses: 'x', routes: 5 } }
  t.equal(ours('DEL', '1.1.0', faulty).status, 0)
  t.equal(ours('GC', '1.1.0', faulty, { 'cni.dev/valid-attachments': [] }).status, 0)
})

t.test('bridge gives a container these addresses, and it answers at them', { skip: needs('root') }, async (t) => {
  const host = Netns.create(t, 'host', { duplicates: false })
  const container = Netns.create(t, 'pod', { duplicates: false })
  const list = {
    cniVersion: '1.1.0',
    name: 'net',
    type: 'bridge',
    isDefaultGateway: true,
    stateDir: t.testdir({}),
    capabilities: { ips: true },
    ipam: { type: 'static', ...both, dns: { nameservers: ['10.1.0.53'] } },
  }
  const pod = new Attachment(host, list, container, { capabilities: { ips: ['10.1.0.8', 'fd01::8/64'] } })
  const result = pod.add()
  t.same(
    result.ips.map(({ address, gateway }: Json) => ({ address, gateway })),
    [
      { address: '10.1.0.8/24', gateway: '10.1.0.1' },
      { address: 'fd01::8/64', gateway: 'fd01::1' },
    ],
  )
  t.same(result.dns, { nameservers: ['10.1.0.53'] })
  for (const address of ['10.1.0.8', 'fd01::8']) host.run('ping', '-c', '1', '-W', '5', address)
  for (const address of ['10.1.0.1', 'fd01::1']) container.run('ping', '-c', '1', '-W', '5', address)
  pod.check()
  t.equal(pod.status().status, 0)
  const other = Netns.create(t, 'other', { duplicates: false })
  const taken = call({ command: 'ADD', host, config: list, netns: other, containerId: 'c2', args: 'IP=10.1.0.8' })
  t.match(taken.json, { code: 103 }, 'the address is that of the first container')
  pod.del()
  t.same(
    container.ip('link').map(({ ifname }: Json) => ifname),
    ['lo'],
  )
})
