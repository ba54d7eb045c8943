/** What a node refuses, what it leaves alone, and what it says about it. */

import t from 'tap'
import { Cluster, type NodeSpec } from '../../lib/testing/cluster.js'
import { expectSuccess, type Json } from '../../lib/testing/cni.js'
import { needs } from '../../lib/testing/netns.js'

const node = (n: number, more: Partial<NodeSpec> = {}): NodeSpec => ({
  name: `n${n}`,
  addresses: [`10.9.0.${n}/24`],
  podCIDRs: [`10.244.${n}.0/24`],
  ...more,
})

function cluster(t: ConstructorParameters<typeof Cluster>[0], ...numbers: number[]): Cluster {
  const made = new Cluster(t)
  for (const n of numbers) made.addNode(node(n))
  made.tell()
  return made
}

const skip = needs('root')
const PLUGINS: readonly Json[] = [{ type: 'host-gw' }, { type: 'vxlan' }]

t.test('ADD refuses what it cannot stand on', { skip }, async (t) => {
  for (const plugin of PLUGINS) {
    const { nodes } = cluster(t, 1)
    const [first] = nodes
    if (first === undefined) return
    const pod = first.makePod()
    const add = (more: Json) => first.call('ADD', { ...plugin, ...more }, pod).json
    t.match(first.call('ADD', plugin).json, { code: 4 }, 'no attachment')
    t.match(first.call('ADD', plugin, pod, null).json, {
      code: 7,
      msg: /must be chained after a plugin that makes the interface/,
    })
    t.match(add({ nodesFile: `${first.directory}/none.json` }), {
      code: 11,
      msg: /none.json does not exist/,
      details: /writes it/,
    })
    t.match(add({ nodes: first.config({}).nodes ?? [] }), { code: 7, msg: /both/ }, 'two sources')
    const inline = (table: unknown) => add({ nodesFile: undefined, nodes: table })
    t.match(inline([]), { code: 7, msg: /"\/nodes" is empty/ })
    t.match(inline([{ name: 'x', addresses: ['10.9.0.7'], podCIDRs: ['10.244.7.0/24'] }]), {
      code: 7,
      msg: /not in the table/,
      details: /this machine has 10.9.0.1/,
    })
    const own = { name: 'n1', addresses: ['10.9.0.1'], podCIDRs: ['10.244.1.0/24'] }
    t.match(inline([own, { ...own, name: 'n2', addresses: ['10.9.0.2'] }]), { code: 7, msg: /podCIDRs\/0" overlaps/ })
    t.match(inline([own, { name: 'n2', addresses: ['10.9.0.2'], podCIDRs: ['10.9.0.0/25'] }]), {
      code: 7,
      msg: /eth0 of this machine has 10.9.0.1\/24/,
    })
    t.match(add({ clusterCIDRs: ['10.244.0.0/33'] }), { code: 7, msg: /\/clusterCIDRs\/0/ })
    t.same(first.host.run('ip', 'route', 'show', 'proto', '70'), '', 'and changes nothing')
    t.equal(first.host.ip('link', 'show', 'type', 'vxlan').length, 0)
  }
})

t.test('a prevResult is passed on, whatever it holds', { skip }, async (t) => {
  for (const plugin of PLUGINS) {
    const [first] = cluster(t, 1, 2).nodes
    if (first === undefined) return
    const pod = first.makePod()
    const empty = { cniVersion: '1.1.0', dns: { nameservers: ['10.96.0.10'] }, 'example.com/x': 1 }
    t.same(expectSuccess('ADD', first.call('ADD', plugin, pod, empty)).json, empty)
    t.not(first.host.run('ip', 'route', 'show', 'proto', '70'), '', "the node's state is applied all the same")
    for (const netns of ['', '/nowhere'] as const) {
      const config = { ...first.config(plugin), nodesFile: 7, prevResult: 'nonsense' }
      const env = { CNI_COMMAND: 'DEL', CNI_CONTAINERID: 'x', CNI_IFNAME: 'eth0', CNI_NETNS: netns, CNI_PATH: '/' }
      const answer = first.host.try([`bin/${plugin.type}`], { input: JSON.stringify(config), env })
      t.equal(answer.status, 0, 'DEL succeeds')
    }
    t.not(first.host.run('ip', 'route', 'show', 'proto', '70'), '', 'and leaves the node alone')
  }
})

t.test('a peer elsewhere is named, and the others are served', { skip }, async (t) => {
  const made = cluster(t, 1, 2)
  const away = { name: 'n9', addresses: ['10.77.0.9'], podCIDRs: ['10.244.9.0/24'] }
  made.tell([...made.table(), away])
  const reason = /node n9 \(10.77.0.9\) is not on a segment of this machine: use vxlan, or directRouting/
  for (const member of made.nodes) t.match(member.add({ type: 'host-gw' }).stderr, reason)
  t.same(made.unreachable(), [])
  const [first] = made.nodes
  t.match(first?.call('CHECK', { type: 'host-gw' }, first.pods[0]).json, { code: 100, details: reason })
  t.equal(first?.call('STATUS', { type: 'host-gw' }).status, 0, 'the node is not down for it')
})

t.test(
  "somebody else's route is named and stays; one of ours that nobody claims is swept by GC",
  { skip },
  async (t) => {
    const made = cluster(t, 1, 2, 3)
    const [first] = made.nodes
    if (first === undefined) return
    first.host.run('ip', 'route', 'add', '10.244.2.0/24', 'via', '10.9.0.3', 'proto', 'static')
    t.match(
      first.add({ type: 'host-gw' }).stderr,
      /route 10.244.2.0\/24 via 10.9.0.3 proto static is not ours and stays/,
    )
    t.match(first.host.run('ip', 'route', 'show', '10.244.2.0/24'), /via 10.9.0.3 .*proto static/)
    t.match(first.call('CHECK', { type: 'host-gw' }, first.pods[0]).json, {
      code: 100,
      details: /ip route del 10.244.2.0\/24/,
    })
    first.host.run('ip', 'route', 'del', '10.244.2.0/24')
    first.host.run('ip', 'route', 'add', '10.244.66.0/24', 'via', '10.9.0.3', 'proto', '70')
    expectSuccess('ADD', first.call('ADD', { type: 'host-gw' }, first.pods[0]))
    t.not(first.host.run('ip', 'route', 'show', '10.244.66.0/24'), '', 'ADD removes only what it applied')
    expectSuccess('GC', first.call('GC', { type: 'host-gw', 'cni.dev/valid-attachments': [] }))
    t.equal(first.host.run('ip', 'route', 'show', '10.244.66.0/24'), '')
    t.match(first.host.run('ip', 'route', 'show', '10.244.2.0/24'), /via 10.9.0.2 .*proto 70/)
  },
)

t.test("two networks of one node do not touch each other's routes", { skip }, async (t) => {
  const made = cluster(t, 1, 2, 3)
  const [first] = made.nodes
  if (first === undefined) return
  const nodes = (base: string, ...numbers: number[]) =>
    numbers.map((n) => ({ name: `n${n}`, addresses: [`10.9.0.${n}`], podCIDRs: [`${base}.${n}.0/24`] }))
  const network = (name: string, base: string, ...numbers: number[]) => ({
    type: 'host-gw',
    name,
    nodesFile: undefined,
    nodes: nodes(base, ...numbers),
  })
  const routes = () =>
    first.host
      .run('ip', 'route', 'show', 'proto', '70')
      .split('\n')
      .map((line) => line.split(' ')[0])
      .filter((line) => line !== '')
      .sort()
  const pod = first.makePod()
  const add = (plugin: Json) => expectSuccess('ADD', first.call('ADD', plugin, pod))
  add(network('a', '10.244', 1, 2, 3))
  add(network('b', '10.245', 1, 2, 3))
  t.same(routes(), ['10.244.2.0/24', '10.244.3.0/24', '10.245.2.0/24', '10.245.3.0/24'])
  add(network('a', '10.244', 1, 2))
  t.same(routes(), ['10.244.2.0/24', '10.245.2.0/24', '10.245.3.0/24'], 'a peer left one of them')
  expectSuccess('GC', first.call('GC', { ...network('b', '10.245', 1, 3), 'cni.dev/valid-attachments': [] }))
  t.same(routes(), ['10.244.2.0/24', '10.245.3.0/24'], 'and another the other')
  const clash = add({
    ...network('c', '10.246', 1),
    nodes: [...nodes('10.246', 1), { name: 'n3', addresses: ['10.9.0.3'], podCIDRs: ['10.244.2.0/24'] }],
  })
  t.match(clash.stderr, /belongs to network a/)
  t.match(first.host.run('ip', 'route', 'show', '10.244.2.0/24'), /via 10.9.0.2 /)
})

t.test('two overlays of one node, and one that would be a third of the same number', { skip }, async (t) => {
  const made = cluster(t, 1, 2)
  for (const member of made.nodes) {
    const pod = member.makePod()
    member.add({ type: 'vxlan' }, pod)
    const nodes = [1, 2].map((n) => ({ name: `n${n}`, addresses: [`10.9.0.${n}`], podCIDRs: [`10.245.${n}.0/24`] }))
    const second = { type: 'vxlan', name: 'second', nodesFile: undefined, nodes, vni: 2 }
    member.add(second, pod)
    t.match(member.call('ADD', { ...second, name: 'third', vni: 1, device: 'third0' }, pod).json, {
      code: 50,
      msg: /flat.1 has VNI 1 on UDP port 8472 already \(network podnet\)/,
    })
    t.match(member.call('ADD', { ...second, name: 'third', vni: 1 }, pod).json, {
      code: 7,
      msg: /belongs to network podnet/,
    })
    t.equal(member.host.ip('link', 'show', 'type', 'vxlan').length, 2)
    expectSuccess('GC', member.call('GC', { ...second, 'cni.dev/valid-attachments': [] }))
    t.equal(member.call('CHECK', { type: 'vxlan' }, pod).json, undefined)
  }
  t.same(made.unreachable(), [])
})

t.test('from one plugin to the other, the network takes its routes along', { skip }, async (t) => {
  const made = cluster(t, 1, 2, 3)
  for (const type of ['host-gw', 'vxlan', 'host-gw']) {
    for (const member of made.nodes) {
      t.equal(member.add({ type }, member.pods[0] ?? member.makePod()).stderr, '')
      t.equal(member.host.ip('link', 'show', 'type', 'vxlan').length, type === 'vxlan' ? 1 : 0)
      t.equal(member.call('CHECK', { type }, member.pods[0]).json, undefined)
    }
    t.same(made.unreachable(), [], type)
  }
})

t.test('packets for unassigned pod addresses end here', { skip }, async (t) => {
  for (const plugin of PLUGINS) {
    const [first] = cluster(t, 1, 2).nodes
    if (first === undefined) return
    first.add({ ...plugin, clusterCIDRs: ['10.244.0.0/16'] })
    const { stdout } = first.pods[0]?.netns.try(['ping', '-n', '-c1', '-W2', '10.244.200.1']) ?? { stdout: '' }
    t.match(stdout, /From 10.244.1.1 .*Unreachable/)
    t.match(first.host.run('ip', 'route', 'show', 'type', 'unreachable'), /10.244.0.0\/16 proto 70 metric 9999/)
  }
})

t.test('STATUS fails with code 50 for what would fail the next ADD, and changes nothing', { skip }, async (t) => {
  const [first] = cluster(t, 1, 2).nodes
  if (first === undefined) return
  const plugin = { type: 'vxlan' }
  const status = (more: Json = {}) => first.call('STATUS', { ...plugin, ...more })
  const before = first.host.run('ip', 'link', 'show')
  t.equal(status().status, 0)
  t.equal(status().stdout, '')
  t.match(status({ nodesFile: '/none.json' }).json, { code: 50, msg: /does not exist/ })
  t.match(status({ nodeName: 'n7' }).json, { code: 50, msg: /not in the table/ })
  t.match(status({ nodesFile: undefined, nodes: [{ name: 'n1' }] }).json, { code: 50, msg: /"\/nodes\/0\/addresses"/ })
  first.host.run('ip', 'link', 'add', 'other', 'type', 'vxlan', 'dstport', '8472', 'external')
  t.match(status().json, { code: 50, msg: /other is a VXLAN with other flags on UDP port 8472/, details: /"port"/ })
  first.host.run('ip', 'link', 'del', 'other')
  first.host.run('ip', 'link', 'add', 'flannel.1', 'type', 'vxlan', 'id', '1', 'local', '10.9.0.1', 'dstport', '8472')
  t.match(status().json, { code: 50, msg: /flannel.1 has VNI 1 on UDP port 8472 already/ })
  first.host.run('ip', 'link', 'del', 'flannel.1')
  t.equal(status().status, 0, 'and no failure stays')
  t.equal(first.host.run('ip', 'link', 'show'), before)
})

t.test('the tunnel and its offload', { skip }, async (t) => {
  const made = cluster(t, 1, 2)
  made.tell(made.table().map((entry) => (entry.name === 'n2' ? { ...entry, mtu: 1400 } : entry)))
  const [first] = made.nodes
  if (first === undefined) return
  first.add({ type: 'vxlan', txChecksum: 'off' })
  const [device] = first.host.ip('link', 'show', 'flat.1')
  t.match(device, {
    address: '0a:58:0a:f4:01:00',
    mtu: 1450,
    inet6_addr_gen_mode: 'none',
    linkinfo: { info_kind: 'vxlan', info_data: { id: 1, port: 8472, local: '10.9.0.1', learning: false } },
  })
  t.notOk(device.linkinfo.info_data.link, 'bound to no link, so that it outlives them')
  t.match(first.host.run('ip', 'route', 'show', '10.244.2.0/24'), /via 10.244.2.0 dev flat.1 proto 70 onlink mtu 1400/)
  t.equal(first.host.ip('link', 'show', 'veth1')[0].mtu, 1450, "the host's end of the pod's link is lowered too")
  t.match(first.host.run('ip', '-4', 'addr', 'show', 'dev', 'flat.1'), /inet 10.244.1.0\/32 scope link/)
  const checksums = (link: string) => first.host.run('ethtool', '-k', link).match(/tx-checksum-ip-generic: (\w+)/)?.[1]
  if (first.host.try(['which', 'ethtool']).status === 0) {
    t.equal(checksums('flat.1'), 'off')
    t.equal(checksums('eth0'), 'on', 'and no other link’s')
    first.add({ type: 'vxlan', txChecksum: 'on' }, first.pods[0])
    t.equal(checksums('flat.1'), 'on')
  }
  const again = first.host.ip('link', 'show', 'flat.1')[0].ifindex
  first.add({ type: 'vxlan', mtu: 1300 }, first.pods[0])
  t.match(first.host.ip('link', 'show', 'flat.1')[0], { mtu: 1300, ifindex: again }, 'changed in place')
  t.equal(first.pods[0]?.netns.ip('link', 'show', 'eth0')[0].mtu, 1300)
  first.add({ type: 'vxlan', vni: 9, port: 4789 }, first.pods[0])
  t.same(
    first.host.ip('link', 'show', 'type', 'vxlan').map((link) => link.ifname),
    ['flat.9'],
    'made anew for another VNI',
  )
  t.same(first.host.run('ip', 'rule', 'show').match(/lookup 10000000\d+/g), ['lookup 1000000009'])
})

t.test('a tunnel that a kill left without its mark is taken up', { skip }, async (t) => {
  const made = cluster(t, 1, 2)
  const [first] = made.nodes
  if (first === undefined) return
  first.add({ type: 'vxlan' })
  const { ifindex } = first.host.ip('link', 'show', 'flat.1')[0]
  first.host.run('ip', 'link', 'set', 'flat.1', 'alias', '')
  first.host.run('ip', 'link', 'set', 'flat.1', 'down')
  first.add({ type: 'vxlan' }, first.pods[0])
  t.match(first.host.ip('link', 'show', 'flat.1')[0], { ifindex, ifalias: /^[0-9a-f]{16} flatnet vxlan podnet$/ })
  first.host.run('ip', 'link', 'del', 'flat.1')
  first.host.run('ip', 'link', 'add', 'flat.1', 'type', 'vxlan', 'id', '1', 'dstport', '8472')
  const refused = first.call('ADD', { type: 'vxlan' }, first.pods[0]).json
  t.match(refused, { code: 7, msg: /"flat.1" as a tunnel: it is a vxlan of someone else/ }, "but nobody else's is")
})

t.test("on the wire a packet is what flannel's VXLAN sends", { skip }, async (t) => {
  const made = cluster(t, 1, 2)
  for (const member of made.nodes) member.add({ type: 'vxlan' })
  const [first, second] = made.nodes
  if (first === undefined || second === undefined) return
  const capture = second.host.start([
    'tcpdump',
    '-n',
    '-e',
    '-v',
    '-l',
    '-c',
    '1',
    '-i',
    'eth0',
    'udp',
    'dst',
    'port',
    '8472',
  ])
  let seen = ''
  capture.stdout?.on('data', (data) => {
    seen += String(data)
  })
  await new Promise((resolve) => capture.stderr?.once('data', resolve))
  for (let at = 0; at < 20 && !seen.includes('echo request'); at++) {
    first.pods[0]?.netns.ping(second.pods[0]?.address(4) ?? '')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  t.match(seen, /ttl 64, .*proto UDP \(17\)/, 'outer TTL')
  t.match(seen, /10\.9\.0\.1\.\d+ > 10\.9\.0\.2\.8472: /, 'outer addresses and port')
  t.match(seen, /(OTV|VXLAN), flags \[I\] \(0x08\), (overlay 0, instance 1|vni 1)/, 'flags and VNI')
  t.match(seen, /0a:58:0a:f4:01:00 > 0a:58:0a:f4:02:00, ethertype IPv4/, 'inner hardware addresses')
  t.match(seen, /ttl 63, .*\n? *10\.244\.1\.2 > 10\.244\.2\.2: ICMP echo request/, 'the inner packet, routed once')
})
