/** Descriptors the suite brings along; leftovers are those of flatnet and of the reference plugins. */

import type { Descriptor } from './descriptor.js'
import { FIREWALL_IPTABLES, PORTMAP_IPTABLES } from './iptables.js'

const NODES = [
  { name: 'one', addresses: ['10.99.0.1', 'fd00:99::1'], podCIDRs: ['10.88.0.0/24', 'fd00:88::/64'] },
  { name: 'two', addresses: ['10.99.0.2', 'fd00:99::2'], podCIDRs: ['10.88.1.0/24', 'fd00:88:1::/64'] },
]

const UPLINK = [
  'ip link add uplink type veth peer name uplink-far',
  'ip link set uplink-far up',
  'ip addr add 10.99.0.1/24 dev uplink',
  'ip addr add fd00:99::1/64 dev uplink nodad',
  'ip link set uplink up',
]

const FORWARDING = [
  'host sysctl ipv4/ip_forward:*',
  'host sysctl ipv4/conf/*/forwarding:*',
  'host sysctl ipv6/conf/*/forwarding:*',
]

/** What `host-gw` and `vxlan` keep of the node, whatever its containers: no file of an attachment's own. */
function nodeFiles(plugin: string): string[] {
  return ['applied', 'excluded', 'lock', 'peers', 'stamp'].map((name) => `file /run/flatnet/*/${plugin}/${name} *`)
}

export const PLUGINS: readonly Descriptor[] = [
  {
    type: 'bridge',
    kind: 'interface',
    config: { bridge: 'cni0', isGateway: true },
    delegates: 'ipam',
    capabilities: { mac: '02:11:22:33:44:55' },
    layer2: { isGateway: null, ipam: null },
    faults: {
      'a VLAN that does not exist': { vlan: 5000 },
      'two modes that exclude each other': { hairpinMode: true, promiscMode: true },
    },
    spoil: [
      'for l in $(ls /sys/class/net); do :; done',
      "ip -o link show master cni0 | sed 's/^[0-9]*: \\([^:@]*\\).*/\\1/' | xargs -n1 ip link del",
    ],
    leaves: [
      'host link cni0 *',
      'host addr cni0 *',
      'host fdb ifname=cni0 *',
      'host route4 dev=cni0 *protocol=kernel *',
      'host route6 dev=cni0 *protocol=kernel *',
      'host sysctl *conf/cni0/*',
      ...FORWARDING,
    ],
    state: ['/run/flatnet'],
    stateKey: 'stateDir',
    needs: ['veth', 'bridge'],
  },
  {
    type: 'ptp',
    kind: 'interface',
    config: {},
    delegates: 'ipam',
    faults: {
      'an MTU below that of IPv4': { mtu: 20 },
      'masquerading to what is no address': { ipMasq: { to: 'nowhere' } },
    },
    // In the host only containers' links are called so.
    spoil: ["ip -o link show type veth | sed -n 's/^[0-9]*: \\(veth[^:@]*\\).*/\\1/p' | xargs -n1 ip link del"],
    leaves: FORWARDING,
    state: ['/run/flatnet'],
    stateKey: 'stateDir',
    needs: ['veth'],
  },
  {
    type: 'dummy',
    kind: 'interface',
    config: {},
    delegates: 'ipam',
    state: ['/run/flatnet'],
    stateKey: 'stateDir',
    needs: ['dummy'],
  },
  {
    type: 'host-local',
    kind: 'ipam',
    config: { ranges: [[{ subnet: '10.77.0.0/24' }], [{ subnet: 'fd00:77::/64' }]], routes: [{ dst: '0.0.0.0/0' }] },
    capabilities: { ips: ['10.77.0.9', 'fd00:77::9'], ipRanges: [[{ subnet: '10.66.0.0/24' }]] },
    faults: {
      'host bits in a subnet': { ipam: { ranges: [[{ subnet: '10.77.0.5/24' }]] } },
      'a range outside its subnet': { ipam: { ranges: [[{ subnet: '10.77.0.0/24', rangeStart: '10.78.0.1' }]] } },
      'start after end': {
        ipam: { ranges: [[{ subnet: '10.77.0.0/24', rangeStart: '10.77.0.9', rangeEnd: '10.77.0.8' }]] },
      },
      'an empty range set': { ipam: { ranges: [[]] } },
    },
    leaves: [
      'file /var/lib/cni/networks/*last_reserved_ip.*',
      'file */lock *',
      // An index of all records of a network, made anew from them.
      'file /var/lib/cni/networks/.flatnet/*/catalogue *',
      'dir /var/lib/cni/networks/.flatnet 755',
    ],
    state: ['/var/lib/cni/networks'],
    stateKey: 'ipam.dataDir',
    roundRobin: true,
  },
  {
    type: 'static',
    kind: 'ipam',
    config: {
      addresses: [{ address: '10.77.0.2/24', gateway: '10.77.0.1' }, { address: 'fd00:77::2/64' }],
      routes: [{ dst: '0.0.0.0/0' }],
    },
    capabilities: { ips: ['10.77.0.9', 'fd00:77::9'] },
    fixedAddresses: true,
    faults: {
      'an address without a prefix length': { ipam: { addresses: [{ address: '10.77.0.2' }] } },
      'a gateway that is no address': { ipam: { addresses: [{ address: '10.77.0.2/24', gateway: '10.77.0' }] } },
      'a route to no network': { ipam: { routes: [{ dst: 'nowhere' }] } },
    },
  },
  {
    type: 'loopback',
    kind: 'interface',
    config: {},
    ifName: 'lo',
    // The kernel keeps the addresses of a loopback that is set down.
    leaves: ['container* addr lo *', 'container* route4 dev=lo *', 'container* route6 dev=lo *'],
  },
  {
    type: 'portmap',
    kind: 'chained',
    config: {
      capabilities: { portMappings: true },
      runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] },
    },
    capabilities: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] },
    noop: { runtimeConfig: null },
    faults: {
      'a port above 65535': {
        runtimeConfig: { portMappings: [{ hostPort: 65536, containerPort: 80, protocol: 'tcp' }] },
      },
      'an unknown protocol': {
        runtimeConfig: { portMappings: [{ hostPort: 80, containerPort: 80, protocol: 'xyz' }] },
      },
    },
    perAttachment: ['runtimeConfig.portMappings.0.hostPort'],
    spoil: ['nft flush ruleset'],
    leaves: ['host sysctl *route_localnet:*', ...PORTMAP_IPTABLES, ...FORWARDING],
    state: ['/run/flatnet'],
    needs: ['nft', 'nft nat'],
  },
  {
    type: 'bandwidth',
    kind: 'chained',
    config: { ingressRate: 1_000_000, ingressBurst: 1_000_000, egressRate: 2_000_000, egressBurst: 1_000_000 },
    capabilities: {
      bandwidth: { ingressRate: 3_000_000, ingressBurst: 1_000_000, egressRate: 4_000_000, egressBurst: 1_000_000 },
    },
    noop: { ingressRate: null, ingressBurst: null, egressRate: null, egressBurst: null },
    faults: { 'a burst without a rate': { ingressRate: null, egressRate: null, egressBurst: null } },
    spoil: ['tc qdisc del dev suite-h1 root'],
    // They end with the link, which the interface plugin deletes next.
    leaves: ['host qdisc * dev suite-h*', 'host filter suite-h*'],
    needs: ['tc tbf', 'tc ingress', 'ifb'],
  },
  {
    type: 'firewall',
    kind: 'chained',
    config: { ingressPolicy: 'same-bridge' },
    since: '0.3.0',
    spoil: ['nft flush ruleset'],
    leaves: FIREWALL_IPTABLES,
    state: ['/run/flatnet'],
    needs: ['nft'],
  },
  {
    type: 'tuning',
    kind: 'chained',
    config: { sysctl: { 'net.ipv4.conf.IFNAME.arp_notify': '1' }, mtu: 1400, allmulti: true, txQLen: 100 },
    capabilities: { mac: '02:11:22:33:44:55' },
    noop: { sysctl: null, mtu: null, allmulti: null, txQLen: null },
    faults: {
      'a MAC of three bytes': { mac: '02:11:22' },
      'a setting of the host': { sysctl: { 'kernel.hostname': 'suite' } },
      'an MTU that IPv4 cannot have': { mtu: 20 },
    },
    spoil: ['for path in /run/netns/*; do nsenter --net=$path ip link set eth0 txqueuelen 7 2>/dev/null || true; done'],
    state: ['/run/flatnet'],
    stateKey: 'stateDir',
    needs: ['veth'],
  },
  {
    type: 'host-gw',
    kind: 'chained',
    config: { nodes: NODES },
    faults: {
      'overlapping pod CIDRs': {
        nodes: [NODES[0], { name: 'two', addresses: ['10.99.0.2'], podCIDRs: ['10.88.0.128/25'] }],
      },
      'two nodes of one name': { nodes: [NODES[0], { ...NODES[1], name: 'one' }] },
    },
    prepare: UPLINK,
    spoil: ['ip route flush proto 70'],
    leaves: [
      'host route4 dev=uplink dst=10.88.1.0/24 gateway=10.99.0.2 protocol=70 *',
      'host route6 dev=uplink dst=fd00:88:1::/64 gateway=fd00:99::2 *protocol=70 *',
      ...nodeFiles('host-gw'),
      ...FORWARDING,
    ],
    state: ['/run/flatnet'],
    stateKey: 'stateDir',
    needs: ['veth'],
  },
  {
    type: 'vxlan',
    kind: 'chained',
    config: { nodes: NODES },
    faults: {
      'a VNI above 24 bits': { vni: 16_777_216 },
      'two nodes of one name': { nodes: [NODES[0], { ...NODES[1], name: 'one' }] },
    },
    prepare: UPLINK,
    perNetwork: ['vni'],
    spoil: ['ip link del flat.1'],
    leaves: [
      'host link flat.* vxlan *',
      'host addr flat.* 10.88.0.0/32 link',
      'host addr flat.* 10.99.0.1/32 global',
      'host addr flat.* fd00:88::/128 global',
      'host neigh dev=flat.* dst=10.88.1.0 *',
      'host neigh dev=flat.* dst=fd00:88:1:: *',
      'host fdb dst=10.99.0.2 ifname=flat.* mac=0a:58:0a:58:01:00 *',
      'host route4 dev=flat.* dst=10.88.0.0 *',
      'host route4 dev=flat.* dst=10.88.1.0/24 *',
      'host route4 dev=flat.* dst=10.99.0.1 *',
      'host route4 dev=flat.* dst=10.99.0.2 *',
      'host route6 dev=flat.* dst=fd00:88:: *',
      'host route6 dev=flat.* dst=fd00:88:1::/64 *',
      'host route6 dev=flat.* dst=fd00:99::2 *',
      'host rule4 *protocol=70 src=10.88.0.0 srclen=24 *',
      'host rule6 *protocol=70 src=fd00:88:: srclen=64 *',
      'host sysctl *conf/flat.*',
      // The MTU that fits the tunnel ends with the pod's link, which the interface plugin deletes next.
      'host link suite0 bridge *',
      'host link suite-h* veth *',
      'container* link eth0 veth *',
      ...nodeFiles('vxlan'),
      ...FORWARDING,
    ],
    state: ['/run/flatnet'],
    stateKey: 'stateDir',
    needs: ['veth', 'vxlan'],
  },
]
