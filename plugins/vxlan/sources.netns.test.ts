/**
 * Whom a pod sees when another node asks it: directly, and by a port of that node whose service is here, as kube-proxy
 * makes it. That node has had no pod yet: `flatnet sync` alone made its routes.
 */

import t from 'tap'
import { Cluster, type ClusterNode, type Pod } from '../../lib/testing/cluster.js'
import { expectSuccess, type Json } from '../../lib/testing/cni.js'
import { needs } from '../../lib/testing/netns.js'
import { ask, isSilent, serve } from '../../lib/testing/peer.js'

const skip = needs('root')
const VXLAN = { type: 'vxlan' }

interface Lab {
  readonly made: Cluster
  readonly asking: ClusterNode
  readonly server: Pod
}

/** Two nodes; the first has a pod that answers, the second only asks: it has no bridge. */
async function lab(t: ConstructorParameters<typeof Cluster>[0], plugin: Json, more: Json = {}): Promise<Lab> {
  const made = new Cluster(t, { strict: true })
  for (const n of [1, 2]) {
    made.addNode({
      name: `n${n}`,
      addresses: [`10.9.0.${n}/24`, `fd09::${n}/64`],
      podCIDRs: [`10.244.${n}.0/24`, `fd10:${n}::/64`],
      ...(n === 1 ? { entry: more } : {}),
    })
  }
  made.tell()
  const [first, asking] = made.nodes as [ClusterNode, ClusterNode]
  asking.host.run('ip', 'link', 'del', 'cni0')
  const server = first.makePod()
  first.add(plugin, server)
  await serve(server.netns, 'server', 80)
  return { made, asking, server }
}

/** A port of the node that leads to the pod, for the node itself, masqueraded on the way. */
function nodePort({ asking, server }: Lab): void {
  const table = ([4, 6] as const).map((family) => {
    const [kind, at] = family === 4 ? ['ip', 0] : ['ip6', 1]
    const to = family === 4 ? server.address(4) : `[${server.address(6)}]`
    return `table ${kind} services {
      chain out { type nat hook output priority -100; ${kind} daddr ${asking.addresses[at as number]} tcp dport 32000 dnat to ${to}:80; }
      chain post { type nat hook postrouting priority srcnat; ct status dnat masquerade; }
    }`
  })
  const { status, stderr } = asking.host.try(['nft', '-f', '-'], { input: table.join('\n') })
  if (status !== 0) throw new Error(stderr)
}

/** Whom the pod sees, of the family: asked directly and by the node's port. */
function seen({ asking, server }: Lab, family: 4 | 6): string[] {
  const own = asking.addresses[family === 4 ? 0 : 1] as string
  return [ask(asking.host, server.address(family), 80), ask(asking.host, own, 32000)].map((text) =>
    text.replace('server sees ', ''),
  )
}

/** Of the tunnel, as `10.244.2.0 link`. */
const addressesOf = ({ asking }: Lab) =>
  asking.host
    .ip('-4', 'addr', 'show', 'flat.1')[0]
    .addr_info.map(({ local, scope }: Json) => `${local} ${scope}`)
    .sort()

t.test('sync alone makes the routes of a node that has had no pod', { skip }, async (t) => {
  for (const plugin of [{ type: 'host-gw' }, VXLAN]) {
    const made = await lab(t, plugin)
    const { asking, server } = made
    for (const family of [4, 6] as const)
      t.ok(isSilent(asking.host, server.address(family), 80), `IPv${family}: not before`)
    t.match(expectSuccess('sync', asking.sync(plugin)).json, [{ node: 'n2', refused: [] }])
    nodePort(made)
    t.same(seen(made, 4), ['10.9.0.2', '10.9.0.2'], `${plugin.type}: the pod sees the node's own address`)
    // Of IPv6 the kernel prefers the addresses of the link by which a packet leaves: there is no scope to set.
    const six = plugin.type === 'vxlan' ? 'fd10:2::' : 'fd09::2'
    t.same(seen(made, 6), [six, six], `${plugin.type}, IPv6`)
    for (const [at, address] of asking.addresses.entries()) {
      await serve(asking.host, `node${at}`, 81 + at)
      t.match(
        ask(server.netns, address, 81 + at),
        new RegExp(` sees ${server.addresses[at]}$`),
        'and the pod asks the node',
      )
    }
  }
})

t.test('a node with several addresses', { skip }, async (t) => {
  const made = await lab(t, VXLAN)
  const { asking } = made
  expectSuccess('sync', asking.sync(VXLAN))
  nodePort(made)
  t.same(addressesOf(made), ['10.244.2.0 link', '10.9.0.2 global'])
  // The first link of all: without an address of the tunnel's own the kernel would take this one.
  asking.host.run('ip', 'addr', 'add', '192.0.2.2/32', 'dev', 'lo')
  t.same(seen(made, 4), ['10.9.0.2', '10.9.0.2'], 'one that comes later changes nothing')
  t.match(expectSuccess('sync', asking.sync(VXLAN)).json, [{ changes: [] }])
  const first = (entry: Json) =>
    entry.name === 'n2' ? { ...entry, addresses: ['10.9.0.22', ...entry.addresses] } : entry
  asking.host.run('ip', 'addr', 'add', '10.9.0.22/24', 'dev', 'eth0')
  made.made.tell(made.made.table().map(first))
  for (const member of made.made.nodes) expectSuccess('sync', member.sync(VXLAN))
  t.same(addressesOf(made), ['10.244.2.0 link', '10.9.0.22 global'])
  t.same(seen(made, 4), ['10.9.0.22', '10.9.0.22'], 'the table prefers another')
})

t.test('another scope of the endpoint costs no route and no neighbour', { skip }, async (t) => {
  const made = await lab(t, VXLAN)
  const { asking } = made
  const flannel = made.made
    .table()
    .map((entry) => (entry.name === 'n1' ? { ...entry, vtepMAC: 'ce:b4:17:00:00:01' } : entry))
  asking.writeTable(flannel)
  expectSuccess('sync', asking.sync(VXLAN))
  t.same(addressesOf(made), ['10.244.2.0 global'], 'as an earlier version had it')
  asking.writeTable(made.made.table())
  const [report] = expectSuccess('sync', asking.sync(VXLAN)).json
  t.same(
    report.changes.filter((line: string) => line.includes('route')),
    [],
    'no route had to be made again',
  )
  t.same(addressesOf(made), ['10.244.2.0 link', '10.9.0.2 global'])
})

t.test('a peer that runs flannel has no way back to the node’s own address', { skip }, async (t) => {
  const made = await lab(t, VXLAN, { vtepMAC: 'ce:b4:17:00:00:01' })
  expectSuccess('sync', made.asking.sync(VXLAN))
  nodePort(made)
  t.same(addressesOf(made), ['10.244.2.0 global'])
  t.same(seen(made, 4), ['10.244.2.0', '10.244.2.0'], 'so the tunnel’s address stays the source')
})
