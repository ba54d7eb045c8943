import { spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { BIN, type Command, type Json, REFERENCE_BIN } from '../../lib/testing/cni.js'
import { LONG } from '../../lib/testing/long.js'

const OURS = join(BIN, 'host-local')
const REFERENCE = join(REFERENCE_BIN, 'host-local')
const noReference = existsSync(REFERENCE) ? false : 'needs containernetworking-plugins'
const noStrace = spawnSync('strace', ['-V']).status === 0 ? false : 'needs strace'

interface Answer {
  readonly status: number | null
  readonly json: Json
  readonly stderr: string
}

interface Options {
  readonly id?: string
  readonly ifName?: string
  readonly args?: string
  readonly by?: string
}

function environment(command: Command, { id = 'c1', ifName = 'eth0', args = '' }: Options) {
  return {
    CNI_COMMAND: command,
    CNI_CONTAINERID: id,
    CNI_IFNAME: ifName,
    CNI_NETNS: '/run/netns/none',
    CNI_ARGS: args,
    CNI_PATH: BIN,
  }
}

/** One network's store in a directory of its own, and calls on it. */
class Store {
  readonly dataDir: string

  constructor(
    t: { teardown(action: () => void): unknown } | undefined,
    readonly ranges: Json = [[{ subnet: '10.1.2.0/24' }]],
  ) {
    this.dataDir = mkdtempSync(join(tmpdir(), 'flatnet-ipam-'))
    t?.teardown(() => this.remove())
  }

  remove() {
    rmSync(this.dataDir, { recursive: true, force: true })
  }

  get directory() {
    return join(this.dataDir, 'net')
  }

  get side() {
    return join(this.dataDir, '.flatnet', 'net')
  }

  config(more: Json = {}): Json {
    const ipam = { type: 'host-local', dataDir: this.dataDir, ranges: this.ranges, ...more.ipam }
    return { cniVersion: '1.0.0', name: 'net', type: 'bridge', ...more, ipam }
  }

  call(command: Command, options: Options = {}, more: Json = {}): Answer {
    const { status, stdout, stderr } = spawnSync(options.by ?? OURS, {
      input: JSON.stringify(this.config(more)),
      env: environment(command, options),
      encoding: 'utf8',
    })
    return { status, stderr, json: stdout === '' ? undefined : JSON.parse(stdout) }
  }

  async callAsync(command: Command, options: Options = {}, more: Json = {}): Promise<Answer> {
    const child = spawn(options.by ?? OURS, { env: environment(command, options), stdio: 'pipe' })
    const said: string[] = []
    const warned: string[] = []
    child.stdout.on('data', (data) => said.push(String(data)))
    child.stderr.on('data', (data) => warned.push(String(data)))
    child.stdin.end(JSON.stringify(this.config(more)))
    const status = await new Promise<number | null>((done) => child.on('close', done))
    return { status, stderr: warned.join(''), json: said.length === 0 ? undefined : JSON.parse(said.join('')) }
  }

  /** ADD that must succeed; the addresses. */
  add(id: string, options: Options = {}, more: Json = {}): string[] {
    const answer = this.call('ADD', { ...options, id }, more)
    if (answer.status !== 0) throw new Error(`ADD ${id}: ${JSON.stringify(answer)}`)
    return addresses(answer)
  }

  /** Address to holder, as `c1/eth0`. */
  leases(): Record<string, string> {
    if (!existsSync(this.directory)) return {}
    const names = readdirSync(this.directory).filter((name) => name !== 'lock' && !name.startsWith('last_reserved_ip.'))
    return Object.fromEntries(
      names.sort().map((name) => [name, readFileSync(join(this.directory, name), 'utf8').replace('\r\n', '/')]),
    )
  }

  records(): string[] {
    return existsSync(this.side) ? readdirSync(this.side).filter((name) => name !== 'catalogue') : []
  }

  /** Puts a lease there as another program would. */
  plant(address: string, content: string) {
    mkdirSync(this.directory, { recursive: true })
    writeFileSync(join(this.directory, address), content)
  }

  /** Makes the record of a container look like one of an earlier life of the node. */
  age(id: string, key: 'boot' | 'node' = 'boot') {
    for (const name of this.records()) {
      const path = join(this.side, name)
      const record = JSON.parse(readFileSync(path, 'utf8'))
      if (record.containerId === id) writeFileSync(path, JSON.stringify({ ...record, [key]: '12345' }))
    }
  }
}

function addresses({ json }: Answer): string[] {
  return (json.ips as { address: string }[]).map(({ address }) => address)
}

const prevResult = (...ips: string[]) => ({
  prevResult: { cniVersion: '1.0.0', ips: ips.map((address) => ({ address })) },
})
const valid = (...pairs: [string, string][]) => ({
  cniVersion: '1.1.0',
  'cni.dev/valid-attachments': pairs.map(([containerID, ifname]) => ({ containerID, ifname })),
})

t.test('ADD writes what the reference writes, byte for byte', { skip: noReference }, async (t) => {
  const ranges = [[{ subnet: '10.1.2.0/24', gateway: '10.1.2.254' }], [{ subnet: 'fd00:0:0:1::/64' }]]
  const ours = new Store(t, ranges)
  const theirs = new Store(t, ranges)
  const more = { ipam: { routes: [{ dst: '0.0.0.0/0' }, { dst: '10.9.0.1/16', gw: '10.1.2.7' }] } }
  for (const id of ['a', 'b']) {
    const [one, other] = [ours.call('ADD', { id }, more), theirs.call('ADD', { id, by: REFERENCE }, more)]
    const { dns: _, ...expected } = other.json
    t.same(one.json, expected)
  }
  for (const name of readdirSync(theirs.directory)) {
    const [one, other] = [join(ours.directory, name), join(theirs.directory, name)]
    t.equal(readFileSync(one, 'utf8'), readFileSync(other, 'utf8'), name)
    if (name !== 'lock') t.equal(statSync(one).mode & 0o777, 0o600)
  }
  t.same(readdirSync(ours.directory).sort(), readdirSync(theirs.directory).sort())
})

t.test('ADD repeated gives the same addresses', async (t) => {
  const store = new Store(t, [[{ subnet: '10.1.2.0/24' }], [{ subnet: 'fd00::/64' }]])
  const first = store.add('c1')
  store.add('c2')
  t.same(store.add('c1'), first)
  t.not(store.add('c1', { ifName: 'net1' })[0], first[0], 'another interface is another attachment')
  store.age('c1')
  t.same(store.add('c1'), first, 'after a reboot too')
  t.not(JSON.parse(readFileSync(join(store.side, store.records()[0] ?? ''), 'utf8')).boot, '12345')
})

t.test('ADD continues where the reference stopped, and the other way round', { skip: noReference }, async (t) => {
  const store = new Store(t)
  t.same(store.add('a'), ['10.1.2.2/24'])
  t.same(store.add('b', { by: REFERENCE }), ['10.1.2.3/24'])
  t.same(store.add('c'), ['10.1.2.4/24'])
  t.same(store.add('b'), ['10.1.2.3/24'], "the reference's lease is this attachment's lease")
  t.match(store.call('ADD', { id: 'a', by: REFERENCE }).json, { msg: /10\.1\.2\.2 has been allocated to a/ })
  t.equal(store.call('CHECK', { id: 'a', by: REFERENCE }, prevResult('10.1.2.2/24')).status, 0)
  t.equal(store.call('CHECK', { id: 'b' }, prevResult('10.1.2.3/24')).status, 0)
  t.equal(store.call('DEL', { id: 'a', by: REFERENCE }).status, 0)
  t.equal(store.call('DEL', { id: 'b' }).status, 0)
  t.same(store.leases(), { '10.1.2.4': 'c/eth0' })
  t.same(store.add('a'), ['10.1.2.5/24'], 'a released lease is not resurrected by its record')
})

const CALLS = LONG ? 1000 : 250

t.test(`${CALLS} calls of both programs at once: no address twice, nothing left`, { skip: noReference }, async (t) => {
  const store = new Store(t, [[{ subnet: '10.9.0.0/24' }], [{ subnet: 'fd09::/112' }]])
  const owners = new Map<string, string>()
  const faults: unknown[] = []
  let calls = 0
  let seed = 7
  const random = (n: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
    return (seed >>> 8) % n
  }
  const worker = async (name: string) => {
    const mine = new Map<string, string[]>()
    const release = async (id: string) => {
      for (const address of mine.get(id) ?? []) owners.delete(address)
      mine.delete(id)
      const answer = await store.callAsync('DEL', { id, by: random(2) === 0 ? OURS : REFERENCE })
      if (answer.status !== 0) faults.push(answer)
    }
    for (; calls < CALLS; calls++) {
      const id = `${name}${random(25)}`
      const held = mine.get(id)
      if (held !== undefined && random(4) > 0) {
        await release(id)
        continue
      }
      const answer = await store.callAsync('ADD', { id, by: held === undefined && random(2) === 0 ? REFERENCE : OURS })
      if (answer.status !== 0 || (held !== undefined && addresses(answer).join() !== held.join())) {
        faults.push({ id, held, answer })
        continue
      }
      for (const address of addresses(answer)) {
        if ((owners.get(address) ?? id) !== id) faults.push(`${address} to ${id} and ${owners.get(address)}`)
        owners.set(address, id)
      }
      mine.set(id, addresses(answer))
    }
    for (const id of [...mine.keys()]) await release(id)
  }
  await Promise.all(['k', 'l', 'm', 'n'].map(worker))
  t.same(faults, [])
  t.same(store.leases(), {})
})

t.test('64 first ADDs at once, then 64 DELs', async (t) => {
  const store = new Store(t)
  const ids = Array.from({ length: 64 }, (_, at) => `c${at}`)
  const answers = await Promise.all(ids.map((id) => store.callAsync('ADD', { id })))
  t.same([...new Set(answers.map(({ status }) => status))], [0])
  t.equal(new Set(answers.map((answer) => addresses(answer)[0])).size, 64)
  const ends = await Promise.all(ids.map((id) => store.callAsync('DEL', { id })))
  t.same(
    ends.filter(({ status, stderr }) => status !== 0 || stderr !== ''),
    [],
  )
  t.same(store.leases(), {})
  t.same(store.records(), [])
})

/** One in so many calls is tried, another first in each situation; the crash tests of bridge choose by what calls do. */
const ONE_IN = LONG ? 1 : 5

t.test('killed before every system call, DEL leaves nothing', { skip: noReference || noStrace }, async (t) => {
  /** Every system call of one run, as the name and how often it was called by then. */
  const pointsOf = (command: Command, prepare: (store: Store) => void): [string, number][] => {
    const store = new Store(t, ranges)
    prepare(store)
    const trace = join(store.dataDir, 'trace')
    traced(store, command, ['-o', trace])
    const seen = new Map<string, number>()
    return readFileSync(trace, 'utf8')
      .split('\n')
      .map((line) => /^(\w+)\(/.exec(line)?.[1] ?? '')
      .filter((name) => name !== '' && name !== 'execve' && name !== 'exit_group')
      .map((name) => {
        seen.set(name, (seen.get(name) ?? 0) + 1)
        return [name, seen.get(name) ?? 0]
      })
  }
  const traced = (store: Store, command: Command, options: string[]) =>
    spawnSync('strace', [...options, OURS], {
      input: JSON.stringify(store.config()),
      env: { ...environment(command, { id: 'k' }), PATH: process.env['PATH'] ?? '' },
    })
  const ranges = [[{ subnet: '10.1.2.0/24' }], [{ subnet: 'fd00::/64' }]]
  const situations: [string, Command, (store: Store) => void][] = [
    ['ADD in no store', 'ADD', () => {}],
    ["ADD beside the reference's lease", 'ADD', (store) => store.add('b', { by: REFERENCE })],
    ['ADD again', 'ADD', (store) => store.add('k')],
    ['DEL', 'DEL', (store) => store.add('k')],
    ["DEL of the reference's lease", 'DEL', (store) => store.add('k', { by: REFERENCE })],
  ]
  for (const [turn, [what, command, prepare]] of situations.entries()) {
    const points = pointsOf(command, prepare)
    const faults: unknown[] = []
    for (const [name, at] of points.filter((_, at) => (at + turn) % ONE_IN === 0)) {
      const store = new Store(undefined, ranges)
      prepare(store)
      traced(store, command, ['-o', '/dev/null', '-e', `inject=${name}:signal=KILL:when=${at}`])
      const empty = Object.values(store.leases()).filter((holder) => holder === '')
      const { status, stderr } = store.call('DEL', { id: 'k' })
      const { '10.1.2.2': other, 'fd00::2': another, ...left } = store.leases()
      const bystander = [other, another].filter((holder) => holder !== undefined)
      const intact = what.includes('beside') ? bystander.join() === 'b/eth0,b/eth0' : bystander.length === 0
      const records = store.records()
      if (
        status !== 0 ||
        stderr !== '' ||
        empty.length > 0 ||
        Object.keys(left).length > 0 ||
        records.length > 0 ||
        !intact
      ) {
        faults.push({ name, at, status, stderr, empty, left, records, bystander })
      }
      store.remove()
    }
    t.same(faults, [], `${what}: ${points.length} calls`)
  }
})

t.test('a full range says who has it, takes back what is dead, and nothing else', { skip: noReference }, async (t) => {
  const store = new Store(t, [[{ subnet: '10.1.2.0/29' }]])
  for (const id of ['a', 'b', 'c']) store.add(id)
  for (const id of ['r', 's']) store.add(id, { by: REFERENCE })
  const full = store.call('ADD', { id: 'x' })
  t.match(full.json, {
    code: 102,
    msg: 'failed to allocate for range 0: no IP addresses available in range set: 10.1.2.1-10.1.2.6',
    details: /^5 of 5 addresses are leased, the oldest since \d{4}-.*Z: 3 by flatnet .*2 without a record/,
  })
  t.match(store.call('STATUS', {}, { cniVersion: '1.1.0' }).json, { code: 50, msg: /no IP addresses available/ })
  t.equal(store.records().length, 3, 'no record of the refused one')

  store.age('a')
  store.age('b', 'node')
  t.equal(store.call('STATUS', {}, { cniVersion: '1.1.0' }).status, 0, 'reclaimable is available')
  const answer = store.call('ADD', { id: 'x' })
  t.same(addresses(answer), ['10.1.2.2/29'])
  t.match(answer.stderr, /took back 10\.1\.2\.[23], 10\.1\.2\.[23]: 2 leased before/)
  t.same(store.leases(), { '10.1.2.2': 'x/eth0', '10.1.2.4': 'c/eth0', '10.1.2.5': 'r/eth0', '10.1.2.6': 's/eth0' })
  store.add('y')

  store.plant('10.1.2.5', '')
  store.plant('10.1.2.6', '\0\0\0\0')
  t.equal(store.call('STATUS', {}, { cniVersion: '1.1.0' }).status, 0)
  t.same(store.add('z'), ['10.1.2.5/29'], 'damaged leases are reclaimable')
})

t.test('leases of the old form are honoured', async (t) => {
  const store = new Store(t)
  store.plant('10.1.2.9', 'old')
  t.equal(store.call('CHECK', { id: 'old' }, prevResult('10.1.2.9/24')).status, 0)
  t.same(store.add('old'), ['10.1.2.9/24'])
  t.same(store.add('old', { ifName: 'net1' }), ['10.1.2.2/24'], 'but not twice')
  t.same(store.leases(), { '10.1.2.2': 'old/net1', '10.1.2.9': 'old/eth0' })
  store.plant('10.1.2.10', 'older\n')
  store.call('GC', {}, valid(['old', 'net1'], ['older', 'whatever']))
  t.same(store.leases(), { '10.1.2.10': 'older\n', '10.1.2.2': 'old/net1' })
  store.call('DEL', { id: 'older' })
  t.same(store.leases(), { '10.1.2.2': 'old/net1' })
})

t.test('requested addresses are given, or the reason', async (t) => {
  const store = new Store(t)
  const wants = (ip: string) => ({ args: `IgnoreUnknown=1;IP=${ip}` })
  t.same(store.add('a', wants('10.1.2.50')), ['10.1.2.50/24'])
  t.same(store.add('a', wants('10.1.2.50')), ['10.1.2.50/24'])
  for (const [id, ip, code, msg] of [
    ['a', '10.1.2.51', 101, /10\.1\.2\.50 has been allocated to a, duplicate allocation is not allowed/],
    [
      'b',
      '10.1.2.50',
      103,
      /range 0: requested IP address 10\.1\.2\.50 is not available in range set 10\.1\.2\.1-10\.1\.2\.254/,
    ],
    ['b', '10.1.2.1', 103, /requested ip 10\.1\.2\.1 is subnet's gateway/],
    ['b', '10.9.9.9', 103, /failed to allocate all requested IPs: 10\.9\.9\.9/],
  ] as const) {
    t.match(store.call('ADD', { id, ...wants(ip) }).json, { code, msg }, ip)
  }
  t.same(store.leases(), { '10.1.2.50': 'a/eth0' })
  t.same(store.add('c', wants('10.1.2.60'), { args: { cni: { ips: ['10.1.2.61/24'] } } }), ['10.1.2.61/24'])
  t.same(store.add('d', {}, { runtimeConfig: { ips: ['::ffff:10.1.2.62'] } }), ['10.1.2.62/24'])
  store.plant('10.1.2.70', '')
  t.same(store.add('e', wants('10.1.2.70')), ['10.1.2.70/24'], 'a damaged lease is no obstacle')
  store.age('e')
  t.same(store.add('f', wants('10.1.2.70')), ['10.1.2.70/24'], 'nor one from before the last start')
})

t.test('all sets or none', async (t) => {
  const store = new Store(t, [[{ subnet: '10.1.2.0/24' }], [{ subnet: 'fd00::/126' }]])
  store.add('a')
  store.add('b')
  t.match(store.call('ADD', { id: 'c' }).json, { code: 102, msg: /^failed to allocate for range 1/ })
  t.match(store.call('ADD', { id: 'a' }, { runtimeConfig: { ips: ['10.1.2.2', '10.1.2.99'] } }).json, { code: 103 })
  t.same(store.leases(), { '10.1.2.2': 'a/eth0', '10.1.2.3': 'b/eth0', 'fd00::2': 'a/eth0', 'fd00::3': 'b/eth0' })
})

t.test('CHECK names every address that is not held', async (t) => {
  const store = new Store(t, [[{ subnet: '10.1.2.0/24' }], [{ subnet: 'fd00::/64' }]])
  const held = store.add('a')
  const foreign = '192.0.2.1/24' // of another IPAM plugin
  t.equal(store.call('CHECK', { id: 'a' }, prevResult(...held, foreign)).status, 0)
  t.match(store.call('CHECK', { id: 'b' }, prevResult(...held)).json, {
    code: 100,
    details: /10\.1\.2\.2 is leased to a/,
  })
  unlinkSync(join(store.directory, 'fd00::2'))
  t.match(store.call('CHECK', { id: 'a' }, prevResult(...held)).json, { code: 100, details: /^fd00::2 is not leased/ })
  t.match(store.call('CHECK', { id: 'b' }, prevResult(foreign)).json, {
    code: 100,
    details: /no address is leased to b/,
  })
  t.equal(store.call('CHECK', { id: 'a' }, prevResult(foreign)).status, 0)
})

t.test('DEL succeeds whatever is missing or wrong, and creates nothing', async (t) => {
  const store = new Store(t)
  t.match(store.call('DEL'), { status: 0, stderr: '' })
  t.same(readdirSync(store.dataDir), [])
  store.add('a')
  store.add('b')
  t.match(store.call('DEL', { id: 'c' }), { status: 0, stderr: '' })
  t.equal(store.call('DEL', { id: 'a' }, { ipam: { ranges: [[{ subnet: '10.1.2.1/24' }]] } }).status, 0, 'bad subnet')
  t.equal(store.call('DEL', { id: 'b' }, { ipam: { ranges: 5, routes: 'x' } }).status, 0, 'no configuration at all')
  t.same(store.leases(), {})
  t.match(store.call('DEL', { id: 'a' }), { status: 0, stderr: '' })
  writeFileSync(join(store.dataDir, 'file'), '')
  const answer = store.call('DEL', {}, { ipam: { dataDir: join(store.dataDir, 'file') } })
  t.match(answer, { status: 0, stderr: /counts as absent, because .*\/file is not a directory/ })
})

t.test('a read-only store: DEL fails, so that it is made again; ADD and STATUS refuse', async (t) => {
  const store = new Store(t)
  const held = store.add('a')
  const readOnly = (command: Command, more: Json = {}) => {
    const mount = `mount --bind ${store.dataDir} ${store.dataDir} && mount -o remount,ro,bind ${store.dataDir} && exec "$@"`
    const { status, stdout, stderr } = spawnSync('unshare', ['--mount', 'sh', '-c', mount, 'sh', OURS], {
      input: JSON.stringify(store.config({ cniVersion: '1.1.0', ...more })),
      env: { ...environment(command, { id: command === 'ADD' ? 'b' : 'a' }), PATH: process.env['PATH'] ?? '' },
      encoding: 'utf8',
    })
    return { status, stderr, json: stdout === '' ? undefined : JSON.parse(stdout) }
  }
  for (let again = 0; again < 2; again++) {
    const left = { code: 106, msg: /the lease of 10\.1\.2\.2 stays: .*EROFS/, details: 'the filesystem is read-only' }
    t.match(readOnly('DEL'), { status: 1, json: left })
  }
  t.match(readOnly('ADD'), { status: 1, json: { code: 5, msg: /EROFS/ } })
  t.match(readOnly('STATUS'), { status: 1, json: { code: 50, msg: /not writable/ } })
  t.match(readOnly('CHECK', prevResult(...held)), { status: 0 })
  t.equal(store.call('DEL', { id: 'a' }).status, 0)
  t.same(store.leases(), {})
})

t.test('an attachment of more leases than fit into 64 KiB is found again by DEL', async (t) => {
  const store = new Store(t)
  const ranges = Array.from({ length: 1700 }, (_, at) => {
    const subnet = `fd12:3456:789a:${(at + 0x1000).toString(16)}`
    return [{ subnet: `${subnet}::/64`, rangeStart: `${subnet}:1111:2222:3333:4444` }]
  })
  t.equal(store.call('ADD', { id: 'a' }, { ipam: { ranges } }).status, 0)
  t.equal(Object.keys(store.leases()).length, 1700)
  t.match(store.call('DEL', { id: 'a' }, { ipam: { ranges } }), { status: 0, stderr: '' })
  t.same(store.leases(), {})
  t.same(store.records(), [])
})

t.test('DEL releases what the reference leased to an interface whose name is no UTF-8', async (t) => {
  const store = new Store(t)
  mkdirSync(join(store.dataDir, 'net'), { recursive: true })
  const name = Buffer.from([0x65, 0xff, 0xed, 0xb2, 0x81])
  writeFileSync(join(store.dataDir, 'net', '10.1.2.50'), Buffer.concat([Buffer.from('a\r\n'), name]))
  writeFileSync(join(store.dataDir, 'net', '10.1.2.51'), Buffer.concat([Buffer.from('a\r\n'), name, Buffer.from('x')]))
  const del = (command: string) =>
    // The shell sets what Node cannot: a variable that is no UTF-8.
    spawnSync('sh', ['-c', `CNI_IFNAME=$(printf 'e\\377\\355\\262\\201') exec ${OURS}`], {
      input: JSON.stringify(store.config({})),
      env: { ...environment(command as Command, { id: 'a' }), PATH: process.env['PATH'] ?? '' },
      encoding: 'utf8',
    })
  const { status, stdout } = del('DEL')
  t.equal(status, 0, stdout)
  t.same(Object.keys(store.leases()), ['10.1.2.51'])
  t.match(JSON.parse(del('ADD').stdout), { code: 4, msg: /CNI_IFNAME/ }, 'ADD cannot tell of it')
})

t.test('GC keeps exactly the pairs it is told', async (t) => {
  const store = new Store(t)
  for (const id of ['c1', 'c10', 'c2']) store.add(id)
  store.add('c1', { ifName: 'net1' })
  store.plant('10.1.2.99', 'stranger\r\neth0')
  t.match(store.call('GC', {}, { cniVersion: '1.1.0' }), { status: 0, stderr: /nothing is removed/ })
  t.equal(Object.keys(store.leases()).length, 5)
  t.equal(store.call('GC', {}, valid(['c1', 'eth0'], ['c2', 'net1'], ['unknown', 'eth0'])).status, 0)
  t.same(store.leases(), { '10.1.2.2': 'c1/eth0' })
  t.equal(store.records().length, 1)
  t.equal(store.call('GC', {}, { cniVersion: '1.1.0', 'cni.dev/valid-attachments': null }).status, 0)
  t.same(store.leases(), {})
  t.same(store.add('n'), ['10.1.2.6/24'], 'the round robin goes on')
})

t.test('another network in the same directory is untouched', async (t) => {
  const store = new Store(t)
  store.add('a')
  store.call('ADD', { id: 'a' }, { name: 'other' })
  store.call('DEL', { id: 'a' }, { name: 'other' })
  store.call('GC', {}, { ...valid(), name: 'other' })
  t.same(store.leases(), { '10.1.2.2': 'a/eth0' })
  t.equal(store.call('CHECK', { id: 'a' }, prevResult('10.1.2.2/24')).status, 0)
})

t.test('STATUS says what would make ADD fail, and prints nothing else', async (t) => {
  const store = new Store(t)
  const status = (ipam: Json = {}) => store.call('STATUS', {}, { cniVersion: '1.1.0', ipam })
  t.same(status(), { status: 0, stderr: '', json: undefined }, 'no store yet')
  t.same(readdirSync(store.dataDir), [])
  t.match(status({ resolvConf: '/nowhere' }).json, { code: 50, msg: /failed to get DNS/ })
  writeFileSync(join(store.dataDir, 'file'), '')
  t.match(status({ dataDir: join(store.dataDir, 'file', 'x') }).json, { code: 50, msg: /is no directory/ })
})

t.test('the lock: a deadline would name its holder; a killed one is no obstacle', { skip: noReference }, async (t) => {
  const store = new Store(t)
  store.add('a')
  const holder = spawn('flock', [join(store.directory, 'lock'), 'sh', '-c', 'echo; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  await new Promise((done) => holder.stdout.once('data', done))
  const waiting = store.callAsync('ADD', { id: 'b' })
  setTimeout(() => process.kill(-(holder.pid ?? 0), 'SIGKILL'), 300)
  t.same(addresses(await waiting), ['10.1.2.3/24'])
})

/** Enough for one call more in a hundred leases to be seen. */
const CROWD = LONG ? 60_000 : 6000

t.test(
  `ADD, CHECK and DEL make the same system calls with ${CROWD} leases as with none`,
  { skip: noStrace },
  async (t) => {
    const count = (leases: number): Record<string, number> => {
      const store = new Store(t, [[{ subnet: '10.0.0.0/8' }]])
      for (let at = 0; at < leases; at++) {
        store.plant(`10.${1 + (at >> 16)}.${(at >> 8) & 255}.${at & 255}`, `${'0'.repeat(58)}${at}\r\neth0`)
      }
      const first = store.add('first') // it reads them all, once
      store.add('second')
      const counts: Record<string, number> = {}
      for (const [command, id] of [
        ['ADD', 'third'],
        ['CHECK', 'first'],
        ['DEL', 'second'],
        ['DEL', `${'0'.repeat(58)}5`],
      ] as const) {
        const trace = join(store.dataDir, 'trace')
        spawnSync('strace', ['-o', trace, '-e', 'trace=%file,%desc', OURS], {
          input: JSON.stringify(store.config(prevResult(...first))),
          env: { ...environment(command, { id }), PATH: process.env['PATH'] ?? '' },
        })
        counts[`${command} ${id}`] = readFileSync(trace, 'utf8')
          .split('\n')
          .filter((line) => line.includes(') = ')).length
      }
      t.equal(existsSync(join(store.directory, '10.1.0.5')), false, "a stranger's lease was found and released")
      return counts
    }
    const [none, many] = [count(0), count(CROWD)]
    for (const call of ['ADD third', 'CHECK first', 'DEL second']) {
      // The catalogue of strangers' leases: open, three reads for each of two forms, the boot's id, close.
      t.ok((many[call] ?? 0) <= (none[call] ?? 0) + 10, `${call}: ${none[call]} and ${many[call]}`)
    }
  },
)
