/**
 * TCP throughput and round trips between pods of two nodes: ours, and the same made by hand with `ip` and `bridge`.
 *
 * Between namespaces a round trip takes some 10 µs and a machine is never quiet, so samples are short and undisturbed, each
 * is paired with one of the other network right beside it, and the ratio is the median of the pairs'.
 */

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { Cluster, type ClusterNode } from '../../lib/testing/cluster.js'
import type { Netns, Owner } from '../../lib/testing/netns.js'
import { median } from './samples.js'

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
  // So that a strict filter on the peer lets pods' packets in: a rule costs each route lookup something, whose ever it is.
  host.run(...words(`ip route add ${remote} via ${base} dev vx0 onlink table 1001`))
  host.run(...words(`ip rule add from ${own} fwmark 0/0x20000000 lookup 1001 pref 30000`))
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

/**
 * A program stays on one processor, and nothing else runs there while it wants to: what else the machine does would be ten
 * times what is to be seen. Where the kernel does not allow that, it takes its turn.
 */
function undisturbed(processor: number, ...command: string[]): string[] {
  const first = spawnSync('chrt', ['-f', '1', 'true']).status === 0 ? ['chrt', '-f', '1'] : []
  return ['taskset', '-c', String(processor), ...first, ...command]
}

const [SENDER, RECEIVER] = [0, availableParallelism() - 1]

/** Gbit/s of one TCP stream of 256 MB. */
export async function throughput({ from, to, address }: Pair): Promise<number> {
  const server = to.start(undisturbed(RECEIVER, 'iperf3', '-s', '-1', '--forceflush'))
  const gone = once(server, 'close')
  await Promise.race([once(server.stdout as NodeJS.EventEmitter, 'data'), gone])
  const { stdout } = from.try(undisturbed(SENDER, 'iperf3', '-J', '-n', '256M', '-c', address))
  await gone
  const { end, error } = JSON.parse(stdout) as { end: { sum_received?: { bits_per_second: number } }; error?: string }
  if (end.sum_received === undefined) throw new Error(`iperf3: ${error}`)
  return end.sum_received.bits_per_second / 1e9
}

const PINGS = 5000

/** Microseconds from one ping to the next, each sent on the answer: ping prints no fractions of a round trip's own. */
export function latency({ from, address }: Pair): number {
  const output = from.run(...undisturbed(SENDER, 'ping', '-n', '-q', '-f', '-c', String(PINGS), address))
  return (Number(output.match(/time (\d+)ms/)?.[1]) * 1000) / PINGS
}

export interface Measured {
  /** The medians of each network's samples. */
  readonly ours: number
  readonly theirs: number
  /** The median of ours to theirs, pair by pair. */
  readonly ratio: number
}

/** Samples of both networks in turn, each first as often as the other. */
export async function compare(
  rounds: number,
  flatnet: Pair,
  handmade: Pair,
  measure: (pair: Pair) => number | Promise<number>,
): Promise<Measured> {
  const [ours, theirs]: [number[], number[]] = [[], []]
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) ours.push(await measure(flatnet))
    theirs.push(await measure(handmade))
    if (round % 2 === 1) ours.push(await measure(flatnet))
  }
  const ratios = ours.map((value, at) => value / (theirs[at] as number))
  return { ours: median(ours), theirs: median(theirs), ratio: median(ratios) }
}
