import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Attachment, BIN, call, environment, type Json } from '../../lib/testing/cni.js'
import { LONG } from '../../lib/testing/long.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { fakeIpam, filesBelow, network } from '../../lib/testing/pod-network.js'

const skip = needs('root')
const noStrace = skip || (spawnSync('strace', ['-V']).status === 0 ? false : 'needs strace')

const ADDRESS = { ips: [{ address: '10.1.2.2/24', gateway: '10.1.2.1' }] }

function topology(t: Test) {
  return { host: Netns.create(t, 'node'), container: Netns.create(t, 'pod', { loopback: false }) }
}

/** Names of links on both sides, and files of state. */
function traces(host: Netns, container: Netns, list: Json) {
  const names = (netns: Netns) => netns.ip('link', 'show').map(({ ifname }) => ifname)
  const files = filesBelow(list.stateDir)
  const leases = filesBelow(list.ipam.dataDir ?? '').filter((name) => name !== 'lock' && !name.startsWith('last_'))
  return { host: names(host), container: names(container), files, leases }
}

const NOTHING = { host: ['lo'], container: ['lo'], files: [], leases: [] }

t.test('ADD that fails at any stage leaves nothing, not even the bridge it made', { skip }, async (t) => {
  const off = { dst: '10.9.0.0/16', gw: '192.0.2.1' }
  const cases: Record<string, { result: Json; fail?: Record<string, number>; code: number; config?: Json }> = {
    'IPAM fails': { result: ADDRESS, fail: { ADD: 11 }, code: 11 },
    'IPAM prints garbage': { result: '{', code: 107 },
    'IPAM leases nothing': { result: { ips: [] }, code: 107 },
    'a next hop is off the link': { result: { ...ADDRESS, routes: [off] }, code: 105 },
    'a route is there twice': { result: { ...ADDRESS, routes: [1, 2].map(() => ({ dst: '10.9.0.0/16' })) }, code: 105 },
    'a destination has host bits': { result: { ...ADDRESS, routes: [{ dst: '10.9.0.1/16' }] }, code: 7 },
    'the MTU is below what IPv6 needs': {
      result: { ips: [{ address: 'fd12::2/64' }] },
      config: { mtu: 1279 },
      code: 7,
    },
  }
  for (const [what, { result, fail = {}, code, config = {} }] of Object.entries(cases)) {
    const { host, container } = topology(t)
    const ipam = fakeIpam(t, result, { config })
    ipam.fail(fail)
    const attachment = new Attachment(host, ipam.list, container, { bin: ipam.bin })
    t.match(attachment.tryAdd().json, { code }, what)
    t.same(ipam.calls(), ['ADD', 'DEL'], `${what}: IPAM takes its lease back`)
    t.same(traces(host, container, ipam.list), NOTHING, `${what}: nothing is left`)
  }
})

t.test('ADD refuses what cannot be, before anything is done', { skip }, async (t) => {
  const cases: [Json, string?][] = [
    [{ mtu: 67 }],
    [{ mtu: 65536 }],
    [{ bridge: 'sixteen-letters-' }],
    [{ bridge: 'eth0' }],
    [{ vlan: 4095 }],
    [{ vlanTrunk: [{ minID: 20, maxID: 10 }] }],
    [{ vlanTrunk: [{ minID: 20 }] }],
    [{ hairpinMode: true, promiscMode: true }],
    [{ disableContainerInterface: true }],
    [{ stateDir: 'state' }],
    [{ ipam: {}, cniVersion: '0.2.0' }],
    [{ ipam: { type: 'nobody' } }],
    [{}, 'MAC=01:00:5e:00:00:01'],
  ]
  for (const [config, args = ''] of cases) {
    const { host, container } = topology(t)
    const list = network(t, { config })
    t.match(
      new Attachment(host, list, container, { args }).tryAdd().json,
      { code: 7 },
      `${JSON.stringify(config)} ${args}`,
    )
    t.same(traces(host, container, list), NOTHING)
  }
})

t.test('an interface name that is taken is refused before IPAM runs', { skip }, async (t) => {
  const { host, container } = topology(t)
  container.run('ip', 'link', 'add', 'eth0', 'type', 'bridge')
  const before = container.ip('link', 'show', 'eth0')
  const ipam = fakeIpam(t, ADDRESS)
  const answer = new Attachment(host, ipam.list, container, { bin: ipam.bin }).tryAdd()
  t.match(answer.json, { code: 101, msg: /container veth name provided \(eth0\) already exists/ })
  t.same(ipam.calls(), [])
  t.same(container.ip('link', 'show', 'eth0'), before)
})

t.test('a link that is no bridge is left as it is', { skip }, async (t) => {
  const { host, container } = topology(t)
  host.run('ip', 'link', 'add', 'cni0', 'type', 'veth', 'peer', 'name', 'other')
  const attachment = new Attachment(host, network(t), container)
  t.match(attachment.tryAdd().json, { code: 7, msg: /"cni0" already exists but is not a bridge/ })
  t.match(attachment.status().json, { code: 50 })
})

t.test('a second ADD is refused without touching the first', { skip }, async (t) => {
  const { host, container } = topology(t)
  const list = network(t)
  const attachment = new Attachment(host, list, container)
  attachment.add()
  const before = traces(host, container, list)
  t.match(call({ command: 'ADD', host, netns: container, config: list }).json, { code: 101 })
  t.same(traces(host, container, list), before)
  attachment.check()
})

t.test(
  'another address on the bridge: changed where it is ours and unused, else said whose it is',
  { skip },
  async (t) => {
    const { host, container } = topology(t)
    const other = Netns.create(t, 'pod', { loopback: false })
    const [one, two] = [network(t), network(t, { name: 'two', subnets: ['10.7.7.0/24'] })]
    const first = new Attachment(host, one, container)
    first.add()
    const second = new Attachment(host, two, other, { containerId: 'c2' })
    t.match(second.tryAdd().json, {
      code: 7,
      msg: /"cni0" already has an IP address different from 10.7.7.1\/24/,
      details: /cni0 has 10.1.2.1\/24 \(set by us, the bridge is of network net; 1 other ports\)/,
    })
    first.del()
    second.add()
    t.match(host.ip('-4', 'addr', 'show', 'cni0'), [{ addr_info: [{ local: '10.7.7.1' }] }])
  },
)

t.test('DEL succeeds whatever is gone', { skip }, async (t) => {
  const stages: Record<string, (host: Netns, container: Netns, list: Json) => string | undefined> = {
    'the namespace is not named': () => '',
    'the path is gone': () => '/run/netns/no-such-thing',
    'the path is a plain file': (_, __, list) => {
      writeFileSync(join(list.stateDir, 'plain'), '')
      return join(list.stateDir, 'plain')
    },
    "the path is the host's own namespace": (host) => host.path,
    'the link is gone': (_, container) => void container.run('ip', 'link', 'del', 'eth0'),
    'the link has another name': (_, container) => void container.batch('link set eth0 down', 'link set eth0 name zz9'),
    'the record is lost': (_, __, list) => void rmSync(list.stateDir, { recursive: true }),
    'the bridge is gone': (host) => void host.run('ip', 'link', 'del', 'cni0'),
  }
  for (const [what, prepare] of Object.entries(stages)) {
    const { host, container } = topology(t)
    const list = network(t)
    const attachment = new Attachment(host, list, container)
    attachment.add()
    const netns = prepare(host, container, list) ?? container
    attachment.del({ netns, prevResult: undefined })
    rmSync(join(list.stateDir, 'plain'), { force: true })
    attachment.del({ netns })
    const { host: links, ...rest } = traces(host, container, list)
    t.same({ ...rest, host: links.filter((name) => name !== 'cni0') }, NOTHING, what)
  }
})

t.test('DEL for another attachment leaves this one alone', { skip }, async (t) => {
  const { host, container } = topology(t)
  const list = network(t)
  const attachment = new Attachment(host, list, container)
  attachment.add()
  for (const other of [{ containerId: 'c9' }, { ifName: 'eth1' }, { config: { ...list, name: 'other' } }]) {
    t.equal(call({ command: 'DEL', host, netns: container, config: list, ...other }).status, 0)
  }
  attachment.check()
})

t.test('a delegate that fails its DEL is told, and our part is removed', { skip }, async (t) => {
  const { host, container } = topology(t)
  const ipam = fakeIpam(t, ADDRESS)
  const attachment = new Attachment(host, ipam.list, container, { bin: ipam.bin })
  attachment.add()
  ipam.fail({ DEL: 123 })
  t.match(attachment.tryDel().json, { code: 123, msg: /fake fails DEL/ })
  t.same(traces(host, container, ipam.list).container, ['lo'])
  ipam.fail({})
  attachment.del()
  t.same(traces(host, container, ipam.list).files, [])
})

t.test('GC keeps exactly what is valid, and asks IPAM once', { skip }, async (t) => {
  const { host, container } = topology(t)
  const ipam = fakeIpam(t, ADDRESS)
  const options = { bin: ipam.bin }
  const kept = new Attachment(host, ipam.list, container, options)
  kept.add()
  const other = fakeIpam(t, { ips: [{ address: '10.1.2.3/24', gateway: '10.1.2.1' }] })
  const gone = Netns.create(t, 'gone', { loopback: false })
  new Attachment(host, { ...ipam.list, ipam: other.list.ipam }, gone, { containerId: 'g', bin: other.bin }).add()
  ipam.calls()
  const valid = [
    { containerID: 'c1', ifname: 'eth0' },
    { containerID: 'g', ifname: 'eth1' },
  ]
  t.equal(kept.gc(valid).status, 0)
  t.same(ipam.calls(), ['GC'])
  kept.check()
  t.same(gone.ip('link', 'show').length, 1)
  rmSync(ipam.list.stateDir, { recursive: true })
  t.equal(kept.gc(null).status, 0)
  t.same(container.ip('link', 'show').length, 1, 'a link whose record is lost is known by its alias')
})

t.test('CHECK lists every difference, and lets later plugins change what they recorded', { skip }, async (t) => {
  const { host, container } = topology(t)
  const attachment = new Attachment(host, network(t), container)
  const result = attachment.add()
  container.batch('link set eth0 address 02:00:00:00:00:77', 'link set eth0 mtu 1300', 'addr add 10.5.5.5/32 dev eth0')
  const before = result.interfaces.map((entry: Json) => ({ ...entry }))
  Object.assign(result.interfaces[2], { mac: '02:00:00:00:00:77', mtu: 1300 })
  result.interfaces.push({ name: 'gone', sandbox: container.path })
  result.ips.push({ address: '10.5.5.5/32', interface: 2 })
  attachment.check()
  result.interfaces = before
  host.run('ip', 'link', 'set', result.interfaces[1].name, 'nomaster')
  host.run('ip', 'addr', 'del', '10.1.2.1/24', 'dev', 'cni0')
  container.run('ip', 'addr', 'del', '10.5.5.5/32', 'dev', 'eth0')
  const { json } = attachment.tryCheck()
  t.equal(json.code, 100)
  for (const difference of [/MAC/, /MTU 1300/, /lacks 10.5.5.5/, /is not a port of cni0/, /cni0 lacks 10.1.2.1/]) {
    t.match(json.details, difference)
  }
})

/** The system calls of one run, each as its name and how many of that name came before. */
function callsOf(path: string): [string, number][] {
  const counts = new Map<string, number>()
  return readFileSync(path, 'utf8')
    .split('\n')
    .map((line) => /^([a-z0-9_]+)\(/.exec(line)?.[1])
    .filter((name): name is string => name !== undefined && name !== 'execve')
    .map((name) => {
      counts.set(name, (counts.get(name) ?? 0) + 1)
      return [name, counts.get(name) ?? 0]
    })
}

/** Of the calls in the sweeps below: each tries others. The tests of crashes choose by what calls do, these go by their order. */
const ONE_IN = LONG ? 1 : 12

for (const [turn, signal] of ['KILL', 'TERM'].entries()) {
  t.test(`${signal} before any system call of ADD, then DEL: nothing is left`, { skip: noStrace }, async (t) => {
    const { host, container } = topology(t)
    const list = network(t, { subnets: ['10.1.2.0/24', 'fd12::/64'] })
    const input = JSON.stringify(list)
    const run = (command: 'ADD' | 'DEL', ...prefix: string[]) =>
      host.try([...prefix, `${BIN}/bridge`], {
        input,
        env: environment({ command, host, netns: container, config: list }),
      })
    run('ADD')
    run('DEL')
    const log = join(t.testdir(), 'log')
    run('ADD', 'strace', '-o', log)
    const calls = callsOf(log)
    run('DEL')
    t.ok(calls.length > 100)
    const left = { ...NOTHING, host: ['lo', 'cni0'] }
    for (const [name, nth] of calls.filter((_, at) => (at + turn * 5) % ONE_IN === 0)) {
      const { status, stdout } = run(
        'ADD',
        'strace',
        '-o',
        '/dev/null',
        '-e',
        `inject=${name}:signal=${signal}:when=${nth}`,
      )
      // Before the engine has its handler the signal ends it: nothing was done by then.
      if (signal === 'TERM' && status !== 0 && stdout !== '') {
        t.match(JSON.parse(stdout), { code: 11 }, `${name} ${nth}: an answer`)
        t.same(traces(host, container, list), left, `${name} ${nth}: undone before DEL`)
      }
      t.equal(run('DEL').status, 0)
      t.same(traces(host, container, list), left, `${name} ${nth}`)
    }
  })
}
