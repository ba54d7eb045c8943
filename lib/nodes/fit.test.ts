/** Whether a table and its settings fit a machine, entry by entry: no route of ours may take a way away that is there. */

import t from 'tap'
import { parseAddress } from '../ip/address.js'
import { networkOf, parsePrefix } from '../ip/prefix.js'
import type { LinkAddress } from '../netlink/addresses.js'
import type { Link } from '../netlink/links/link.js'
import type { KnownRoute } from '../netlink/routes.js'
import { judgeFit } from './fit.js'
import type { Facts } from './observe.js'
import { parseTable } from './table.js'

const prefix = (text: string) => parsePrefix(text) as NonNullable<ReturnType<typeof parsePrefix>>

/** A machine with these addresses on eth0, their connected routes, and these others: `10.0.0.0/8 via 10.9.0.254`. */
function machine(addresses: readonly string[], ...routes: string[]): Facts {
  const link = { index: 2, name: 'eth0', mtu: 1500, up: true, mac: '02:00:00:00:00:01' } as Link
  const route = (to: string, via?: string) =>
    ({
      table: 254,
      protocol: 2,
      type: 'unicast',
      flags: 0,
      family: (via ?? to).includes(':') ? 6 : 4,
      to: to === 'default' ? to : { ...prefix(to), address: networkOf(prefix(to)) },
      via: via === undefined ? undefined : parseAddress(via),
      link: 2,
    }) as KnownRoute
  return {
    links: [link],
    tunnels: new Set(),
    addresses: addresses.map((text) => ({ prefix: prefix(text), linkIndex: 2, scope: 'universe' }) as LinkAddress),
    routes: [
      ...addresses.map((text) => route(text)),
      ...routes.map((line) => route(line.split(' ')[0] as string, line.split(' via ')[1])),
    ],
  }
}

const ROUTED = machine(['10.9.0.1/24', 'fd09::1/64'], 'default via 10.9.0.254', 'default via fd09::fe')

const node = (n: number, addresses: readonly string[], podCIDRs: readonly string[]) => ({
  name: `n${n}`,
  addresses,
  podCIDRs,
})
const n1 = node(1, ['10.9.0.1', 'fd09::1'], ['10.244.1.0/24', 'fd10:1::/64'])
const n2 = node(2, ['10.9.0.2'], ['10.244.2.0/24'])
const n3 = node(3, ['10.9.1.3', 'fd09:1::3'], ['10.244.3.0/24'])

interface Row {
  readonly what: string
  readonly nodes: readonly object[]
  readonly clusterCIDRs?: readonly string[]
  readonly facts?: Facts
  readonly tunnel?: true
  /** Pointers of what is refused, with what the reason must say. */
  readonly refused: Readonly<Record<string, RegExp>>
}

const ROWS: readonly Row[] = [
  { what: 'a table that fits', nodes: [n1, n2, n3], clusterCIDRs: ['10.244.0.0/16', 'fd10::/16'], refused: {} },
  {
    what: "another node's address inside a pod CIDR, behind a router",
    nodes: [n1, node(2, ['10.9.0.2'], ['10.9.1.0/24']), n3],
    refused: { '/nodes/1/podCIDRs/0': /is 10.9.1.0\/24 of "n2", and 10.9.1.3 of "n3" lies inside it/ },
  },
  {
    what: 'the same of IPv6, in the second pod CIDR of two',
    nodes: [n1, node(2, ['10.9.0.2'], ['10.244.2.0/24', 'fd09:1::/64']), n3],
    refused: { '/nodes/1/podCIDRs/1': /fd09:1::\/64 of "n2", and fd09:1::3 of "n3"/ },
  },
  {
    what: 'of a node that has no pod CIDR yet',
    nodes: [n1, node(2, ['10.9.0.2'], ['10.9.1.0/24']), node(3, ['10.9.1.3'], [])],
    refused: { '/nodes/1/podCIDRs/0': /10.9.1.3 of "n3" lies inside it/ },
  },
  {
    what: 'its own address inside its pod CIDR, behind a router',
    nodes: [n1, node(2, ['10.9.1.2'], ['10.9.1.0/24'])],
    refused: { '/nodes/1/podCIDRs/0': /10.9.1.2 of "n2" lies inside it/ },
  },
  {
    what: 'its own address inside its pod CIDR, to which a route of its own leads',
    nodes: [n1, node(2, ['10.9.1.2'], ['10.9.1.0/24'])],
    facts: machine(['10.9.0.1/24'], 'default via 10.9.0.254', '10.9.1.2/32 via 10.9.0.7'),
    refused: {},
  },
  {
    what: "a gateway's address of the pod CIDR, beside the address by which the node is reached",
    nodes: [n1, node(2, ['10.9.0.2', '10.244.2.1'], ['10.244.2.0/24'])],
    refused: {},
  },
  {
    what: "an address inside this node's own pod CIDR",
    nodes: [n1, n2, node(3, ['10.9.1.3', '10.244.1.77'], ['10.244.3.0/24'])],
    refused: { '/nodes/2/addresses/1': /of "n3" is 10.244.1.77, which lies inside 10.244.1.0\/24, the pods of "n1"/ },
  },
  {
    what: 'a pod CIDR on the segment of this machine',
    nodes: [n1, node(2, ['10.9.1.2'], ['10.9.0.128/25'])],
    refused: { '/nodes/1/podCIDRs/0': /eth0 of this machine has 10.9.0.1\/24/ },
  },
  {
    what: 'two entries are wrong, and each has its verdict',
    nodes: [n1, node(2, ['10.9.1.2'], ['10.9.0.0/25']), n3, node(4, ['10.9.0.4'], ['10.9.1.0/25'])],
    refused: { '/nodes/1/podCIDRs/0': /eth0/, '/nodes/3/podCIDRs/0': /10.9.1.2 of "n2"/ },
  },
  {
    what: 'cluster CIDRs that cover a node behind the default route',
    nodes: [n1, n2, n3],
    clusterCIDRs: ['10.244.0.0/16', '10.0.0.0/8', 'fd00::/8'],
    refused: {
      '/clusterCIDRs/1': /is 10.0.0.0\/8, and 10.9.1.3 of "n3" lies inside it, .* by the default route/,
      '/clusterCIDRs/2': /is fd00::\/8, and fd09:1::3 of "n3" lies inside it/,
    },
  },
  {
    what: 'cluster CIDRs that cover a node behind a route that is shorter than they',
    nodes: [n1, node(3, ['10.200.1.3'], ['10.244.3.0/24'])],
    clusterCIDRs: ['10.192.0.0/10'],
    facts: machine(['10.9.0.1/24'], '10.0.0.0/8 via 10.9.0.254'),
    refused: { '/clusterCIDRs/0': /a route of only 8 bits/ },
  },
  {
    what: 'cluster CIDRs that cover a node on a segment shorter than they',
    nodes: [n1, node(3, ['10.244.200.3'], ['10.244.3.0/24'])],
    clusterCIDRs: ['10.244.0.0/16'],
    facts: machine(['10.9.0.1/8']),
    refused: {
      '/clusterCIDRs/0': /10.244.200.3 of "n3"/,
      '/nodes/1/podCIDRs/0': /eth0 of this machine has 10.9.0.1\/8/,
    },
  },
  {
    what: 'cluster CIDRs that cover nodes whose own routes are longer',
    nodes: [n1, n2, n3],
    clusterCIDRs: ['10.0.0.0/8'],
    facts: machine(['10.9.0.1/24'], '10.9.0.0/16 via 10.9.0.254'),
    refused: {},
  },
  {
    what: "cluster CIDRs that are a part of a peer's pods, or of this node's",
    nodes: [n1, n2],
    clusterCIDRs: ['10.244.2.128/25', '10.244.1.0/25', '10.244.2.0/24'],
    refused: {
      '/clusterCIDRs/0': /a part of 10.244.2.0\/24, the pods of "n2"/,
      '/clusterCIDRs/1': /a part of 10.244.1.0\/24, the pods of "n1"/,
    },
  },
  {
    what: 'cluster CIDRs of a family that this node has no pods of',
    nodes: [node(1, ['10.9.0.1'], ['10.244.1.0/24']), n3],
    clusterCIDRs: ['fd00::/8'],
    refused: {},
  },
  {
    what: 'two tunnel endpoints of one hardware address: the later one, and never this node',
    nodes: [
      { ...n3, vtepMAC: '0a:58:0a:f4:01:00' },
      n1,
      { ...n2, vtepMAC: '0a:58:0a:f4:03:00' },
      node(4, ['10.9.0.4'], ['10.244.4.0/24']),
    ],
    tunnel: true,
    refused: { '/nodes/0/vtepMAC': /of "n3" is 0a:58:0a:f4:01:00, which "n1" has too/ },
  },
]

t.test('every entry and every cluster CIDR has a verdict of its own', async (t) => {
  for (const { what, nodes: table, clusterCIDRs = [], facts = ROUTED, tunnel, refused } of ROWS) {
    const nodes = parseTable(table)
    const fit = judgeFit({
      nodes,
      self: nodes.find(({ name }) => name === 'n1') as never,
      clusterCIDRs: clusterCIDRs.map(prefix),
      facts,
      isOwnLink: () => false,
      digest: tunnel === undefined ? undefined : () => 'deadbeef',
    })
    const faults = [...fit.nodes, ...fit.clusterCIDRs].filter((fault) => fault !== undefined)
    t.same(faults.map(({ pointer }) => pointer).sort(), Object.keys(refused).sort(), what)
    for (const { pointer, why } of faults) t.match(why, refused[pointer] as RegExp, what)
    const kept = nodes.filter((_, at) => fit.nodes[at] === undefined)
    const again = judgeFit({
      nodes: kept,
      self: kept.find(({ name }) => name === 'n1') as never,
      clusterCIDRs: clusterCIDRs.map(prefix).filter((_, at) => fit.clusterCIDRs[at] === undefined),
      facts,
      isOwnLink: () => false,
      digest: tunnel === undefined ? undefined : () => 'deadbeef',
    })
    t.same(
      [...again.nodes, ...again.clusterCIDRs].filter((fault) => fault !== undefined),
      [],
      `${what}: the rest fits`,
    )
  }
})

t.test("a link of the network's own does not count", async (t) => {
  const nodes = parseTable([n1, node(2, ['10.9.1.2'], ['10.9.0.128/25'])])
  const input = { nodes, self: nodes[0] as never, clusterCIDRs: [], facts: ROUTED, digest: undefined }
  t.equal(judgeFit({ ...input, isOwnLink: ({ name }) => name === 'eth0' }).nodes[1], undefined)
})
