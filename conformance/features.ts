/** What the running kernel can do. A case that needs more is skipped, and says what is missing. */

import { spawnSync } from 'node:child_process'
import { privately } from './run.js'

const PROBES = {
  veth: 'ip link add v0 type veth peer name v1',
  bridge: 'ip link add b0 type bridge',
  'bridge vlan filtering': 'ip link add b0 type bridge vlan_filtering 1',
  dummy: 'ip link add d0 type dummy',
  ifb: 'ip link add i0 type ifb',
  vxlan: 'ip link add x0 type vxlan id 9 dstport 4789',
  macvlan: 'ip link add v0 type veth peer name v1 && ip link add m0 link v0 type macvlan',
  ipvlan: 'ip link add v0 type veth peer name v1 && ip link add m0 link v0 type ipvlan',
  vlan: 'ip link add v0 type veth peer name v1 && ip link add m0 link v0 type vlan id 7',
  vrf: 'ip link add r0 type vrf table 77',
  tun: 'ip tuntap add t0 mode tap',
  ipv6: 'ip link set lo up && ip -6 addr add fd00::1/128 dev lo',
  'policy routing':
    'ip rule add from 10.0.0.1 table 77 && ip link set lo up && ip route add 10.7.0.0/24 dev lo table 1077',
  nft: 'nft add table inet probe',
  'nft nat':
    "nft 'add table ip p; add chain ip p c { type nat hook postrouting priority 100; }; add rule ip p c masquerade'",
  // It makes a lock there.
  iptables: 'mount -t tmpfs probe /run && iptables -t nat -N PROBE',
  'tc tbf': 'ip link add v0 type veth peer name v1 && tc qdisc add dev v0 root tbf rate 1mbit burst 10kb latency 10ms',
  'tc htb': 'ip link add v0 type veth peer name v1 && tc qdisc add dev v0 root handle 1: htb',
  'tc ingress': 'ip link add v0 type veth peer name v1 && tc qdisc add dev v0 ingress',
} as const

export type Feature = keyof typeof PROBES

/** Each feature's absence, with what the kernel or the tool said; those that are there are not in it. */
export function missingFeatures(): Map<Feature, string> {
  const missing = new Map<Feature, string>()
  const [program = '', ...args] = privately()
  for (const [feature, script] of Object.entries(PROBES)) {
    const { status, stderr } = spawnSync(program, [...args, 'sh', '-c', script], { encoding: 'utf8' })
    if (status !== 0) missing.set(feature as Feature, stderr.trim().split('\n')[0] ?? 'no message')
  }
  return missing
}

export function isFeature(name: string): name is Feature {
  return Object.hasOwn(PROBES, name)
}
