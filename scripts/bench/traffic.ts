/** TCP throughput and round trips between pods of two nodes: ours, and the same made by hand with `ip` and `bridge`. */

import { Cluster, type ClusterNode } from '../../lib/testing/cluster.js'
import type { Netns, Owner } from '../../lib/testing/netns.js'

export interface Pair {
  readonly from: Netns
  readonly to: Netns
  readonly address: string
}

/** Two nodes with a pod each, twice. */
export function twoClusters(
  owner: Owner,
  mode: 'host-gw' | 'vxlan',
): { readonly flatnet: Pair; readonly handmade: Pair } {
  const ours = cluster(owner)
  for (const node of ours.nodes) node.add({ type: mode })
  const theirs = cluster(owner)
  for (const node of theirs.nodes) byHand(node, theirs.nodes.find((other) => other !== node) as ClusterNode, mode)
  return { flatnet: pairOf(ours), handmade: pairOf(theirs) }
}

function cluster(owner: Owner): Cluster {
  const made = new Cluster(owner)
  for (const n of [1, 2]) made.addNode({ name: `n${n}`, addresses: [`10.9.0.${n}/24`], podCIDRs: [`10.244.${n}.0/24`] })
  made.tell()
  return made
}

function byHand({ host, spec }: ClusterNode, peer: ClusterNode, mode: 'host-gw' | 'vxlan'): void {
  const [subnet = ''] = peer.spec.podCIDRs
  const base = subnet.split('/')[0] as string
  const [local, remote] = [spec.addresses[0]?.split('/')[0] as string, peer.addresses[0] as string]
  host.run('sysctl', '-qw', 'net.ipv4.ip_forward=1')
  if (mode === 'host-gw') {
    host.run('ip', 'route', 'add', subnet, 'via', remote, 'dev', 'eth0')
    return
  }
  const mac = (cidr: string) => `0a:58:0a:f4:0${cidr.split('.')[2]}:00`
  const own = spec.podCIDRs[0] as string
  host.run(
    ...words(`ip link add vx0 address ${mac(own)} mtu 1450 type vxlan id 1 local ${local} dstport 8472 nolearning`),
  )
  host.run(...words(`ip addr add ${own.split('/')[0]}/32 dev vx0`))
  host.run(...words('ip link set vx0 up'))
  host.run(...words(`ip neigh add ${base} lladdr ${mac(subnet)} nud permanent dev vx0`))
  host.run(...words(`bridge fdb add ${mac(subnet)} dev vx0 dst ${remote} self permanent`))
  host.run(...words(`ip route add ${subnet} via ${base} dev vx0 onlink`))
}

function words(line: string): string[] {
  return line.split(' ')
}

function pairOf({ nodes }: Cluster): Pair {
  const [from, to] = nodes.map((node) => node.pods[0] ?? node.makePod())
  if (from === undefined || to === undefined) throw new Error('two nodes with a pod each')
  if (nodes[0]?.host.try(words('ip link show vx0')).status === 0) {
    for (const { netns } of [from, to]) netns.run(...words('ip link set eth0 mtu 1450'))
  }
  return { from: from.netns, to: to.netns, address: to.address(4) }
}

/** Gbit/s of one TCP stream in a second. */
export async function throughput({ from, to, address }: Pair): Promise<number> {
  const server = to.start(['iperf3', '-s', '-1', '--forceflush'])
  await new Promise((resolve) => server.stdout?.once('data', resolve))
  const { stdout } = from.try(['iperf3', '-J', '-t', '1', '-c', address])
  return (
    (JSON.parse(stdout) as { end: { sum_received: { bits_per_second: number } } }).end.sum_received.bits_per_second /
    1e9
  )
}

/** Microseconds: the mean of a thousand pings, one after another. */
export function latency({ from, address }: Pair): number {
  const output = from.run('ping', '-n', '-q', '-f', '-c', '1000', address)
  return Number(output.split('min/avg/max')[1]?.split('= ')[1]?.split('/')[1]) * 1000
}
