/**
 * `inet flatnet-portmap`: ports of this host that lead to containers, keyed by (address, protocol, port).
 *
 *   map any4      { tcp . 8080 comment "<attachment>" : 10.1.2.3 . 80 }
 *   map specific4 { 192.0.2.1 . udp . 53 comment "<attachment>" : 10.1.2.3 . 53 }
 *   set claimed4  { tcp . 8080, udp . 53 }        one question tells whether a port is taken on any address
 *   map gateany4, gatespecific4                   as any4 and specific4, of ports under conditions: to their chain
 *   set answered4 { 10.1.2.3 }                    who needs a source address that finds the way back
 *   map pods4     { 10.1.2.3 : goto answered }    counts the containers; no rule looks here
 *   set hairpin4  { 10.1.2.3 . 10.1.2.3 }         who may be asking himself; and all that ports lead to
 *
 * Only packets to an address of this host are looked at. What is sent to a container from its own side of the host (the
 * same bridge, itself) must come back through the host, so it gets the host's source address; so does what the host
 * sends from 127.0.0.1.
 */

import type { Family, IpAddress } from '../ip/address.js'
import { type Prefix, parsePrefix } from '../ip/prefix.js'
import {
  bitwise,
  compare,
  destinationType,
  type Expression,
  LOCAL,
  lookup,
  masquerade,
  meta,
  nat,
  payload,
  setMark,
  verdict,
} from '../netlink/nftables/expression.js'
import type { SetSpec } from '../netlink/nftables/set.js'
import type { Entry } from './entries.js'
import { joined, nameBytes, portBytes } from './key.js'
import { MAPPED } from './mapped-mark.js'
import { addressIn, interfaceInSet, isDestinationRewritten, isDirection, isFamily, loadAddress } from './match.js'
import { type Owner, tagOf } from './owner.js'
import type { Skeleton, SkeletonChain } from './skeleton.js'

/** IANA's numbers. */
export const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const
export type Protocol = keyof typeof PROTOCOLS

export interface PortMapping {
  readonly protocol: Protocol
  readonly hostPort: number
  readonly containerPort: number
  /** The one address of this host; absent is every one of the family. */
  readonly hostAddress?: IpAddress
}

/** Whose source address is replaced on the way to the container. */
export type SourceMode =
  /** The container's own side's and 127.0.0.1's, so that answers find back. */
  | 'answered'
  /** Everyone's. */
  | 'everyone'
  /** Nobody's. */
  | 'plain'

export interface ExposedFamily {
  readonly address: IpAddress
  /** Where the container is reached from this host: the bridge, or the host's end of the pair; absent where unknown. */
  readonly beside?: string
  readonly mappings: readonly PortMapping[]
  /** The chain of conditions that packets must meet (lib/ruleset/conditions); absent is none. */
  readonly conditions?: string
}

export interface Exposed {
  readonly owner: Owner
  readonly mode: SourceMode
  readonly families: readonly ExposedFamily[]
}

const TYPE = { 4: 'ipv4_addr', 6: 'ipv6_addr' } as const

/** Of a mapping: whether it is on every address, or on one. */
export const KINDS = ['any', 'specific'] as const
type Kind = (typeof KINDS)[number]

export type PortSet = Kind | `gate${Kind}` | 'claimed' | 'pods' | 'answered' | 'everyone' | 'hairpin' | 'beside'

export function portSet(set: PortSet, family: Family): string {
  return `${set}${family}`
}

/** The maps from ports to containers. */
export function mapSpecs(family: Family): Readonly<Record<Kind, SetSpec>> {
  const value = [TYPE[family], 'inet_service'] as const
  return {
    any: { key: ['inet_proto', 'inet_service'], value },
    specific: { key: [TYPE[family], 'inet_proto', 'inet_service'], value },
  }
}

function setsOf(family: Family): Record<string, SetSpec> {
  const address = TYPE[family]
  const { any, specific } = mapSpecs(family)
  const sets: Record<PortSet, SetSpec> = {
    any,
    specific,
    claimed: { key: ['inet_proto', 'inet_service'] },
    gateany: { key: any.key, value: 'verdict' },
    gatespecific: { key: specific.key, value: 'verdict' },
    pods: { key: [address], value: 'verdict' },
    answered: { key: [address] },
    everyone: { key: [address] },
    hairpin: { key: [address, address] },
    beside: { key: ['ifname', address] },
  }
  return Object.fromEntries(Object.entries(sets).map(([name, spec]) => [`${name}${family}`, spec]))
}

/** Loads a packet's key in the maps of a kind. */
function loadKey(family: Family, kind: Kind): Expression[] {
  const first = kind === 'any' ? 0 : family === 4 ? 1 : 4
  return [
    ...(kind === 'any' ? [] : [loadAddress(family, 'destination')]),
    meta('l4protocol', first),
    payload('transport', 2, 2, first + 1),
  ]
}

/** Sends packets to the container that a map of `mapSpecs` names; the packet must be of the family. */
export function rewriteBy(family: Family, kind: Kind, set: string): Expression[] {
  return [
    ...loadKey(family, kind),
    lookup(set, { into: 0 }),
    nat('dnat', { family, address: 0, port: family === 4 ? 1 : 4 }),
  ]
}

const FAMILIES = [4, 6] as const
/** Modes that have a set of addresses. */
export const SOURCE_SETS = ['answered', 'everyone'] as const
const LOOPBACK = parsePrefix('127.0.0.0/8') as Prefix
const LOOPBACK6 = parsePrefix('::1/128') as Prefix
export const GUARDED = 'guarded'

const toHost: Expression[] = [
  destinationType(),
  compare(new Uint8Array([LOCAL, 0, 0, 0])),
  verdict({ kind: 'jump', chain: 'hostports' }),
]

const hostports: Expression[][] = FAMILIES.flatMap((family) => [
  [...isFamily(family), ...rewriteBy(family, 'specific', portSet('specific', family))],
  [...isFamily(family), ...rewriteBy(family, 'any', portSet('any', family))],
  ...(['specific', 'any'] as const).map((kind) => [
    ...isFamily(family),
    ...loadKey(family, kind),
    lookup(portSet(`gate${kind}`, family), { into: 'verdict' }),
  ]),
])

const answered: Expression[][] = [
  ...FAMILIES.flatMap((family) => [
    [
      ...isFamily(family),
      loadAddress(family, 'source'),
      loadAddress(family, 'destination', family === 4 ? 1 : 4),
      lookup(portSet('hairpin', family)),
      masquerade(),
    ],
    [
      ...isFamily(family),
      meta('inInterface'),
      loadAddress(family, 'destination', 4),
      lookup(portSet('beside', family)),
      masquerade(),
    ],
  ]),
  [...isFamily(4), ...addressIn('source', LOOPBACK), masquerade()],
]

/** Marks packets on their way to and from the containers that ports lead to (lib/ruleset/mapped-mark). */
const mapped: Expression[][] = FAMILIES.flatMap((family) =>
  (['original', 'reply'] as const).map((direction) => {
    const side = direction === 'original' ? 'destination' : 'source'
    return [
      ...isDirection(direction),
      ...isFamily(family),
      loadAddress(family, side),
      loadAddress(family, side, family === 4 ? 1 : 4),
      lookup(portSet('hairpin', family)),
      meta('mark'),
      bitwise(bits(~MAPPED), { xor: bits(MAPPED) }),
      setMark(),
    ]
  }),
)

function bits(number: number) {
  return new Uint8Array(new Uint32Array([number]).buffer)
}

const chains: Record<string, SkeletonChain> = {
  prerouting: { base: { kind: 'nat', hook: 'prerouting', priority: -100, policy: 'accept' }, rules: [toHost] },
  output: {
    base: { kind: 'nat', hook: 'output', priority: -100, policy: 'accept' },
    // Nothing answers from a container to ::1, so what listens there keeps its port.
    rules: [[...isFamily(6), ...addressIn('destination', LOOPBACK6), verdict({ kind: 'return' })], toHost],
  },
  postrouting: {
    base: { kind: 'nat', hook: 'postrouting', priority: 100, policy: 'accept' },
    rules: FAMILIES.flatMap((family) =>
      SOURCE_SETS.map((mode) => [
        ...isDestinationRewritten(),
        ...isFamily(family),
        loadAddress(family, 'destination'),
        lookup(portSet(mode, family)),
        verdict({ kind: 'goto', chain: mode }),
      ]),
    ),
  },
  // route_localnet, which 127.0.0.1 needs, also opens the host's 127/8 to the interface it is set on.
  guard: {
    base: { kind: 'filter', hook: 'prerouting', priority: -300, policy: 'accept' },
    rules: (['destination', 'source'] as const).map((side) => [
      ...interfaceInSet('inInterface', GUARDED),
      ...isFamily(4),
      ...addressIn(side, LOOPBACK),
      verdict({ kind: 'drop' }),
    ]),
  },
  // After whoever else marks packets before they are routed, and after their destination is rewritten.
  marking: {
    base: { kind: 'filter', hook: 'prerouting', priority: -90, policy: 'accept' },
    rules: [[...isDestinationRewritten(), verdict({ kind: 'jump', chain: 'mapped' })]],
  },
  mapped: { rules: mapped },
  hostports: { rules: hostports },
  answered: { rules: answered, referred: FAMILIES.length },
  everyone: { rules: [[masquerade()]], referred: FAMILIES.length },
  plain: { rules: [] },
}

export const HOST_PORTS: Skeleton = {
  name: { family: 'inet', table: 'flatnet-portmap' },
  version: 4,
  witness: 'postrouting',
  sets: { ...setsOf(4), ...setsOf(6), [GUARDED]: { key: ['ifname'] } },
  chains,
  counted: ['answered', 'everyone', 'plain'],
  setsOf: (chain) =>
    chains[chain] === undefined
      ? KINDS.map((kind) => chainSet(chain, kind))
      : FAMILIES.flatMap((family) => KINDS.flatMap((kind) => mapsOf(kind, family))),
}

/** Key of a port on any address. */
export function portKey({ protocol, hostPort }: PortMapping): Uint8Array {
  return joined(new Uint8Array([PROTOCOLS[protocol]]), portBytes(hostPort))
}

/** What a port takes behind an address in the value of a map. */
export const PORT_SIZE = 4

/** The map that a chain of conditions has for mappings of a kind. */
export function chainSet(chain: string, kind: Kind): string {
  return `${chain}-${kind}`
}

/** The maps that have every mapping of a kind, or its gate. */
export function mapsOf(kind: Kind, family: Family): string[] {
  return [portSet(kind, family), portSet(`gate${kind}`, family)]
}

/** The set behind a gate in which a gate's mapping is; undefined where `set` has no gates. */
export function setBehind(set: string, chain: string): string | undefined {
  const kind = KINDS.find((one) => set.startsWith(`gate${one}`))
  return kind && chainSet(chain, kind)
}

/** The interface whose 127/8 must be guarded, because 127.0.0.1 leads to the container through it. */
export function guardedLink({ mode, families }: Exposed): string | undefined {
  return mode === 'plain' ? undefined : families.find(({ address }) => address.family === 4)?.beside
}

/** The same where nobody but this container is behind it: its own host end, as ptp makes it. */
export function ownGuardedLink(exposed: Exposed): string | undefined {
  const link = guardedLink(exposed)
  return link === exposed.owner.link ? link : undefined
}

export function guardEntry(link: string, owner: Owner): Entry {
  return { set: GUARDED, element: { key: nameBytes(link), comment: tagOf(owner) }, shared: true }
}

/** Everything an attachment has in the table. */
export function exposedEntries(exposed: Exposed): Entry[] {
  const { owner, mode, families } = exposed
  const comment = tagOf(owner)
  const entries: Entry[] = []
  for (const { address, beside, mappings, conditions } of families) {
    const { family, bytes } = address
    const add = (set: PortSet, element: Omit<Entry['element'], 'comment'>, shared = false) =>
      entries.push({ set: portSet(set, family), element: { ...element, comment }, shared })
    for (const mapping of mappings) {
      const { hostAddress } = mapping
      const kind = hostAddress === undefined ? 'any' : 'specific'
      const key = hostAddress === undefined ? portKey(mapping) : joined(hostAddress.bytes, portKey(mapping))
      const value = joined(bytes, portBytes(mapping.containerPort))
      if (conditions === undefined) add(kind, { key, value })
      else {
        entries.push({ set: chainSet(conditions, kind), element: { key, value, comment } })
        add(`gate${kind}`, { key, verdict: { kind: 'jump', chain: conditions } })
      }
      add('claimed', { key: portKey(mapping) }, hostAddress !== undefined)
    }
    add('pods', { key: bytes, verdict: { kind: 'goto', chain: mode } })
    if (mode !== 'plain') add(mode, { key: bytes })
    add('hairpin', { key: joined(bytes, bytes) })
    if (mode !== 'plain' && beside !== undefined) add('beside', { key: joined(nameBytes(beside), bytes) })
  }
  return unique(entries)
}

/** One port on several addresses is claimed once, and strictly if on any. */
function unique(entries: readonly Entry[]): Entry[] {
  const byKey = new Map<string, Entry>()
  for (const entry of entries) {
    const key = `${entry.set} ${entry.element.key.join('.')}`
    const earlier = byKey.get(key)
    if (earlier === undefined || earlier.shared === true) byKey.set(key, entry)
  }
  return [...byKey.values()]
}
