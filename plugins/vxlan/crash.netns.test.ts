/**
 * vxlan and host-gw killed before any of their system calls, or where one fails. What a node has stays by design, so the next DEL leaves no
 * more than two undisturbed calls do, and the next ADD or GC makes it whole.
 */

import { copyFileSync, renameSync } from 'node:fs'
import t from 'tap'
import { Cluster } from '../../lib/testing/cluster.js'
import type { Json } from '../../lib/testing/cni.js'
import { type Sweep, shellOf, sweepAll } from '../../lib/testing/sweep.js'

const LOOK = `ip rule; ip -6 rule; ip -d link show type vxlan | grep -o 'vxlan id .*'
  bridge fdb show | grep 'dev flat'
  cd /proc/sys/net; grep -H . ipv4/ip_forward ipv6/conf/all/forwarding ipv4/conf/*/src_valid_mark`

type Victim = 'ADD' | 'CHECK' | 'GC'

/** A node with a pod, and peers that only the table knows. */
function scene(plugin: Json, victim: Victim, follower: 'ADD' | 'DEL') {
  return () => {
    const cluster = new Cluster(t, { strict: true })
    const podCIDRs = (n: number) => [`10.244.${n}.0/24`, `fd44:${n}::/64`]
    const addresses = (n: number) => [`10.9.0.${n}/24`, `fd09:0::${n}/64`]
    const node = cluster.addNode({ name: 'n1', addresses: addresses(1), podCIDRs: podCIDRs(1) })
    const peers = [2, 3, 4].map((n) => ({
      name: `n${n}`,
      addresses: addresses(n).map((address) => address.split('/')[0]),
      podCIDRs: podCIDRs(n),
    }))
    const [tables, other] = [node.nodesFile, `${node.directory}/other`]
    node.writeTable([...cluster.table(), ...peers.slice(1)])
    renameSync(tables, other)
    node.writeTable([...cluster.table(), ...peers.slice(0, 2)])
    copyFileSync(tables, `${tables}.first`)
    const { host, stateDir } = node
    const { netns: container, id, prevResult } = node.makePod()
    const config = { ...node.config(plugin), prevResult, clusterCIDRs: ['10.244.0.0/16', 'fd44::/32'] }
    const valid = [{ containerID: id, ifname: 'eth0' }]
    const calls = {
      ADD: { command: 'ADD', config, netns: container, containerId: id },
      CHECK: { command: 'CHECK', config, netns: container, containerId: id },
      DEL: { command: 'DEL', config, netns: container, containerId: id },
      GC: { command: 'GC', config: { ...config, 'cni.dev/valid-attachments': valid } },
    } as const
    const pod = (command: string) => `nsenter --net=${container.path} ${command}`
    const forwarding = (on: 0 | 1) =>
      `echo ${on} >/proc/sys/net/ipv4/ip_forward; echo ${on} >/proc/sys/net/ipv6/conf/all/forwarding`
    const bare = `rm -rf ${stateDir}; ip link del flat.1; ip route flush proto 70; ip -6 route flush proto 70
      ip rule flush protocol 70; ip -6 rule flush protocol 70; ${forwarding(0)}
      echo 0 >/proc/sys/net/ipv4/conf/eth0/src_valid_mark
      ip link set veth1 mtu 1500; ${pod('ip link set eth0 mtu 1500')}`
    // For a GC one peer has gone and another come.
    const prepared = { ADD: '', CHECK: shellOf(calls.ADD), GC: `${shellOf(calls.ADD)}; cp ${other} ${tables}` }
    return {
      ...{ host, container, directories: [stateDir], look: LOOK },
      prepare: `cp ${tables}.first ${tables}; ${bare}; ${prepared[victim]}`,
      ...{ victim: calls[victim], next: calls[follower] },
    }
  }
}

/** Half a tunnel, half a file: the next application takes them over. */
const HALF = /: link flat\.1 .* down$|: vxlan id 1 |: neighbour flat\.1 |\/\.(applied|excluded|peers|stamp)\.new$/
/** Half a file stays until its whole one is written the next time, which is when something changes. */
const HALF_FILE = /\/\.(applied|excluded|peers)\.new$/

const sweeps: Sweep[] = (['vxlan', 'host-gw'] as const).flatMap((type) => [
  {
    claim: `${type}: first ADD of a node, then DEL`,
    scene: scene({ type }, 'ADD', 'DEL'),
    atLeast: 100,
    mayStay: HALF,
  },
  {
    claim: `${type}: first ADD of a node, then ADD`,
    scene: scene({ type }, 'ADD', 'ADD'),
    atLeast: 100,
    exact: true,
    mayStay: HALF_FILE,
  },
  { claim: `${type}: GC, then ADD`, scene: scene({ type }, 'GC', 'ADD'), atLeast: 80, exact: true },
  ...([
    {
      claim: `${type}: first ADD of a node, then ADD`,
      scene: scene({ type }, 'ADD', 'ADD'),
      fault: 'errno',
      atLeast: 200,
      exact: true,
      mayStay: HALF_FILE,
    },
    {
      claim: `${type}: CHECK, then ADD`,
      scene: scene({ type }, 'CHECK', 'ADD'),
      fault: 'errno',
      atLeast: 50,
      exact: true,
    },
    {
      claim: `${type}: GC, then ADD`,
      scene: scene({ type }, 'GC', 'ADD'),
      fault: 'errno',
      atLeast: 150,
      exact: true,
      bestEffort: true,
      mayStay: HALF_FILE,
    },
  ] as const),
])
sweepAll(sweeps)
