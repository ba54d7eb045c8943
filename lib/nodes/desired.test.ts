/** The desired state by table: who gets which route, neighbour and FDB entry, without a kernel. */

import t from 'tap'
import { formatAddress, parseAddress } from '../ip/address.js'
import { formatPrefix, parsePrefix } from '../ip/prefix.js'
import type { LinkAddress } from '../netlink/addresses.js'
import type { Link } from '../netlink/links/link.js'
import type { KnownRoute } from '../netlink/routes.js'
import { readNetwork } from './cni/config.js'
import { type Desired, desiredState } from './desired.js'
import { describeAddress } from './device.js'
import { findSelf } from './fit.js'
import type { Facts } from './observe.js'
import { parseTable } from './table.js'

/** A machine with these addresses on `eth0` (index 2), connected routes for them, and a default route. */
function machine(addresses: readonly string[], { mtu = 1500, routes = [] as Partial<KnownRoute>[] } = {}): Facts {
  const link = {
    index: 2,
    name: 'eth0',
    mtu,
    up: true,
    mac: '02:00:00:00:00:01',
    kind: undefined,
    alias: undefined,
  } as Link
  const prefixes = addresses.map((text) => parsePrefix(text) as NonNullable<ReturnType<typeof parsePrefix>>)
  const connected = prefixes.map(({ address, length }) =>
    route({ family: address.family, to: parsePrefix(subnet(formatAddress(address), length)) as never, link: 2 }),
  )
  const defaults = ([4, 6] as const).map((family) =>
    route({ family, to: 'default', link: 2, via: parseAddress(family === 4 ? '10.9.0.254' : 'fd09::fe') }),
  )
  return {
    links: [link],
    tunnels: new Set(),
    addresses: prefixes.map((prefix) => ({ prefix, linkIndex: 2, scope: 'universe' }) as LinkAddress),
    routes: [...connected, ...defaults, ...routes.map((entry) => route(entry))],
  }
}

function subnet(address: string, length: number): string {
  return address.includes(':')
    ? `${address.split('::')[0]}::/${length}`
    : `${address.split('.').slice(0, 3).join('.')}.0/${length}`
}

function route(entry: Partial<KnownRoute>): KnownRoute {
  return {
    table: 254,
    protocol: 2,
    type: 'unicast',
    flags: 0,
    scope: 'link',
    onlink: false,
    via: undefined,
    ...entry,
  } as KnownRoute
}

const node = (n: number, more: object = {}) => ({
  name: `n${n}`,
  addresses: [`10.9.0.${n}`],
  podCIDRs: [`10.244.${n}.0/24`],
  ...more,
})
const dual = (n: number, more: object = {}) =>
  node(n, { addresses: [`10.9.0.${n}`, `fd09::${n}`], podCIDRs: [`10.244.${n}.0/24`, `fd10:${n}::/64`], ...more })

/** Everything as lines. */
function lines(desired: Desired): string[] {
  const { device } = desired
  return [
    ...(device === undefined
      ? []
      : [
          `device ${device.name} ${device.mac} mtu ${device.mtu} local ${device.local === undefined ? 'any' : formatAddress(device.local)} ${device.addresses.map(describeAddress).join(' ')}`,
        ]),
    ...desired.neighbours.map(({ address, mac }) => `neigh ${formatAddress(address)} ${mac}`),
    ...desired.fdb.map(({ mac, to }) => `fdb ${mac} ${formatAddress(to)}`),
    ...desired.routes.map(({ to, type, via, link, onlink, table, mtu }) =>
      [
        type === 'unicast' ? 'route' : type,
        formatPrefix(to),
        ...(via === undefined ? [] : ['via', formatAddress(via)]),
        ...(link === undefined ? [] : [`dev ${link}`]),
        ...(onlink ? ['onlink'] : []),
        ...(table === 254 ? [] : [`table ${table}`]),
        ...(mtu === undefined ? [] : [`mtu ${mtu}`]),
      ].join(' '),
    ),
    ...desired.rules.map(({ from, table }) => `rule ${formatPrefix(from)} ${table}`),
    ...desired.refused.map(({ reason }) => `refused ${reason}`),
    ...desired.waiting.map((name) => `waiting ${name}`),
  ]
}

interface Case {
  readonly what: string
  readonly mode: 'host-gw' | 'vxlan'
  readonly config?: object
  readonly nodes: readonly object[]
  readonly facts?: Facts
  readonly want: readonly string[]
}

const CASES: readonly Case[] = [
  {
    what: 'host-gw: a route a peer',
    mode: 'host-gw',
    nodes: [node(1), node(2), node(3)],
    want: ['route 10.244.2.0/24 via 10.9.0.2 dev 2', 'route 10.244.3.0/24 via 10.9.0.3 dev 2'],
  },
  {
    what: 'host-gw: a route a family',
    mode: 'host-gw',
    nodes: [dual(1), dual(2)],
    facts: machine(['10.9.0.1/24', 'fd09::1/64']),
    want: ['route 10.244.2.0/24 via 10.9.0.2 dev 2', 'route fd10:2::/64 via fd09::2 dev 2'],
  },
  {
    what: 'host-gw: IPv4 pods by way of IPv6',
    mode: 'host-gw',
    nodes: [node(1, { addresses: ['fd09::1'] }), node(2, { addresses: ['fd09::2'] })],
    facts: machine(['fd09::1/64']),
    want: ['route 10.244.2.0/24 via fd09::2 dev 2'],
  },
  {
    what: 'host-gw: a family this node has no pods of is left out',
    mode: 'host-gw',
    nodes: [node(1), dual(2)],
    want: ['route 10.244.2.0/24 via 10.9.0.2 dev 2'],
  },
  {
    what: 'host-gw: a peer elsewhere is refused, the others are served',
    mode: 'host-gw',
    nodes: [node(1), node(2, { addresses: ['10.77.0.2'] }), node(3)],
    want: [
      'route 10.244.3.0/24 via 10.9.0.3 dev 2',
      'refused node n2 (10.77.0.2) is not on a segment of this machine: use vxlan, or directRouting',
    ],
  },
  {
    what: 'host-gw: the first address that is on a segment',
    mode: 'host-gw',
    nodes: [node(1), node(2, { addresses: ['10.77.0.2', '10.9.0.2'] })],
    want: ['route 10.244.2.0/24 via 10.9.0.2 dev 2'],
  },
  {
    what: 'host-gw: a gateway in between is no segment, however near',
    mode: 'host-gw',
    nodes: [node(1), node(2)],
    facts: machine(['10.9.0.1/24'], {
      routes: [{ family: 4, to: parsePrefix('10.9.0.2/32') as never, link: 2, via: parseAddress('10.9.0.254') }],
    }),
    want: ['refused node n2 (10.9.0.2) is not on a segment of this machine: use vxlan, or directRouting'],
  },
  {
    what: 'host-gw: our own routes lead nowhere by themselves',
    mode: 'host-gw',
    nodes: [node(1), node(2, { addresses: ['10.77.0.2'] })],
    facts: machine(['10.9.0.1/24'], {
      routes: [{ family: 4, to: parsePrefix('10.77.0.0/24') as never, link: 2, protocol: 70 }],
    }),
    want: ['refused node n2 (10.77.0.2) is not on a segment of this machine: use vxlan, or directRouting'],
  },
  {
    what: 'host-gw: unassigned addresses are stopped',
    mode: 'host-gw',
    config: { clusterCIDRs: ['10.244.0.0/16', 'fd10::/16'] },
    nodes: [node(1), node(2)],
    want: ['route 10.244.2.0/24 via 10.9.0.2 dev 2', 'unreachable 10.244.0.0/16'],
  },
  {
    what: 'host-gw: a peer with a smaller MTU lowers its route',
    mode: 'host-gw',
    nodes: [node(1), node(2, { mtu: 1400 }), node(3, { mtu: 9000 })],
    want: ['route 10.244.2.0/24 via 10.9.0.2 dev 2 mtu 1400', 'route 10.244.3.0/24 via 10.9.0.3 dev 2'],
  },
  {
    what: 'vxlan: the triple, the way to the node itself, and the rule',
    mode: 'vxlan',
    nodes: [node(1), node(2)],
    want: [
      'device flat.1 0a:58:0a:f4:01:00 mtu 1450 local 10.9.0.1 10.9.0.1/32 10.244.1.0/32 scope link',
      'neigh 10.244.2.0 0a:58:0a:f4:02:00',
      'fdb 0a:58:0a:f4:02:00 10.9.0.2',
      'route 10.244.2.0/24 via 10.244.2.0 dev device onlink',
      'route 10.9.0.2/32 via 10.244.2.0 dev device onlink table 1000000001',
      'rule 10.244.1.0/24 1000000001',
    ],
  },
  {
    what: 'vxlan: over IPv6 where a node has nothing else, and a flannel node by its own MAC',
    mode: 'vxlan',
    config: { vni: 7 },
    nodes: [
      node(1, { addresses: ['10.9.0.1', 'fd09::1'] }),
      node(2, { addresses: ['fd09::2'], vtepMAC: 'ce:b4:17:00:00:02' }),
    ],
    facts: machine(['10.9.0.1/24', 'fd09::1/64']),
    want: [
      'device flat.7 0a:58:0a:f4:01:00 mtu 1430 local fd09::1 10.244.1.0/32',
      'neigh 10.244.2.0 ce:b4:17:00:00:02',
      'fdb ce:b4:17:00:00:02 fd09::2',
      'route 10.244.2.0/24 via 10.244.2.0 dev device onlink',
      'rule 10.244.1.0/24 1000000007',
    ],
  },
  {
    what: 'vxlan: one FDB entry for both families',
    mode: 'vxlan',
    nodes: [dual(1), dual(2)],
    facts: machine(['10.9.0.1/24', 'fd09::1/64']),
    want: [
      'device flat.1 0a:58:0a:f4:01:00 mtu 1450 local 10.9.0.1 10.9.0.1/32 10.244.1.0/32 scope link fd10:1::/128',
      'neigh 10.244.2.0 0a:58:0a:f4:02:00',
      'neigh fd10:2:: 0a:58:0a:f4:02:00',
      'fdb 0a:58:0a:f4:02:00 10.9.0.2',
      'route 10.244.2.0/24 via 10.244.2.0 dev device onlink',
      'route 10.9.0.2/32 via 10.244.2.0 dev device onlink table 1000000001',
      'route fd10:2::/64 via fd10:2:: dev device onlink',
      'route fd09::2/128 via fd10:2:: dev device onlink table 1000000001',
      'rule 10.244.1.0/24 1000000001',
      'rule fd10:1::/64 1000000001',
    ],
  },
  {
    what: 'vxlan: directRouting takes the plain route where it can',
    mode: 'vxlan',
    config: { directRouting: true },
    nodes: [node(1), node(2), node(3, { addresses: ['10.77.0.3'] })],
    want: [
      'device flat.1 0a:58:0a:f4:01:00 mtu 1450 local 10.9.0.1 10.9.0.1/32 10.244.1.0/32 scope link',
      'neigh 10.244.3.0 0a:58:0a:f4:03:00',
      'fdb 0a:58:0a:f4:03:00 10.77.0.3',
      'route 10.244.2.0/24 via 10.9.0.2 dev 2',
      'route 10.244.3.0/24 via 10.244.3.0 dev device onlink',
      'route 10.77.0.3/32 via 10.244.3.0 dev device onlink table 1000000001',
      'rule 10.244.1.0/24 1000000001',
    ],
  },
  {
    what: 'vxlan: a peer without an address of the underlay is refused by name',
    mode: 'vxlan',
    nodes: [node(1), node(2, { addresses: ['fd09::2'] }), node(3)],
    want: [
      'device flat.1 0a:58:0a:f4:01:00 mtu 1450 local 10.9.0.1 10.9.0.1/32 10.244.1.0/32 scope link',
      'neigh 10.244.3.0 0a:58:0a:f4:03:00',
      'fdb 0a:58:0a:f4:03:00 10.9.0.3',
      'route 10.244.3.0/24 via 10.244.3.0 dev device onlink',
      'route 10.9.0.3/32 via 10.244.3.0 dev device onlink table 1000000001',
      'rule 10.244.1.0/24 1000000001',
      'refused node n2 has no IPv4 address, which the tunnel between the others runs over',
    ],
  },
  {
    what: 'vxlan: a route of the underlay with a smaller MTU lowers the tunnel',
    mode: 'vxlan',
    nodes: [node(1), node(2, { addresses: ['10.77.0.2'] })],
    facts: machine(['10.9.0.1/24'], {
      mtu: 9000,
      routes: [
        { family: 4, to: parsePrefix('10.77.0.0/16') as never, link: 2, via: parseAddress('10.9.0.254'), mtu: 1400 },
      ],
    }),
    want: [
      'device flat.1 0a:58:0a:f4:01:00 mtu 1350 local 10.9.0.1 10.9.0.1/32 10.244.1.0/32 scope link',
      'neigh 10.244.2.0 0a:58:0a:f4:02:00',
      'fdb 0a:58:0a:f4:02:00 10.77.0.2',
      'route 10.244.2.0/24 via 10.244.2.0 dev device onlink',
      'route 10.77.0.2/32 via 10.244.2.0 dev device onlink table 1000000001',
      'rule 10.244.1.0/24 1000000001',
    ],
  },
  {
    what: 'vxlan: of several addresses the tunnel has the first of the table',
    mode: 'vxlan',
    nodes: [node(1, { addresses: ['192.0.2.1', '10.9.0.1'] })],
    facts: machine(['10.9.0.1/24', '192.0.2.1/24']),
    want: [
      'device flat.1 0a:58:0a:f4:01:00 mtu 1450 local 192.0.2.1 192.0.2.1/32 10.244.1.0/32 scope link',
      'rule 10.244.1.0/24 1000000001',
    ],
  },
  {
    what: 'vxlan: a machine that does not have the address of its entry sends as the endpoint',
    mode: 'vxlan',
    config: { nodeName: 'n1' },
    nodes: [node(1)],
    facts: machine(['192.0.2.1/24']),
    want: ['device flat.1 0a:58:0a:f4:01:00 mtu 1450 local any 10.244.1.0/32', 'rule 10.244.1.0/24 1000000001'],
  },
  {
    what: 'vxlan: a vtepMAC that is the derived one is no sign of flannel',
    mode: 'vxlan',
    nodes: [node(1), node(2, { vtepMAC: '0a:58:0a:f4:02:00' })],
    want: [
      'device flat.1 0a:58:0a:f4:01:00 mtu 1450 local 10.9.0.1 10.9.0.1/32 10.244.1.0/32 scope link',
      'neigh 10.244.2.0 0a:58:0a:f4:02:00',
      'fdb 0a:58:0a:f4:02:00 10.9.0.2',
      'route 10.244.2.0/24 via 10.244.2.0 dev device onlink',
      'route 10.9.0.2/32 via 10.244.2.0 dev device onlink table 1000000001',
      'rule 10.244.1.0/24 1000000001',
    ],
  },
  {
    what: 'vxlan: a flannel node has no way back to our own address',
    mode: 'vxlan',
    nodes: [node(1), node(2, { vtepMAC: 'ce:b4:17:00:00:02' })],
    want: [
      'device flat.1 0a:58:0a:f4:01:00 mtu 1450 local 10.9.0.1 10.244.1.0/32',
      'neigh 10.244.2.0 ce:b4:17:00:00:02',
      'fdb ce:b4:17:00:00:02 10.9.0.2',
      'route 10.244.2.0/24 via 10.244.2.0 dev device onlink',
      'route 10.9.0.2/32 via 10.244.2.0 dev device onlink table 1000000001',
      'rule 10.244.1.0/24 1000000001',
    ],
  },
  {
    what: 'host-gw: peers without pod CIDRs wait, and the others are served',
    mode: 'host-gw',
    nodes: [node(1), node(2, { podCIDRs: [] }), node(3), node(4, { podCIDRs: [], addresses: ['10.77.0.4'] })],
    want: ['route 10.244.3.0/24 via 10.9.0.3 dev 2', 'waiting n2', 'waiting n4'],
  },
  {
    what: 'vxlan: peers without pod CIDRs wait, and have no hardware address to share',
    mode: 'vxlan',
    nodes: [node(1), node(2, { podCIDRs: [] }), node(4, { podCIDRs: [] })],
    want: [
      'device flat.1 0a:58:0a:f4:01:00 mtu 1450 local 10.9.0.1 10.9.0.1/32 10.244.1.0/32 scope link',
      'rule 10.244.1.0/24 1000000001',
      'waiting n2',
      'waiting n4',
    ],
  },
  {
    what: 'vxlan: alone in the table it has a tunnel and nobody in it',
    mode: 'vxlan',
    config: { mtu: 1300, device: 'pods0' },
    nodes: [node(1)],
    want: [
      'device pods0 0a:58:0a:f4:01:00 mtu 1300 local 10.9.0.1 10.9.0.1/32 10.244.1.0/32 scope link',
      'rule 10.244.1.0/24 1000000001',
    ],
  },
]

function desired({
  mode,
  config = {},
  nodes: table,
  facts = machine(['10.9.0.1/24']),
}: Omit<Case, 'what' | 'want'>): Desired {
  const { settings } = readNetwork(mode, 'podnet', { name: 'podnet', ...config })
  const nodes = parseTable(table)
  return desiredState(nodes, findSelf(nodes, facts, settings.nodeName), settings, facts, () => 'deadbeef')
}

t.test('desiredState', async (t) => {
  for (const { what, want, ...given } of CASES) t.same(lines(desired(given)), want, what)
})

t.test('desiredState refuses what no peer alone is to blame for', async (t) => {
  const facts = machine(['10.9.0.1/24', 'fd09::1/64'], { mtu: 1300 })
  t.throws(() => desired({ mode: 'vxlan', nodes: [dual(1), dual(2)], facts }), {
    kind: 'invalid',
    message: /MTU of 1280 at least, and the tunnel has 1250/,
  })
})

t.test('findSelf', async (t) => {
  const nodes = parseTable([node(1), node(2)])
  t.equal(findSelf(nodes, machine(['10.9.0.2/24']), undefined).name, 'n2', 'is who has an address of this machine')
  t.equal(findSelf(nodes, machine(['10.9.0.9/24']), 'n1').name, 'n1', 'or who is named')
  t.throws(() => findSelf(nodes, machine(['10.9.0.9/24']), undefined), {
    message: /not in the table/,
    kind: 'invalid',
    details: /this machine has 10.9.0.9;/,
  })
  t.throws(() => findSelf(nodes, machine(['10.9.0.1/24']), 'n7'), {
    kind: 'invalid',
    message: /no entry is called "n7"/,
  })
  t.throws(() => findSelf(nodes, machine(['10.9.0.1/24', '10.9.0.2/24']), undefined), {
    kind: 'invalid',
    message: /both "n1" and "n2"/,
  })
})

t.test('what a pod may send', async (t) => {
  const peers = [dual(1), dual(2), dual(3)]
  const facts = machine(['10.9.0.1/24', 'fd09::1/64'], { mtu: 1400 })
  const narrow = machine(['10.9.0.1/24'], { mtu: 1200 })
  const path = (mtu: number) => ({ family: 4, to: parsePrefix('10.9.0.3/32') as never, link: 2, mtu }) as const
  const rows: readonly [what: string, given: Omit<Case, 'what' | 'want'>, mtu: number | undefined][] = [
    ['host-gw: as much as its uplink', { mode: 'host-gw', nodes: peers, facts }, 1400],
    [
      'host-gw: no more than the smallest of its ways',
      {
        mode: 'host-gw',
        nodes: [node(1), node(2), node(3)],
        facts: machine(['10.9.0.1/24'], { routes: [path(1300)] }),
      },
      1300,
    ],
    ['host-gw: without peers, what its own link takes', { mode: 'host-gw', nodes: [dual(1)], facts }, 1400],
    [
      'host-gw: what the table says of this node',
      { mode: 'host-gw', nodes: [node(1, { mtu: 1350 }), node(2)], facts },
      1350,
    ],
    ['host-gw: IPv6 pods keep what IPv6 needs', { mode: 'host-gw', nodes: [dual(1), dual(2)], facts: narrow }, 1280],
    ['host-gw: IPv4 pods have no such floor', { mode: 'host-gw', nodes: [node(1), node(2)], facts: narrow }, 1200],
    ['vxlan: what fits into the tunnel', { mode: 'vxlan', nodes: peers, facts }, 1350],
    ['vxlan: less where "mtu" is less', { mode: 'vxlan', nodes: peers, facts, config: { mtu: 1300 } }, 1300],
    ['vxlan: no more where "mtu" is more', { mode: 'vxlan', nodes: peers, facts, config: { mtu: 9000 } }, 1350],
    [
      'vxlan with directRouting: the same to all',
      { mode: 'vxlan', nodes: peers, facts, config: { directRouting: true } },
      1350,
    ],
  ]
  for (const [what, given, mtu] of rows) t.equal(desired(given).podMtu, mtu, what)
})

t.test("a machine is not known by its tunnel's addresses", async (t) => {
  const nodes = parseTable([node(1), node(2)])
  const facts = machine(['10.9.0.1/24', '10.9.0.2/32'])
  const [first, second] = facts.addresses
  const tunnelled = {
    ...facts,
    addresses: [first, { ...second, linkIndex: 9 }] as LinkAddress[],
    tunnels: new Set([9]),
  }
  t.equal(findSelf(nodes, tunnelled, undefined).name, 'n1')
})
