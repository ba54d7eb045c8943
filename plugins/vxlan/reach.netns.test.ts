/** Every pod reaches every pod and every node, in each mode, seen by ping and a real TCP connection. */

import t from 'tap'
import { Cluster, type ClusterOptions, type NodeSpec } from '../../lib/testing/cluster.js'
import { type Netns, needs } from '../../lib/testing/netns.js'
import { seenFrom, transfer } from '../../lib/testing/tcp.js'

interface Case {
  readonly name: string
  readonly plugin: object
  readonly nodes: readonly NodeSpec[]
  readonly options?: ClusterOptions
  /** What a pod's interface may send at most; undefined: as the underlay. */
  readonly mtu?: number
}

const node = (n: number, segment: number, families: string): NodeSpec => ({
  name: `n${n}`,
  segment,
  addresses: [
    ...(families.includes('4') ? [`10.9.${segment}.${n}/24`] : []),
    ...(families.includes('6') ? [`fd09:${segment}::${n}/64`] : []),
  ],
  podCIDRs: [
    ...(families.includes('p') || families.includes('4') ? [`10.244.${n}.0/24`] : []),
    ...(families.includes('6') && !families.includes('p') ? [`fd10:${n}::/64`] : []),
  ],
})
const flat = (families: string) => [node(1, 0, families), node(2, 0, families), node(3, 0, families)]
const split = (families: string) => [
  node(1, 0, families),
  node(2, 0, families),
  node(3, 1, families),
  node(4, 1, families),
]

const strict = { strict: true }
const CASES: readonly Case[] = [
  {
    name: 'host-gw, dual stack, strict reverse paths',
    plugin: { type: 'host-gw' },
    nodes: flat('46'),
    options: strict,
  },
  { name: 'host-gw, IPv6 only', plugin: { type: 'host-gw' }, nodes: flat('6') },
  { name: 'host-gw, IPv4 pods over an IPv6 underlay', plugin: { type: 'host-gw' }, nodes: flat('6p') },
  {
    name: 'vxlan, dual stack, two segments, strict reverse paths',
    plugin: { type: 'vxlan' },
    nodes: split('46'),
    options: strict,
    mtu: 1450,
  },
  { name: 'vxlan, IPv4 only, one segment', plugin: { type: 'vxlan', vni: 7, port: 4789 }, nodes: flat('4'), mtu: 1450 },
  {
    name: 'vxlan, IPv4 pods over an IPv6 underlay',
    plugin: { type: 'vxlan' },
    nodes: split('6p'),
    options: strict,
    mtu: 1430,
  },
  { name: 'vxlan, IPv6 only', plugin: { type: 'vxlan' }, nodes: flat('6'), mtu: 1430 },
  {
    name: 'vxlan with directRouting, two segments',
    plugin: { type: 'vxlan', directRouting: true },
    nodes: split('46'),
    options: strict,
    mtu: 1450,
  },
  { name: 'vxlan on a jumbo underlay', plugin: { type: 'vxlan' }, nodes: flat('4'), options: { mtu: 9000 }, mtu: 8950 },
]

/** Packets that a machine had to cut, of both families. */
function fragments(host: Netns): number {
  const [names = '', values = ''] = host.run('grep', '^Ip:', '/proc/net/snmp').split('\n')
  const ipv4 = Number(values.split(' ')[names.split(' ').indexOf('FragCreates')])
  const ipv6 = Number(host.run('grep', 'Ip6FragCreates', '/proc/net/snmp6').trim().split(/\s+/)[1])
  return ipv4 + ipv6
}

t.test('every pod reaches every pod and node, unNATed', { skip: needs('root') }, async (t) => {
  for (const { name, plugin, nodes, options, mtu } of CASES) {
    await t.test(name, async (t) => {
      const cluster = new Cluster(t, options)
      for (const spec of nodes) cluster.addNode(spec)
      cluster.tell()
      for (const member of cluster.nodes) {
        const { json, stderr } = member.add(plugin)
        t.equal(stderr, '', 'nothing to complain about')
        const sandboxed = json.interfaces[2].mtu
        t.equal(sandboxed, mtu ?? options?.mtu ?? 1500, 'the result says what the pod may send')
      }
      t.same(cluster.unreachable(), [], 'every ping is answered')
      const [from] = cluster.pods
      const to = cluster.pods[cluster.pods.length - 1]
      if (from === undefined || to === undefined) return
      t.equal(from.netns.ip('link', 'show', 'eth0')[0].mtu, mtu ?? options?.mtu ?? 1500)
      for (const at of from.addresses.keys()) {
        const [source = '', target = ''] = [from.addresses[at], to.addresses[at]]
        t.equal(await seenFrom(from.netns, to.netns, target), source, 'the receiving pod sees the address of the pod')
        const own = to.node.addresses.find((address) => address.includes(':') === source.includes(':'))
        if (own !== undefined) t.equal(await seenFrom(from.netns, to.node.host, own), source, 'so does the node')
        t.ok(await transfer(from.netns, to.netns, target, 4 << 20), 'a large transfer arrives whole')
      }
      for (const member of cluster.nodes) t.equal(fragments(member.host), 0, `${member.name} made no fragments`)
      for (const pod of cluster.pods) {
        const { status, stdout } = pod.node.call('CHECK', plugin, pod)
        t.equal(status, 0, `CHECK on ${pod.node.name}: ${stdout}`)
      }
    })
  }
})
