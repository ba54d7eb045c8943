/** Tables that do not fit, or not yet: what is refused before anything is changed, and what is left out. */

import t from 'tap'
import { Cluster, type ClusterNode, type NodeSpec, Pod } from '../../lib/testing/cluster.js'
import { type Answer, expectSuccess, type Json } from '../../lib/testing/cni.js'
import { Netns, needs } from '../../lib/testing/netns.js'

const skip = needs('root')
const PLUGINS: readonly Json[] = [{ type: 'host-gw' }, { type: 'vxlan' }]

const node = (n: number, segment = 0): NodeSpec => ({
  name: `n${n}`,
  segment,
  addresses: [`10.9.${segment}.${n}/24`, `fd09:${segment}::${n}/64`],
  podCIDRs: [`10.244.${n}.0/24`, `fd10:${n}::/64`],
})

/** All of the node's links, routes and rules. */
const kernelOf = ({ host }: ClusterNode) =>
  [['link'], ['-4', 'route', 'show', 'table', 'all'], ['-6', 'route', 'show', 'table', 'all'], ['rule'], ['-6', 'rule']]
    .map((words) => host.run('ip', ...words))
    .join('\n')
    .replaceAll(/\d+sec/g, '')

t.test('what would cut off a node is refused before anything is changed', { skip }, async (t) => {
  const made = new Cluster(t)
  for (const spec of [node(1), node(2), node(3, 1)]) made.addNode(spec)
  const [first, second, third] = made.nodes as [ClusterNode, ClusterNode, ClusterNode]
  const plain = made.table()
  const overlapping = plain.map((entry) => (entry.name === 'n2' ? { ...entry, podCIDRs: ['10.9.1.0/24'] } : entry))
  const cases: readonly [what: string, table: Json[], more: Json, message: RegExp][] = [
    [
      'a pod CIDR',
      overlapping,
      {},
      /"\/nodes\/1\/podCIDRs\/0" is 10.9.1.0\/24 of "n2", and 10.9.1.3 of "n3" lies inside it/,
    ],
    [
      'a cluster CIDR',
      plain,
      { clusterCIDRs: ['10.0.0.0/8'] },
      /"\/clusterCIDRs\/0" is 10.0.0.0\/8, and 10.9.1.3 of "n3"/,
    ],
    ['one of IPv6', plain, { clusterCIDRs: ['fd00::/8'] }, /"\/clusterCIDRs\/0" is fd00::\/8, and fd09:1::3 of "n3"/],
  ]
  const pod = first.makePod()
  for (const plugin of PLUGINS) {
    for (const [what, table, more, msg] of cases) {
      made.tell(table)
      const before = kernelOf(first)
      const given = { ...plugin, ...more }
      const answers: readonly [string, Answer, number][] = [
        ['ADD', first.call('ADD', given, pod), 7],
        ['STATUS', first.call('STATUS', given), 50],
        ['CHECK', first.call('CHECK', given, pod), 7],
      ]
      for (const [verb, { json }, code] of answers) t.match(json, { code, msg }, `${plugin.type}, ${what}: ${verb}`)
      t.match(first.sync(given), { status: 1, json: { code: 7, msg } }, `${plugin.type}, ${what}: sync`)
      t.equal(kernelOf(first), before, `${plugin.type}, ${what}: nothing is changed`)
    }
  }
  for (const address of third.addresses) t.ok(first.host.ping(address), `${address} answers still`)
  made.tell(plain)
  const fits = { type: 'vxlan', clusterCIDRs: ['10.244.0.0/16', 'fd10::/16'] }
  for (const member of [first, second, third]) member.add(fits, member === first ? pod : member.makePod())
  t.same(made.unreachable(), [], 'cluster CIDRs of pods alone are well')
})

t.test('a node that has no pod CIDR yet is left out and named, and the others are served', { skip }, async (t) => {
  for (const plugin of PLUGINS) {
    const made = new Cluster(t)
    for (const n of [1, 2]) made.addNode(node(n))
    const joined = [3, 4].map((n) => ({
      name: `n${n}`,
      addresses: [`10.9.0.${n}`],
      ...[{ podCIDRs: null }, {}][n - 3],
    }))
    made.tell([...made.table(), ...joined])
    const [first] = made.nodes as [ClusterNode]
    for (const member of made.nodes) {
      t.equal(member.call('STATUS', plugin).status, 0, 'the node is ready')
      t.match(member.add(plugin).stderr, /left out until the table gives them pod CIDRs: n3, n4/)
    }
    t.same(made.unreachable(), [], plugin.type)
    t.match(first.sync(plugin), { status: 0, stderr: /n3, n4/ })
    t.equal(first.call('CHECK', plugin, first.pods[0]).json, undefined, 'CHECK finds nothing')

    made.tell(made.table().map((entry) => (entry.name === 'n1' ? { ...entry, podCIDRs: [] } : entry)))
    const msg = /this node, "n1", has no pod CIDR in the table of nodes yet/
    t.match(first.call('STATUS', plugin).json, { code: 50, msg }, 'it is this node itself')
    t.match(first.call('ADD', plugin, first.pods[0]).json, { code: 11, msg })
    made.tell([...made.table(), { ...joined[0], podCIDRs: ['10.244.3.0/24'] }])
    first.add(plugin, first.pods[0])
    t.match(
      first.host.run('ip', 'route', 'show', '10.244.3.0/24'),
      /proto 70/,
      'one that has its pod CIDR now is served',
    )
  }
})

t.test('a pod that other nodes have no route to', { skip }, async (t) => {
  for (const plugin of PLUGINS) {
    const made = new Cluster(t)
    for (const n of [1, 2]) made.addNode(node(n))
    made.tell()
    const [first] = made.nodes as [ClusterNode]
    const pod = first.makePod()
    const of = (...ips: string[]) => ({ ...pod.prevResult, ips: ips.map((address) => ({ address, interface: 2 })) })
    const rows: readonly [what: string, given: Json, said: string][] = [
      ['no address', of('10.244.9.2/24', 'fd10:9::2/64'), '10.244.9.2, fd10:9::2 are in no pod CIDR of "n1"'],
      ['one family of two', of('10.244.1.2/24', 'fd10:9::2/64'), 'fd10:9::2 is in no pod CIDR of "n1"'],
    ]
    for (const [what, given, said] of rows) {
      const added = expectSuccess('ADD', first.call('ADD', plugin, pod, given))
      t.match(added.stderr, new RegExp(`^[^\\n]*no route to this pod: ${said}[^\\n]*\\n$`), `${what}: one line`)
      t.match(first.call('CHECK', plugin, pod, added.json).json, { code: 100, details: new RegExp(said) }, what)
    }
    t.equal(first.add(plugin, pod).stderr, '')
  }
})

t.test("the conflist's ranges must lie inside this node's pod CIDRs", { skip }, async (t) => {
  for (const plugin of PLUGINS) {
    const made = new Cluster(t)
    made.addNode({ ...node(1), podCIDRs: ['10.244.1.0/24'] })
    made.tell()
    const [first] = made.nodes as [ClusterNode]
    const ipam = (...subnets: string[]) => ({
      type: 'host-local',
      dataDir: `${first.directory}/leases`,
      ranges: subnets.map((subnet) => [{ subnet }]),
    })
    const bridge = (...subnets: string[]) => ({
      type: 'bridge',
      bridge: 'cni0',
      ipam: ipam(...subnets),
      nodesFile: undefined,
    })
    const status = (...subnets: string[]) => first.call('STATUS', bridge(...subnets))
    const sync = (...subnets: string[]) => first.sync(plugin, bridge(...subnets))
    const wrong = /no route to pods of 10.244.9.0\/24: the range is not inside a pod CIDR of "n1" \(10.244.1.0\/24\)/
    const six = /no route to pods of fd10:1::\/64: the range is not inside a pod CIDR of "n1"/
    t.equal(status('10.244.9.0/24').status, 0, 'nothing is known before the table was applied')
    t.match(sync('10.244.9.0/24'), { status: 1, stderr: wrong, json: [{ refused: [{ node: 'n1', reason: wrong }] }] })
    t.match(status('10.244.9.0/24').json, { code: 50, msg: wrong, details: /flatnet sync/ })
    t.match(sync('10.244.1.0/24', 'fd10:1::/64'), { status: 1, stderr: six }, 'one family of two')
    t.match(status('10.244.1.0/24', 'fd10:1::/64'), { status: 0, stderr: six }, 'does not take the node away')
    t.match(sync('10.244.1.0/24'), { status: 0, stderr: '' })
    t.match(status('10.244.1.0/24'), { status: 0, stderr: '' })
    const inline = { ...plugin, nodesFile: undefined, nodes: made.table() }
    first.sync(inline, bridge('10.244.9.0/24'))
    t.match(status('10.244.9.0/24'), { status: 0, stderr: wrong }, 'a table in the configuration may be another by now')
    first.sync(plugin, bridge('10.244.1.0/24'))
    made.tell(made.table().map((entry) => ({ ...entry, podCIDRs: ['10.244.9.0/24'] })))
    t.match(status('10.244.9.0/24'), { status: 0, stderr: '' }, 'a table that changed since does not, either')
  }
})

t.test('with 1.0.0, whose results have no MTU, the CHECK of bridge takes one that was lowered', { skip }, async (t) => {
  const made = new Cluster(t)
  for (const n of [1, 2]) made.addNode(node(n))
  made.tell()
  const [first] = made.nodes as [ClusterNode]
  const ipam = { type: 'host-local', dataDir: `${first.directory}/leases`, ranges: [[{ subnet: '10.244.9.0/24' }]] }
  const bridge = { cniVersion: '1.0.0', type: 'bridge', bridge: 'cni9', mtu: 1500, ipam, nodesFile: undefined }
  const vxlan = { cniVersion: '1.0.0', type: 'vxlan' }
  const pod = new Pod(first, Netns.create(t, 'pod', { loopback: false }), 'p', 'eth0', undefined)
  const { json: made1 } = expectSuccess('ADD', first.call('ADD', bridge, pod))
  const { json } = expectSuccess('ADD', first.call('ADD', vxlan, pod, made1))
  t.equal(pod.netns.ip('link', 'show', 'eth0')[0].mtu, 1450)
  t.equal(first.call('CHECK', bridge, pod, json).json, undefined)
  pod.netns.run('ip', 'link', 'set', 'eth0', 'mtu', '1501')
  t.match(first.call('CHECK', bridge, pod, json).json, { code: 100, details: /MTU 1501, not 1500/ })
  const line = /pods that are here: 10.244.9.2, in no pod CIDR of "n1"/
  t.match(first.call('STATUS', { type: 'vxlan' }), { status: 0, stderr: line }, 'a pod that others have no route to')
  expectSuccess('DEL', first.call('DEL', bridge, pod, json))
  t.match(first.call('STATUS', { type: 'vxlan' }), { status: 0, stderr: '' })
})

t.test('a peer off the segment fails CHECK and sync, and no STATUS', { skip }, async (t) => {
  const made = new Cluster(t)
  for (const spec of [node(1), node(2), node(3, 1)]) made.addNode(spec)
  made.tell()
  const plugin = { type: 'host-gw' }
  const [first] = made.nodes as [ClusterNode]
  const reason = /node n3 \(10.9.1.3, fd09:1::3\) is not on a segment of this machine: use vxlan, or directRouting/
  const line = new RegExp(`^[^\\n]*${reason.source}[^\\n]*\\n$`)
  const pod = first.makePod()
  for (const what of ['the first ADD', 'an ADD when all stands']) t.match(first.add(plugin, pod).stderr, line, what)
  t.match(first.call('CHECK', plugin, pod).json, { code: 100, details: reason })
  t.match(first.sync(plugin), { status: 1, stderr: reason, json: [{ refused: [{ node: 'n3', reason }] }] })
  t.match(first.call('STATUS', plugin), { status: 0, stdout: '', stderr: line })
  t.match(first.host.run('ip', 'route', 'show', '10.244.2.0/24'), /via 10.9.0.2 dev eth0/, 'the other peer is served')
})

t.test('a pod sends no more than the ways to the others take', { skip }, async (t) => {
  for (const [plugin, mtu] of [
    [{ type: 'host-gw' }, 1400],
    [{ type: 'vxlan' }, 1350],
    [{ type: 'vxlan', mtu: 9000 }, 1350],
  ] as const) {
    const made = new Cluster(t)
    for (const n of [1, 2]) made.addNode(node(n))
    made.tell()
    for (const { host } of made.nodes) host.run('ip', 'link', 'set', 'eth0', 'mtu', '1400')
    const [first] = made.nodes as [ClusterNode]
    const [pod, older] = [first.makePod(), first.makePod()]
    const { json } = first.add(plugin, pod)
    t.same(
      json.interfaces.slice(1).map((link: Json) => link.mtu),
      [mtu, mtu],
      'the result has it',
    )
    const bare = older.prevResult.interfaces.map(({ mtu: _, ...link }: Json) => link)
    expectSuccess('ADD', first.call('ADD', plugin, older, { ...older.prevResult, interfaces: bare }))
    for (const { netns } of [pod, older]) t.equal(netns.ip('link', 'show', 'eth0')[0].mtu, mtu, 'the container has it')
    t.equal(first.host.ip('link', 'show', 'veth2')[0].mtu, mtu, 'and its end on the node')
    t.equal(first.call('CHECK', plugin, pod, json).json, undefined)
    pod.netns.run('ip', 'link', 'set', 'eth0', 'mtu', '1500')
    t.match(first.call('CHECK', plugin, pod, json).json, {
      code: 100,
      details: new RegExp(`eth0 of the container has mtu 1500, more than the ${mtu} that the way to other nodes takes`),
    })
  }
})
