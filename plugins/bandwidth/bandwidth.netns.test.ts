import t from 'tap'
import { Attachment, call, type Json, REFERENCE_BIN } from '../../lib/testing/cni.js'
import { type Netns, needs } from '../../lib/testing/netns.js'
import { node } from '../../lib/testing/node.js'

const skip = needs('root')

const SINK = `
require('net').createServer((socket) => socket.on('error', () => {}).resume()).listen(7000, '::', () => console.log('ready'))`

const SOURCE = `
const socket = require('net').connect({ host: process.argv[1], port: 7000 })
const chunk = Buffer.alloc(16384)
const feed = () => { while (socket.write(chunk)); socket.once('drain', feed) }
socket.on('connect', feed)
socket.on('error', () => {})`

/** Runs a transfer that never ends while `work` looks at it. */
async function transferring<T>(from: Netns, to: Netns, address: string, work: () => Promise<T>): Promise<T> {
  const sink = to.start([process.execPath, '-e', SINK])
  await new Promise((ready) => sink.stdout?.once('data', ready))
  const source = from.start([process.execPath, '-e', SOURCE, '--', address])
  try {
    return await work()
  } finally {
    for (const child of [source, sink]) child.kill('SIGKILL')
  }
}

/** What a link has received, and when: at some moment between two readings of the clock, in seconds. */
interface Sample {
  readonly before: number
  readonly bits: number
  readonly after: number
}

function sample(netns: Netns, link: string): Sample {
  const before = performance.now() / 1000
  const [{ stats64 }] = netns.ip('-s', 'link', 'show', link) as [Json]
  return { before, bits: stats64.rx.bytes * 8, after: performance.now() / 1000 }
}

const pause = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds))

/** True as soon as it is, false after so many seconds. */
async function within(seconds: number, condition: () => boolean): Promise<boolean> {
  const end = performance.now() + seconds * 1000
  while (!condition()) {
    if (performance.now() > end) return false
    await pause(20)
  }
  return true
}

const ifbs = (host: Netns) => host.ip('link', 'show', 'type', 'ifb')
const qdiscs = (host: Netns, ...options: string[]): Json[] =>
  JSON.parse(host.run('tc', ...options, '-j', 'qdisc', 'show'))

t.test('a transfer runs at the limit, in both directions and families', { skip }, async (t) => {
  const { host, pod } = node(t)
  const limits = { ingressRate: 8e6, egressRate: 4e6 }
  const { netns, attachment } = pod('a', [{ type: 'bandwidth', ...limits }])
  const { interfaces } = attachment.add()
  t.match(interfaces[3], { name: /^bwp[0-9a-f]{12}$/ }, 'the ifb is the last interface')
  const bucket = (link: string): Json => qdiscs(host, '-s').find(({ kind, dev }) => kind === 'tbf' && dev === link)
  // Never more, whoever else is at work: whatever the bucket lets pass, it has had the time for. That it lets pass
  // as much is for a machine to show that has the time as well: in the best second of ten.
  const runs = async (from: Netns, to: Netns, address: string, link: string, limit: number, what: string) => {
    const receiver = to === netns ? 'eth0' : 'cni0'
    const { overlimits } = bucket(link)
    await transferring(from, to, address, async () => {
      t.ok(await within(20, () => bucket(link).overlimits > overlimits), `${what}: there is more to send than may pass`)
      const burst = bucket(link).options.burst * 8
      const first = sample(to, receiver)
      let [last, best] = [first, 0]
      for (let second = 0; second < 10 && best < 0.9 * limit; second++) {
        await pause(1000)
        const next = sample(to, receiver)
        best = Math.max(best, (next.bits - last.bits) / (next.before - last.after))
        last = next
      }
      const most = limit * (last.after - first.before) + burst
      const shown = `${((last.bits - first.bits) / 1e6).toFixed(1)} of ${(most / 1e6).toFixed(1)} Mbit`
      t.ok(last.bits - first.bits <= 1.1 * most, `${what}: ${shown}, no more`)
      t.ok(best >= 0.9 * limit, `${what}: ${(best / 1e6).toFixed(1)} of ${limit / 1e6} Mbit/s, no less`)
    })
  }
  const [veth, ifb] = [interfaces[1].name, interfaces[3].name]
  await runs(host, netns, '10.1.2.2', veth, 8e6, 'towards the container')
  await runs(netns, host, '10.1.2.1', ifb, 4e6, 'from the container')
  await runs(netns, host, 'fd12::1', ifb, 4e6, 'from the container, IPv6')
  attachment.check()
  host.run('tc', 'qdisc', 'del', 'dev', veth, 'root')
  t.match(attachment.tryCheck().json, { code: 100, details: /no token bucket/ })
  attachment.del({ netns: '' })
  attachment.del({ netns: '' })
  t.same(ifbs(host), [], 'DEL removes the ifb without the namespace')
})

t.test('rates, bursts and latency are as the reference sets them', { skip }, async (t) => {
  const cases: Json[] = [
    { ingressRate: 8e6, ingressBurst: 800000, egressRate: 16e6, egressBurst: 1600000 },
    { ingressRate: 800e6, ingressBurst: 8e7, egressRate: 400e6, egressBurst: 4e7 },
  ]
  for (const limits of cases) {
    const seen = [undefined, REFERENCE_BIN].map((bin) => {
      const { host, pod } = node(t)
      const { attachment, netns } = pod('a')
      const { cniVersion: _, ...prevResult } = attachment.add()
      const interfaces = prevResult.interfaces.map(({ mtu: __, ...entry }: Json) => entry)
      const config = { cniVersion: '1.0.0', name: 'net', type: 'bandwidth', prevResult: { ...prevResult, interfaces } }
      const answer = call({ command: 'ADD', host, netns, config: { ...config, ...limits }, ...(bin && { bin }) })
      t.equal(answer.status, 0, answer.stdout)
      return qdiscs(host)
        .filter(({ kind }) => kind === 'tbf')
        .map(({ options }) => ({ rate: options.rate, burst: Math.round(options.burst / 1000), lat: options.lat }))
        .sort((a, b) => a.rate - b.rate)
    })
    t.same(seen[0], seen[1], JSON.stringify(limits))
  }
})

t.test('a burst nobody gave gets a size that fits, and none is cut to 32 bits', { skip }, async (t) => {
  const cases: [Json, Json][] = [
    [{ ingressRate: 1e6 }, { rate: 125000, burst: 65536 }],
    [{ ingressRate: 1e9 }, { rate: 125e6, burst: 1250000 }],
    [
      { ingressRate: 1e9, ingressBurst: 2 ** 32 - 1 },
      { rate: 125e6, burst: 1250000 },
    ],
    [
      { ingressRate: 1e9, ingressBurst: 34359738359 },
      { rate: 125e6, burst: 1250000 },
    ],
    [
      { ingressRate: 1e6, ingressBurst: 8 },
      { rate: 125000, burst: 1518 },
    ],
    [{ ingressRate: 400e9 }, { rate: 50e9, burst: 500e6 }],
  ]
  for (const [limits, { rate: expected, burst }] of cases) {
    const { host, pod } = node(t)
    const { attachment } = pod('a', [{ type: 'bandwidth', capabilities: { bandwidth: true } }], {
      capabilities: { bandwidth: limits },
    })
    attachment.add()
    const [{ options }] = qdiscs(host).filter(({ kind }) => kind === 'tbf') as [Json]
    t.equal(options.rate, expected, JSON.stringify(limits))
    t.ok(Math.abs(options.burst / burst - 1) < 0.01, `burst ${options.burst}`)
    attachment.check()
  }
})

t.test('what is wrong is refused before anything is done, and zero is no limit', { skip }, async (t) => {
  const { host, pod, list } = node(t)
  const { netns, attachment } = pod('a')
  const prevResult = attachment.add()
  const config = { cniVersion: '1.1.0', name: 'net', type: 'bandwidth', prevResult, stateDir: list.stateDir }
  const wrong: Json[] = [
    { ingressBurst: 8000 },
    { ingressRate: -1 },
    { ingressRate: 7 },
    { egressRate: 1.5 },
    { egressRate: '1M' },
    { egressRate: 8e6, egressBurst: 34359738360 },
    { ingressRate: 8e6, prevResult: undefined },
    { prevResult: undefined },
  ]
  for (const one of wrong) {
    t.match(
      call({ command: 'ADD', host, netns, config: { ...config, ...one } }).json,
      { code: 7 },
      JSON.stringify(one).slice(0, 60),
    )
  }
  const unlimited = [
    {},
    { ingressRate: 0, egressRate: 0 },
    { ingressRate: 0, runtimeConfig: { bandwidth: { egressRate: 8e6 } } },
  ]
  for (const one of unlimited) {
    t.same(call({ command: 'ADD', host, netns, config: { ...config, ...one } }).json, prevResult, JSON.stringify(one))
  }
  t.same(ifbs(host), [])
  t.same(
    qdiscs(host).filter(({ kind }) => kind !== 'noqueue'),
    [],
  )
})

t.test('the limit is on the other end of CNI_IFNAME, whatever prevResult lists', { skip }, async (t) => {
  const { host, pod, list } = node(t)
  const { netns, attachment } = pod('a')
  const other = pod('b').attachment.add()
  const prevResult = attachment.add()
  const [bridge, veth, inside] = prevResult.interfaces
  const config = { cniVersion: '1.1.0', name: 'net', type: 'bandwidth', stateDir: list.stateDir, ingressRate: 8e6 }
  const limited = () => qdiscs(host).flatMap(({ kind, dev }) => (kind === 'tbf' ? [dev] : []))
  for (const [what, interfaces] of [
    ['none', undefined],
    ['only the container', [inside]],
    ['only the bridge', [bridge]],
    ["another container's", [bridge, other.interfaces[1], inside]],
    ['both', [bridge, other.interfaces[1], veth, inside]],
  ] as const) {
    const request = { host, netns, config: { ...config, prevResult: { ...prevResult, interfaces, ips: [] } } }
    t.equal(call({ command: 'ADD', ...request }).status, 0, what)
    t.same(limited(), [veth.name], `${what}: ADD`)
    t.equal(call({ command: 'CHECK', ...request }).status, 0, `${what}: CHECK of the same`)
    t.equal(call({ command: 'DEL', ...request }).status, 0)
    host.run('tc', 'qdisc', 'del', 'dev', veth.name, 'root')
  }
})

t.test('a container link without an end on the host is refused, and named', { skip }, async (t) => {
  const { host, pod, list } = node(t)
  const { netns, attachment } = pod('a')
  const prevResult = attachment.add()
  host.batch(`link add mv0 link up0 netns ${netns.path.split('/').pop()} type macvlan mode bridge`)
  netns.batch('link add far0 type veth peer name far1')
  const config = { cniVersion: '1.1.0', name: 'net', type: 'bandwidth', stateDir: list.stateDir, ingressRate: 8e6 }
  for (const [ifName, reason] of [
    ['mv0', /kind macvlan/],
    ['far0', /other end .* is not on this host/],
    ['none0', /no link of this host leads/],
  ] as const) {
    const answer = call({ command: 'ADD', host, netns, ifName, config: { ...config, prevResult } })
    t.match(answer.json, { code: 7, msg: reason }, ifName)
  }
  t.same(
    qdiscs(host).filter(({ kind }) => kind !== 'noqueue'),
    [],
    'nobody is limited',
  )
})

t.test('a rate that lets nothing pass is said by ADD and STATUS, and CHECK fails', { skip }, async (t) => {
  const { host, pod, list } = node(t)
  const { netns, attachment } = pod('a')
  const prevResult = attachment.add()
  const config = { cniVersion: '1.1.0', name: 'net', type: 'bandwidth', stateDir: list.stateDir }
  const request = { host, netns, config: { ...config, prevResult, ingressRate: 992, egressRate: 1000 } }
  const added = call({ command: 'ADD', ...request })
  t.equal(added.status, 0)
  t.match(added.stderr, /ingressRate is about 992 bit\/s.*write 1000000 for 1 Mbit\/s/)
  t.notMatch(added.stderr, /egressRate/, '1 kbit/s is enough')
  t.match(call({ command: 'CHECK', ...request }).json, { code: 100, details: /ingressRate is about 992/ })
  const status = call({ command: 'STATUS', ...request })
  t.equal(status.status, 0, status.stdout)
  t.match(status.stderr, /ingressRate is about 992/)
})

t.test('two interfaces of a container have an ifb each, and GC removes those of none', { skip }, async (t) => {
  const { host, pod, list } = node(t)
  const limits = [{ type: 'bandwidth', egressRate: 8e6 }]
  const first = pod('a', limits)
  first.attachment.add()
  const second = new Attachment(host, first.attachment.list, first.netns, { containerId: 'a', ifName: 'net1' })
  second.add()
  t.equal(ifbs(host).length, 2)
  first.attachment.del()
  second.check()
  const config = { cniVersion: '1.1.0', name: 'net', type: 'bandwidth', stateDir: list.stateDir }
  const keep = { ...config, 'cni.dev/valid-attachments': [{ containerID: 'a', ifname: 'net1' }] }
  t.equal(call({ command: 'GC', host, config: keep }).status, 0)
  second.check()
  t.equal(
    call({ command: 'GC', host, config: { ...config, name: 'other', 'cni.dev/valid-attachments': [] } }).status,
    0,
  )
  t.equal(ifbs(host).length, 1, "another network's is left alone")
  t.equal(call({ command: 'GC', host, config: { ...config, 'cni.dev/valid-attachments': [] } }).status, 0)
  t.same(ifbs(host), [])
})

t.test('DEL removes the ifb that the reference made', { skip }, async (t) => {
  const { host, pod } = node(t)
  const { netns, attachment } = pod('a')
  const { cniVersion: _, ...prevResult } = attachment.add()
  const interfaces = prevResult.interfaces.map(({ mtu: __, ...entry }: Json) => entry)
  const config = {
    ...{ cniVersion: '1.0.0', name: 'net', type: 'bandwidth', prevResult: { ...prevResult, interfaces } },
    ...{ egressRate: 8e6, egressBurst: 8e5 },
  }
  t.equal(call({ command: 'ADD', host, netns, config, bin: REFERENCE_BIN }).status, 0)
  t.equal(ifbs(host).length, 1)
  t.equal(call({ command: 'DEL', host, config }).status, 0)
  t.same(ifbs(host), [])
})
