import t from 'tap'
import { Attachment, call, type Json, REFERENCE_BIN } from '../../lib/testing/cni.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { NODE, node, OUTSIDE } from '../../lib/testing/node.js'
import { ask, serve } from '../../lib/testing/peer.js'
import { network } from '../../lib/testing/pod-network.js'

const skip = needs('root')

t.test('ipMasq: the outside sees the node, everybody else sees the pod', { skip }, async (t) => {
  const { host, outside, pod, list, ruleset } = node(t, { config: { ipMasq: true } })
  const [a, b] = [pod('a'), pod('b')]
  a.attachment.add()
  b.attachment.add()
  outside.batch('addr add 169.254.169.254/32 dev lo', 'route add 10.1.2.0/24 via 192.0.2.1')
  await serve(outside, 'outside', 80)
  await serve(host, 'host', 80)
  await serve(b.netns, 'b', 80)
  for (const [family, own] of [
    [4, '10.1.2.2'],
    [6, 'fd12::2'],
  ] as const) {
    t.equal(ask(a.netns, OUTSIDE[family], 80), `outside sees ${NODE[family]}`, 'outside')
    t.equal(ask(a.netns, OUTSIDE[family], 80, 'udp'), `outside sees ${NODE[family]}`, 'over UDP')
    t.equal(ask(a.netns, NODE[family], 80), `host sees ${own}`, 'the node itself')
    t.equal(ask(a.netns, family === 4 ? '10.1.2.3' : 'fd12::3', 80), `b sees ${own}`, 'another pod')
  }
  t.equal(ask(a.netns, '169.254.169.254', 80), `outside sees ${NODE[4]}`, 'cloud metadata')
  a.attachment.check()
  host.run('nft', 'flush', 'chain', 'inet', 'flatnet-masq', 'postrouting')
  t.match(a.attachment.tryCheck().json, { code: 100 }, 'CHECK sees a flushed chain')
  b.attachment.del()
  const c = pod('c')
  c.attachment.add()
  a.attachment.check()
  t.equal(ask(a.netns, OUTSIDE[4], 80), `outside sees ${NODE[4]}`, 'the next ADD has repaired it for all')
  const stale = { ...list, 'cni.dev/valid-attachments': [{ containerID: 'a', ifname: 'eth0' }] }
  t.equal(call({ command: 'GC', host, config: stale }).status, 0)
  a.attachment.check()
  t.notMatch(ruleset(), /10\.1\.2\.[34]/, 'GC has ended it for the others')
  a.attachment.del({ netns: '', prevResult: undefined })
  t.equal(ruleset(), '', 'the last one takes the table along')
})

const SHOUTER = `
const [own, address] = process.argv.slice(1)
const socket = require('dgram').createSocket(own.includes(':') ? 'udp6' : 'udp4')
socket.bind(9, own, () => {
  if (!own.includes(':')) socket.setBroadcast(true)
  setInterval(() => socket.send('x', 9, address), 200)
})`

/** The source that `to` sees of what `from` sends to all on its link, as tcpdump prints it. */
function heard(from: Netns, to: Netns, own: string, address: string): string {
  const sender = from.start([process.execPath, '-e', SHOUTER, '--', own, address])
  try {
    const filter = ['udp', 'dst', 'port', '9', 'and', 'dst', 'host', address.split('%')[0] as string]
    const { stdout } = to.try(['timeout', '20', 'tcpdump', '-nn', '-q', '-c', '1', '-i', 'eth0', ...filter])
    return stdout.match(/IP6? (\S+)\.\d+ > /)?.[1] ?? `nothing: ${stdout}`
  } finally {
    sender.kill('SIGKILL')
  }
}

t.test('what never leaves the link keeps its source where iptables sees bridged frames', { skip }, (t) => {
  const { host, pod } = node(t, { config: { ipMasq: true } })
  const [a, b] = [pod('a'), pod('b')]
  a.attachment.add()
  b.attachment.add()
  host.run('sysctl', '-w', 'net.bridge.bridge-nf-call-iptables=1', 'net.bridge.bridge-nf-call-ip6tables=1')
  // A range of the same bridge that the pod has no address in.
  a.netns.batch('route add broadcast 10.1.9.255 dev eth0')
  const linkLocal = b.netns.run('ip', '-6', '-o', 'addr', 'show', 'dev', 'eth0').match(/fe80::[0-9a-f:]+/)?.[0]
  for (const [what, address] of [
    ['every host of the link', '255.255.255.255'],
    ['the broadcast address of its subnet', '10.1.2.255'],
    ['the broadcast address of another subnet', '10.1.9.255'],
    ['a multicast group', '224.0.0.251'],
    ['a multicast group of IPv6', 'ff02::fb%eth0'],
    ['a link-local address', `${linkLocal}%eth0`],
  ] as const) {
    const own = address.includes(':') ? 'fd12::2' : '10.1.2.2'
    t.equal(heard(a.netns, b.netns, own, address), own, what)
  }
  t.end()
})

t.test('a table of an earlier version is made anew by the next ADD, for all that are in it', { skip }, (t) => {
  const { host, pod, ruleset } = node(t, { config: { ipMasq: true } })
  const [a, b] = [pod('a'), pod('b')]
  a.attachment.add()
  const version = Number(ruleset().match(/comment "flatnet (\d+)"/)?.[1])
  // Version 2 masqueraded broadcasts and what went to link-local addresses.
  const earlier = ruleset()
    .replaceAll(`"flatnet ${version}`, '"flatnet 2')
    .replace('ip6 daddr fe80::/10 return\n', '')
    .replace('meta pkttype broadcast return\n', '')
    .replace(/comment "(\d+) /, (_, rules) => `comment "${rules - 2} `)
  host.try(['nft', '-f', '-'], { input: `flush ruleset\n${earlier}` })
  t.notMatch(ruleset(), /pkttype/)
  a.attachment.check()
  b.attachment.add()
  t.match(ruleset(), `comment "flatnet ${version}"`)
  t.match(ruleset(), /ip6 daddr fe80::\/10 return\s+meta pkttype broadcast return/)
  for (const { attachment } of [a, b]) attachment.check()
  for (const { attachment } of [a, b]) attachment.del()
  t.equal(ruleset(), '')
  t.end()
})

t.test('exclude, random and to say what is masqueraded, and as whom', { skip }, async (t) => {
  const ipMasq = { exclude: ['192.0.2.9/32', 'fd99::/16'], to: '192.0.2.77', random: 'none' }
  const { outside, host, pod, ruleset } = node(t, { config: { ipMasq } })
  const { netns, attachment } = pod('a')
  attachment.add()
  host.batch('addr add 192.0.2.77/24 dev up0')
  outside.batch('addr add 192.0.2.10/24 dev eth0', 'route add 10.1.2.0/24 via 192.0.2.1')
  await serve(outside, 'outside', 80)
  t.equal(ask(netns, '192.0.2.9', 80), 'outside sees 10.1.2.2', 'excluded')
  t.equal(ask(netns, '192.0.2.10', 80), 'outside sees 192.0.2.77', 'to')
  t.equal(ask(netns, OUTSIDE[6], 80), `outside sees ${NODE[6]}`, 'the other family: the interface')
  t.notMatch(ruleset(), /random/)
  attachment.del()
  for (const wrong of [{ exclude: ['nowhere'] }, { to: 'me' }, { random: 'yes' }, 'yes']) {
    const other = node(t, { config: { ipMasq: wrong } })
    t.match(other.pod('a').attachment.tryAdd().json, { code: 7 }, JSON.stringify(wrong))
  }
})

t.test('DEL does without what others have emptied, and CHECK names it', { skip }, (t) => {
  const { host, pod, ruleset } = node(t, { config: { ipMasq: true, macspoofchk: true } })
  const [a, b] = [pod('a'), pod('b')]
  a.attachment.add()
  b.attachment.add()
  const set = ruleset().match(/set (net-\w+-4)/)?.[1] ?? ''
  host.run('nft', 'flush', 'set', 'inet', 'flatnet-masq', set)
  t.match(a.attachment.tryCheck().json, { code: 100, details: /10\.1\.2\.2 does not lead to/ })
  a.attachment.del()
  t.notMatch(ruleset(), /10\.1\.2\.2|\/a\//)
  b.attachment.del()
  t.equal(ruleset(), '')
  t.end()
})

t.test('no rule looks up a verdict by a pod: kernels check such maps as a whole with every ADD', { skip }, (t) => {
  const { pod, ruleset } = node(t, { config: { ipMasq: true, macspoofchk: true } })
  const { attachment } = pod('a')
  attachment.add()
  t.match(ruleset(), /map pods4/)
  t.notMatch(ruleset(), /vmap/)
  attachment.del()
  t.end()
})

t.test('DEL of a container after another took its address leaves the other working', { skip }, async (t) => {
  const { host, outside, pod } = node(t, { config: { ipMasq: true } })
  const [a, b] = [pod('a'), pod('b')]
  a.attachment.add()
  const record = host.run('sh', '-c', `find ${a.attachment.list.plugins[0].stateDir} -name '*.json' | xargs cat`)
  const file = host.run('sh', '-c', `find ${a.attachment.list.plugins[0].stateDir} -name '*.json'`).trim()
  // The runtime has lost sight of it: its lease and link are gone, its record and elements are not.
  host.run('ip', 'link', 'delete', a.attachment.result.interfaces[1].name)
  host.run('sh', '-c', `rm -r ${a.attachment.list.plugins[0].ipam.dataDir}`)
  t.equal(b.attachment.add().ips[0].address, '10.1.2.2/24', 'the address is reused')
  t.match(record, /"masquerade"/)
  t.match(host.run('cat', file), /"masquerade"/)
  a.attachment.del({ netns: '' })
  await serve(outside, 'outside', 80)
  t.equal(ask(b.netns, OUTSIDE[4], 80), `outside sees ${NODE[4]}`)
  b.attachment.check()
})

t.test('macspoofchk drops frames with another MAC, from nobody else', { skip }, async (t) => {
  const { host, pod, ruleset } = node(t, { config: { macspoofchk: true } })
  const [a, b] = [pod('a'), pod('b')]
  a.attachment.add()
  b.attachment.add()
  t.ok(a.netns.ping('10.1.2.3') && a.netns.ping('fd12::3'), 'with its own MAC')
  const mac = a.attachment.result.interfaces[2].mac
  a.netns.run('ip', 'link', 'set', 'eth0', 'address', '02:00:00:00:00:01')
  t.notOk(a.netns.ping('10.1.2.3', { seconds: 1 }), 'with another')
  t.ok(b.netns.ping('10.1.2.1'), 'its neighbour is free')
  a.netns.run('ip', 'link', 'set', 'eth0', 'address', mac)
  t.ok(a.netns.ping('10.1.2.3'), 'with its own again')
  host.run('nft', 'flush', 'ruleset')
  t.match(a.attachment.tryCheck().json, { code: 100, details: /flatnet-mac/ })
  const c = pod('c')
  c.attachment.add()
  a.attachment.check()
  for (const { attachment } of [a, b, c]) attachment.del({ netns: '' })
  t.equal(ruleset(), '')
})

t.test('DEL removes the masquerading and MAC checks that the reference left', { skip }, async (t) => {
  for (const ipMasqBackend of ['iptables', 'nftables']) {
    const host = Netns.create(t, 'node')
    const container = Netns.create(t, 'pod', { loopback: false })
    const list = network(t, {
      subnets: ['10.1.2.0/24', 'fd12::/64'],
      config: { cniVersion: '1.0.0', ipMasq: true, macspoofchk: true },
    })
    const { stateDir: _, ...theirs } = list
    const containerId = '0123456789abcdef'
    const reference = new Attachment(host, { ...theirs, ipMasqBackend } as Json, container, {
      containerId,
      bin: REFERENCE_BIN,
    })
    const answer = reference.tryAdd()
    if (answer.status !== 0) {
      t.comment(`the reference says: ${answer.stdout}`)
      continue
    }
    const before = host.run('nft', 'list', 'ruleset')
    t.match(before, /masquerade/)
    t.match(before, /cni-br-iface-0123456789abcdef-eth0/)
    const ours = new Attachment(host, list, container, { containerId })
    ours.result = reference.result
    ours.del()
    ours.del({ netns: '' })
    t.notMatch(
      host.run('nft', 'list', 'ruleset'),
      /10\.1\.2\.2|fd12::2|masquerade|CNI-|0123456789abcdef/,
      ipMasqBackend,
    )
  }
})
