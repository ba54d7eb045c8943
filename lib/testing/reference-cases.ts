/** Configurations that flatnet and the reference are compared by. */

import type { Json } from './cni.js'

export interface Case {
  readonly name: string
  /** Without name, type and version; `ipam` is host-local's where it names no type. */
  readonly config: Json
  readonly ifName?: string
  readonly args?: string
  /** Shell commands in the host's namespace, before ADD; `inside` runs one in the container's. */
  readonly setup?: string
  /** MACs that were asked for. */
  readonly macs?: readonly string[]
  readonly versions?: readonly string[]
  /** Needs what Debian's package does not know yet. */
  readonly recent?: boolean
  /** Flatnet's ADD must fail, in every version; absent: succeed. */
  readonly fails?: boolean
}

const V4 = { subnet: '10.1.0.0/24' }
const V6 = { subnet: 'fd01::/64' }
const MAC = '02:42:ac:11:00:0b'
const v4 = { ranges: [[V4]] }
const v6 = { ranges: [[V6]] }
const dual = { ranges: [[V4], [V6]] }
const routed = (routes: Json, more: Json = {}): Json => ({ isGateway: true, ipam: { ...dual, routes }, ...more })
const wrong = (name: string, config: Json, more: Partial<Case> = {}): Case => ({
  name: `refused: ${name}`,
  config,
  fails: true,
  versions: ['0.2.0', '0.4.0', '1.1.0'],
  ...more,
})
/** Layer 2 results cannot be told before 0.3.0. */
const LAYER_2 = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']
const SEVERAL = LAYER_2

export const CASES: readonly Case[] = [
  { name: 'layer 2', config: {}, versions: LAYER_2 },
  { name: 'layer 2, before 0.3.0', config: {}, versions: ['0.1.0', '0.2.0'], fails: true },
  { name: 'layer 2, hairpin', config: { hairpinMode: true }, versions: LAYER_2 },
  { name: 'layer 2, promiscuous', config: { promiscMode: true }, versions: LAYER_2 },
  { name: 'layer 2, MTU', config: { mtu: 1400 }, versions: LAYER_2 },
  { name: 'layer 2, isolated port', config: { portIsolation: true }, versions: LAYER_2, recent: true },
  {
    name: 'layer 2, interface stays down',
    config: { disableContainerInterface: true },
    versions: LAYER_2,
    recent: true,
  },
  {
    name: 'layer 2, bridge that exists and is up',
    config: {},
    setup: 'ip link add cni0 type bridge; ip link set cni0 up',
    versions: LAYER_2,
  },
  {
    name: 'layer 2, bridge that exists and is down',
    config: { mtu: 1300 },
    setup: 'ip link add cni0 type bridge',
    versions: LAYER_2,
  },
  { name: 'layer 2, other names', config: { bridge: 'mynet0' }, ifName: 'net1', versions: LAYER_2 },
  { name: 'MAC from CNI_ARGS', config: {}, args: `MAC=${MAC}`, macs: [MAC], versions: LAYER_2 },
  { name: 'MAC from args', config: { args: { cni: { mac: MAC } } }, macs: [MAC], versions: LAYER_2 },
  {
    name: 'MAC from the capability',
    config: { capabilities: { mac: true }, runtimeConfig: { mac: MAC } },
    macs: [MAC],
    versions: LAYER_2,
  },
  {
    name: 'MAC from all three',
    config: { args: { cni: { mac: '02:42:ac:11:00:0c' } }, runtimeConfig: { mac: MAC } },
    args: 'MAC=02:42:ac:11:00:0d',
    macs: [MAC],
    versions: LAYER_2,
  },
  { name: 'MAC with addresses', config: { isGateway: true, runtimeConfig: { mac: MAC }, ipam: dual }, macs: [MAC] },

  { name: 'IPv4, no gateway', config: { ipam: v4 } },
  { name: 'IPv4, gateway', config: { isGateway: true, ipam: v4 } },
  { name: 'IPv4, default gateway', config: { isDefaultGateway: true, ipam: v4 } },
  { name: 'IPv6, no gateway', config: { ipam: v6 } },
  { name: 'IPv6, gateway', config: { isGateway: true, ipam: v6 } },
  { name: 'IPv6, default gateway', config: { isDefaultGateway: true, ipam: v6 } },
  { name: 'both families, no gateway', config: { ipam: dual } },
  { name: 'both families, gateway', config: { isGateway: true, ipam: dual } },
  { name: 'both families, default gateway', config: { isDefaultGateway: true, ipam: dual } },
  {
    name: 'both families, hairpin and MTU',
    config: { isDefaultGateway: true, hairpinMode: true, mtu: 1400, ipam: dual },
  },
  { name: 'both families, promiscuous', config: { isDefaultGateway: true, promiscMode: true, ipam: dual } },
  {
    name: 'both families, isolated port, jumbo frames',
    config: { isGateway: true, portIsolation: true, mtu: 9000, ipam: dual },
    recent: true,
  },
  {
    name: 'both families, duplicate addresses are looked for',
    config: { isGateway: true, enabledad: true, ipam: dual },
    versions: ['1.0.0'],
    recent: true,
  },

  { name: 'the old form of one range', config: { isGateway: true, ipam: V4 } },
  { name: 'the old form beside ranges', config: { ipam: { ...V4, ranges: [[V6]] } } },
  {
    name: 'several ranges in a set',
    config: { isGateway: true, ipam: { ranges: [[{ subnet: '10.1.0.0/28' }, { subnet: '10.1.1.0/28' }]] } },
  },
  {
    name: 'two IPv4 sets, no gateway',
    config: { ipam: { ranges: [[V4], [{ subnet: '10.2.0.0/24' }]] } },
    versions: SEVERAL,
  },
  {
    name: 'two IPv4 sets before 0.3.0',
    config: { ipam: { ranges: [[V4], [{ subnet: '10.2.0.0/24' }]] } },
    versions: ['0.1.0', '0.2.0'],
    fails: true,
  },
  {
    name: 'two IPv6 sets, gateway',
    config: { isGateway: true, ipam: { ranges: [[V6], [{ subnet: 'fd02::/64' }]] } },
    versions: SEVERAL,
  },
  {
    name: 'two IPv4 sets, gateway',
    config: { isGateway: true, ipam: { ranges: [[V4], [{ subnet: '10.2.0.0/24' }]] } },
    versions: SEVERAL,
  },
  {
    name: 'rangeStart and rangeEnd',
    config: { isGateway: true, ipam: { ranges: [[{ ...V4, rangeStart: '10.1.0.10', rangeEnd: '10.1.0.20' }]] } },
  },
  {
    name: 'rangeStart at the network address',
    config: { ipam: { ranges: [[{ ...V4, rangeStart: '10.1.0.0', rangeEnd: '10.1.0.255' }]] } },
  },
  {
    name: 'gateway at the end',
    config: { isDefaultGateway: true, ipam: { ranges: [[{ ...V4, gateway: '10.1.0.254' }]] } },
  },
  {
    name: 'gateway where the range starts',
    config: { isGateway: true, ipam: { ranges: [[{ ...V4, rangeStart: '10.1.0.1' }]] } },
  },
  {
    name: 'gateway outside, on the bridge',
    config: { isGateway: true, ipam: { ranges: [[{ ...V4, gateway: '10.9.0.1' }]] } },
  },
  { name: 'gateway outside, not ours', config: { ipam: { ranges: [[{ ...V4, gateway: '10.9.0.1' }]] } } },
  {
    name: 'round robin goes on behind the last',
    config: { ipam: v4 },
    setup: 'printf 10.1.0.77 >$data/net/last_reserved_ip.0',
  },
  {
    name: 'round robin begins again at the end',
    config: { ipam: v4 },
    setup: 'printf 10.1.0.254 >$data/net/last_reserved_ip.0',
  },
  {
    name: 'round robin passes what is taken',
    config: { ipam: v4 },
    setup: "printf 'x\\r\\neth0' >$data/net/10.1.0.2; printf 'y\\r\\neth0' >$data/net/10.1.0.3",
  },

  { name: 'routes by the gateway', config: routed([{ dst: '192.168.0.0/16' }, { dst: 'fd99::/48' }]) },
  {
    name: 'routes by a next hop',
    config: routed([
      { dst: '192.168.0.0/16', gw: '10.1.0.5' },
      { dst: 'fd99::/48', gw: 'fd01::5' },
    ]),
  },
  {
    name: 'routes without any gateway',
    config: { ipam: { ...v4, routes: [{ dst: '192.168.0.0/16', gw: '10.1.0.9' }] } },
  },
  {
    name: 'route with priority',
    config: routed([
      { dst: '192.168.0.0/16', priority: 77 },
      { dst: 'fd99::/48', priority: 77 },
    ]),
    recent: true,
  },
  {
    name: 'route in a table',
    config: routed([
      { dst: '192.168.0.0/16', table: 200 },
      { dst: 'fd99::/48', table: 200 },
    ]),
    recent: true,
  },
  {
    name: 'route of link scope',
    config: { ipam: { ranges: [[V4]], routes: [{ dst: '10.1.0.99/32', gw: '', scope: 253 }] } },
    recent: true,
  },
  {
    name: 'route with MTU and MSS',
    config: routed([{ dst: '192.168.0.0/16', mtu: 1300, advmss: 1200 }]),
    recent: true,
  },
  {
    name: 'default route from IPAM',
    config: { isDefaultGateway: true, ipam: { ...v4, routes: [{ dst: '0.0.0.0/0', gw: '10.1.0.7' }] } },
  },
  {
    name: 'default route from IPAM without next hop',
    config: { isDefaultGateway: true, ipam: { ...v4, routes: [{ dst: '0.0.0.0/0' }] } },
  },
  {
    name: 'default routes from IPAM alone',
    config: { isGateway: true, ipam: { ...dual, routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }] } },
  },
  { name: 'route of another spelling', config: routed([{ dst: 'FD99:0::/48' }]) },
  {
    name: 'two routes to one place',
    config: routed([
      { dst: '192.168.0.0/16', gw: '10.1.0.5' },
      { dst: '192.168.0.0/16', gw: '10.1.0.6' },
    ]),
  },

  {
    name: 'address from the capability',
    config: { isGateway: true, runtimeConfig: { ips: ['10.1.0.42', 'fd01::42'] }, ipam: dual },
  },
  { name: 'address with prefix length', config: { runtimeConfig: { ips: ['10.1.0.42/16'] }, ipam: v4 } },
  { name: 'address from CNI_ARGS', config: { ipam: v4 }, args: 'IgnoreUnknown=1;IP=10.1.0.42' },
  { name: 'address from args', config: { args: { cni: { ips: ['10.1.0.43'] } }, ipam: v4 } },
  {
    name: 'ranges from the runtime',
    config: { isGateway: true, runtimeConfig: { ipRanges: [[{ subnet: '10.7.0.0/24' }]] }, ipam: v6 },
  },
  {
    name: 'ranges from the runtime, before our own',
    config: { runtimeConfig: { ipRanges: [[{ subnet: '10.7.0.0/24' }]] }, ipam: v4 },
    versions: SEVERAL,
  },
  { name: 'CNI_ARGS with a key that nobody knows', config: { ipam: v4 }, args: 'FOO=bar' },
  {
    name: 'a pod name in CNI_ARGS',
    config: { ipam: v4 },
    args: 'IgnoreUnknown=true;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web',
  },

  {
    name: 'DNS of the network',
    config: {
      dns: { nameservers: ['10.1.0.53'], domain: 'example', search: ['a', 'b'], options: ['ndots:2'] },
      ipam: v4,
    },
  },
  {
    name: 'DNS from resolv.conf',
    recent: true,
    config: { ipam: { ...v4, resolvConf: '/tmp/flatnet-reference-resolv.conf' } },
    setup:
      "printf '# c\\nnameserver 10.0.0.53 # x\\nnameserver fd01::53\\nsearch a b\\nsearch c\\ndomain d\\noptions ndots:5 rotate\\n' >/tmp/flatnet-reference-resolv.conf",
  },
  {
    name: 'DNS of the network before that of resolv.conf',
    config: { dns: { domain: 'example' }, ipam: { ...v4, resolvConf: '/etc/hosts' } },
  },

  {
    name: 'bridge that has its address',
    config: { isGateway: true, ipam: v4 },
    setup: 'ip link add cni0 type bridge; ip link set cni0 up; ip addr add 10.1.0.1/24 brd + dev cni0',
  },
  {
    name: 'bridge with another address, by force',
    config: { isGateway: true, forceAddress: true, ipam: v4 },
    setup: 'ip link add cni0 type bridge; ip link set cni0 up; ip addr add 10.8.0.1/24 dev cni0',
  },
  {
    name: 'keys in another case',
    config: { BRIDGE: 'cni0', ISGATEWAY: true, HairpinMode: true, ipam: { RANGES: [[{ Subnet: '10.1.0.0/24' }]] } },
  },
  {
    name: 'null for what is not said',
    config: { isGateway: null, mtu: null, vlan: null, vlanTrunk: null, dns: null, ipam: v4 },
  },
  {
    name: 'container with a route already',
    config: { isDefaultGateway: true, ipam: v4 },
    setup:
      'inside ip link add w type veth peer name x; inside ip addr add 10.5.0.2/24 dev w; inside ip link set x up; inside ip link set w up; inside ip route add default via 10.5.0.1',
  },

  wrong(
    'bridge with another address',
    { isGateway: true, ipam: v4 },
    { setup: 'ip link add cni0 type bridge; ip link set cni0 up; ip addr add 10.8.0.1/24 dev cni0' },
  ),
  wrong('hairpin and promiscuous', { hairpinMode: true, promiscMode: true, ipam: v4 }),
  wrong('VLAN below', { vlan: -1, ipam: v4 }),
  wrong('VLAN above', { vlan: 5000, ipam: v4 }),
  wrong('VLAN where the kernel has none', { vlan: 100, ipam: v4 }),
  wrong('trunk upside down', { vlanTrunk: [{ minID: 20, maxID: 10 }], ipam: v4 }, { recent: true }),
  wrong('trunk with one end', { vlanTrunk: [{ minID: 20 }], ipam: v4 }, { recent: true }),
  wrong('interface down with addresses', { disableContainerInterface: true, ipam: v4 }, { recent: true }),
  wrong('name too long', { bridge: 'a-name-beyond-15-bytes', ipam: v4 }),
  wrong('bridge that is none', { bridge: 'v1', ipam: v4 }, { setup: 'ip link add v1 type veth peer name v2' }),
  wrong('MAC that is none', { runtimeConfig: { mac: 'xx:yy' }, ipam: v4 }),
  wrong('MTU as text', { mtu: '1500', ipam: v4 }),
  wrong('boolean as text', { isGateway: 'true', ipam: v4 }),
  wrong('IPAM that is not there', { ipam: { type: 'nowhere', ...v4 } }),
  wrong('interface name that is taken', { ipam: v4 }, { setup: 'inside ip link add eth0 type veth peer name y' }),
  wrong('no ranges', { ipam: { ranges: [] }, isGateway: true }),
  wrong('subnet with host bits', { ipam: { ranges: [[{ subnet: '10.1.0.7/24' }]] } }),
  wrong('subnet too small', { ipam: { ranges: [[{ subnet: '10.1.0.0/31' }]] } }),
  wrong('ranges that overlap', { ipam: { ranges: [[V4], [{ subnet: '10.1.0.128/25' }]] } }),
  wrong('range upside down', { ipam: { ranges: [[{ ...V4, rangeStart: '10.1.0.20', rangeEnd: '10.1.0.10' }]] } }),
  wrong('rangeStart outside', { ipam: { ranges: [[{ ...V4, rangeStart: '10.2.0.20' }]] } }),
  wrong('families mixed in a set', { ipam: { ranges: [[V4, V6]] } }),
  wrong('route to nowhere', { ipam: { ...v4, routes: [{ dst: 'nowhere' }] } }),
  wrong('address of the gateway', { runtimeConfig: { ips: ['10.1.0.1'] }, ipam: v4 }),
  wrong('address of no range', { runtimeConfig: { ips: ['10.77.0.1'] }, ipam: v4 }),
  wrong(
    'address that is taken',
    { runtimeConfig: { ips: ['10.1.0.9'] }, ipam: v4 },
    { setup: "printf 'x\\r\\neth0' >$data/net/10.1.0.9" },
  ),
  wrong(
    'range that is full',
    { ipam: { ranges: [[{ subnet: '10.1.0.0/30' }]] } },
    { setup: "printf 'x\\r\\neth0' >$data/net/10.1.0.2" },
  ),
  wrong('resolv.conf that is not there', { ipam: { ...v4, resolvConf: '/nowhere/resolv.conf' } }),
]
