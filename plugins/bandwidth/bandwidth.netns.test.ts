import t from 'tap'
import { Attachment, call, type Json, REFERENCE_BIN } from '../../lib/testing/cni.js'
import { type Netns, needs } from '../../lib/testing/netns.js'
import { node } from '../../lib/testing/node.js'

const skip = needs('root')

const SERVER = `
require('net').createServer((socket) => {
  let bytes = 0, begun
  socket.on('data', (data) => { begun ??= process.hrtime.bigint(); bytes += data.length })
  socket.on('end', () => socket.end(String(bytes * 8 / (Number(process.hrtime.bigint() - begun) / 1e9))))
  socket.on('error', () => {})
}).listen(7000, '::', () => console.log('ready'))`

const CLIENT = `
const [host, seconds] = process.argv.slice(1)
const socket = require('net').connect({ host, port: 7000, allowHalfOpen: true })
const chunk = Buffer.alloc(16384)
const end = Date.now() + seconds * 1000
const feed = () => { while (Date.now() < end) if (!socket.write(chunk)) return socket.once('drain', feed); socket.end() }
socket.on('connect', feed)
socket.pipe(process.stdout)`

/** Bits a second that arrive. */
async function rate(from: Netns, to: Netns, address: string): Promise<number> {
  const server = to.start([process.execPath, '-e', SERVER])
  await new Promise((ready) => server.stdout?.once('data', ready))
  const { stdout } = from.try([process.execPath, '-e', CLIENT, '--', address, '2'])
  server.kill('SIGKILL')
  return Number(stdout)
}

const ifbs = (host: Netns) => host.ip('link', 'show', 'type', 'ifb')
const qdiscs = (host: Netns): Json[] => JSON.parse(host.run('tc', '-j', 'qdisc', 'show'))

t.test('a transfer runs at the limit, in both directions and families', { skip }, async (t) => {
  const { host, pod } = node(t)
  const limits = { ingressRate: 40e6, egressRate: 20e6 }
  const { netns, attachment } = pod('a', [{ type: 'bandwidth', ...limits }])
  const { interfaces } = attachment.add()
  t.match(interfaces[3], { name: /^bwp[0-9a-f]{12}$/ }, 'the ifb is the last interface')
  const within = (measured: number, limit: number, what: string) =>
    t.ok(Math.abs(measured / limit - 1) < 0.1, `${what}: ${(measured / 1e6).toFixed(1)} of ${limit / 1e6} Mbit/s`)
  within(await rate(host, netns, '10.1.2.2'), 40e6, 'towards the container')
  within(await rate(netns, host, '10.1.2.1'), 20e6, 'from the container')
  within(await rate(netns, host, 'fd12::1'), 20e6, 'from the container, IPv6')
  attachment.check()
  host.run('tc', 'qdisc', 'del', 'dev', interfaces[1].name, 'root')
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
    { ingressRate: 8e6, prevResult: { ...prevResult, interfaces: [prevResult.interfaces[2]], ips: [] } },
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
