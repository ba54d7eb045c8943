/** Host ports: what arrives at a port of this host goes on to a container. */

import { CniError, ErrorCode } from '../cni/error.js'
import { type Family, formatAddress } from '../ip/address.js'
import type { Request } from '../netlink/message.js'
import type { Nftables } from '../netlink/nftables/nftables.js'
import { deleteSet } from '../netlink/nftables/set.js'
import { isErrno } from '../sys/errno.js'
import { buildConditions, type Conditions } from './conditions.js'
import { addEntries, deleteEntries, type Entry, entryKey, findEntries, removal, scanEntries } from './entries.js'
import {
  chainSet,
  type Exposed,
  exposedEntries,
  GUARDED,
  guardEntry,
  guardedLink,
  HOST_PORTS,
  KINDS,
  mapsOf,
  PORT_SIZE,
  type PortMapping,
  portKey,
  portSet,
  SOURCE_SETS,
  setBehind,
} from './host-ports-table.js'
import { joined, nameBytes, sameBytes } from './key.js'
import { inTurn, without } from './one-container.js'
import { isOfContainer, networkTag, ownerKey, parseTag, type Tag, withHeir } from './owner.js'
import { rebuild } from './rebuild.js'
import { settle } from './settle.js'
import { damage, isWhole } from './skeleton.js'

export interface ExposeOptions {
  /** Conditions by the name of their chain. */
  readonly conditions?: ReadonlyMap<string, Conditions>
  /** Whether a host link exists: a holder whose link is gone holds nothing. */
  readonly linkExists: (name: string) => boolean
  /** Attachments that must be there too where the table has to be made anew. */
  readonly others?: () => { readonly exposed: readonly Exposed[]; readonly conditions: ReadonlyMap<string, Conditions> }
  /** Guard this interface against packets from and to 127/8: route_localnet will be set on it. */
  readonly guard?: string | undefined
  /** The key of an attachment whose ports go over to this one, if this one is still in the table. */
  readonly insteadOf?: string
}

/**
 * Maps an attachment's ports. A port that another attachment of the container has waits until that one goes. Throws code
 * 104 where another container that lives holds one. Returns what is mapped now.
 */
export function exposePorts(nft: Nftables, exposed: Exposed, options: ExposeOptions): Exposed {
  const { conditions = new Map<string, Conditions>(), guard, insteadOf } = options
  let mapped = exposed
  const entriesNow = () => [
    ...exposedEntries(mapped),
    ...(guard === undefined ? [] : [guardEntry(guard, exposed.owner)]),
  ]
  // An address of its own does not collide with the wildcard in any set, so it must be asked for.
  let careful =
    insteadOf !== undefined ||
    conditions.size > 0 ||
    exposed.families.some(({ mappings }) => mappings.some((one) => one.hostAddress !== undefined))
  settle('map ports', () => {
    const generation = nft.generation()
    mapped = exposed
    if (insteadOf !== undefined && !isPresent(nft, exposed)) return true
    if (!isWhole(nft, HOST_PORTS)) {
      if (insteadOf !== undefined) return true // the next ADD makes it anew from the records
      const { all, chains } = everyone(exposed, conditions, options)
      mapped = all.pop() ?? exposed
      const others = all.flatMap((one) => [...exposedEntries(one), ...guardOf(one)])
      const extras = [...chains].flatMap(([chain, one]) => buildConditions(chain, one))
      return rebuild(nft, HOST_PORTS, generation, extras, [...others, ...entriesNow()])
    }
    if (!careful) {
      try {
        return nft.commit(addEntries(HOST_PORTS, entriesNow()))
      } catch (error) {
        if (!isErrno(error, 'EEXIST', 'ENOENT')) throw error
        careful = true
        return false
      }
    }
    const { doomed, waiting, held } = judge(nft, exposed, options)
    const marks = marksOf(nft, held)
    if (insteadOf !== undefined && marks.length === 0 && !someOf(doomed, insteadOf)) return true
    mapped = without(exposed, waiting)
    const entries = entriesNow()
    const inPlace = [...entries.filter(({ set }) => set !== GUARDED), ...otherModes(exposed)]
    for (const entry of withBehind(nft, findEntries(nft, HOST_PORTS, inPlace))) {
      if (entry.set.startsWith('claimed') && isNeeded(nft, entry, doomed)) continue
      doomed.set(entryKey(entry), entry)
    }
    for (const entry of marks) doomed.set(entryKey(entry), entry)
    const needed = neededOf(conditions, [mapped])
    const missing = [...needed].filter(([chain]) => nft.chain({ ...HOST_PORTS.name, chain }) === undefined)
    const requests = [
      ...removing(nft, [...doomed.values()], { keepTable: true, keep: [...needed.keys()] }),
      ...missing.flatMap(([chain, one]) => buildConditions(chain, one)),
      ...addEntries(HOST_PORTS, [
        ...entries.map((entry) => (entry.set.startsWith('claimed') ? { ...entry, shared: true } : entry)),
        ...marks,
      ]),
    ]
    return nft.commit(requests, generation)
  })
  return mapped
}

/** Whether the attachment has its place in the table, whoever has its ports. */
function isPresent(nft: Nftables, { owner, families }: Exposed): boolean {
  const own = ownerKey(owner)
  return families.some(({ address: { family, bytes } }) =>
    under(nft, [portSet('pods', family)], bytes).some(({ element }) => parseTag(element.comment ?? '').key === own),
  )
}

/** All that a table made anew has, the attachment itself as the last; and the chains of conditions for it. */
function everyone(
  exposed: Exposed,
  conditions: ReadonlyMap<string, Conditions>,
  { others, linkExists }: ExposeOptions,
): { all: Exposed[]; chains: ReadonlyMap<string, Conditions> } {
  const known = others?.() ?? { exposed: [], conditions: new Map<string, Conditions>() }
  const rest = known.exposed.filter(({ owner }) => ownerKey(owner) !== ownerKey(exposed.owner))
  const strangers = rest.filter(({ owner }) => owner.containerId !== exposed.owner.containerId)
  refuseTakenAmong(
    strangers.flatMap((one) => exposedEntries(one)),
    exposed,
    linkExists,
  )
  const all = inTurn([...rest, exposed])
  return { all, chains: neededOf(new Map([...known.conditions, ...conditions]), all) }
}

/** The conditions that some mapping needs: a chain that nothing leads to would never go. */
function neededOf(conditions: ReadonlyMap<string, Conditions>, all: readonly Exposed[]): Map<string, Conditions> {
  const used = new Set(
    all.flatMap(({ families }) =>
      families.flatMap(({ conditions: chain, mappings }) =>
        chain === undefined || mappings.length === 0 ? [] : [chain],
      ),
    ),
  )
  return new Map([...conditions].filter(([chain]) => used.has(chain)))
}

/** What stands in the way of an attachment's ports. */
interface Judgement {
  /** What goes, by its key. */
  readonly doomed: Map<string, Entry>
  /** Mappings that another attachment of the container has. */
  readonly waiting: ReadonlySet<PortMapping>
  /** And what it has them by. */
  readonly held: readonly Entry[]
}

/** Throws code 104 where a port is another container's that lives. */
function judge(nft: Nftables, exposed: Exposed, { linkExists, insteadOf }: ExposeOptions): Judgement {
  const own = ownerKey(exposed.owner)
  const doomed = new Map<string, Entry>()
  const waiting = new Set<PortMapping>()
  const held: Entry[] = []
  for (const { mapping, entry } of holdersOf(nft, exposed)) {
    const tag = parseTag(entry.element.comment ?? '')
    const counts = tag.key !== own && tag.key !== insteadOf && (tag.link === '' || linkExists(tag.link))
    if (!counts) doomed.set(entryKey(entry), entry)
    else if (!isOfContainer(tag, exposed.owner.containerId)) throw taken(entry, exposed, tag)
    else {
      waiting.add(mapping)
      held.push(entry)
    }
  }
  return { doomed, waiting, held }
}

function someOf(entries: ReadonlyMap<string, Entry>, key: string): boolean {
  return [...entries.values()].some(({ element }) => parseTag(element.comment ?? '').key === key)
}

/** The places of those that have ports, as they are to become: with the note that there is an heir. */
function marksOf(nft: Nftables, held: readonly Entry[]): Entry[] {
  const marks = new Map<string, Entry>()
  for (const { element } of held) {
    if (element.value === undefined) continue // a gate; what is behind it has the address
    const size = element.value.length - PORT_SIZE
    const address = element.value.subarray(0, size)
    for (const place of under(nft, [portSet('pods', size === 4 ? 4 : 6)], address)) {
      const comment = place.element.comment ?? ''
      const isHolder = parseTag(comment).key === parseTag(element.comment ?? '').key
      if (!isHolder || parseTag(comment).hasHeir) continue
      marks.set(entryKey(place), { ...place, element: { ...place.element, comment: withHeir(comment) } })
    }
  }
  return [...marks.values()]
}

/** Where an earlier holder of an address, under another mode, may have left it. */
function otherModes({ mode, families }: Exposed): Entry[] {
  return SOURCE_SETS.filter((set) => set !== mode).flatMap((set) =>
    families.map(({ address }) => ({ set: portSet(set, address.family), element: { key: address.bytes } })),
  )
}

function guardOf(exposed: Exposed): Entry[] {
  const link = guardedLink(exposed)
  return link === undefined ? [] : [guardEntry(link, exposed.owner)]
}

/** What stands in the way of a mapping: the same port, where one of the two is on every address. */
function holdersOf(nft: Nftables, { families }: Exposed): { mapping: PortMapping; entry: Entry }[] {
  return families.flatMap(({ address: { family }, mappings }) =>
    mappings.flatMap((mapping) => {
      const claim = nft.element({ ...HOST_PORTS.name, set: portSet('claimed', family) }, portKey(mapping))
      return claim === undefined ? [] : onPort(nft, family, mapping).map((entry) => ({ mapping, entry }))
    }),
  )
}

/** Whatever is mapped on the port, on an address that is the mapping's too. */
function onPort(nft: Nftables, family: Family, mapping: PortMapping): Entry[] {
  const { hostAddress } = mapping
  const port = portKey(mapping)
  const specific = mapsOf('specific', family)
  return withBehind(nft, [
    ...under(nft, mapsOf('any', family), port),
    ...(hostAddress === undefined
      ? onAnyAddress(nft, specific, port)
      : under(nft, specific, joined(hostAddress.bytes, port))),
  ])
}

/** What maps have under a key. */
function under(nft: Nftables, sets: readonly string[], key: Uint8Array): Entry[] {
  return findEntries(
    nft,
    HOST_PORTS,
    sets.map((set) => ({ set, element: { key } })),
  )
}

/** What maps of single addresses have on a port. */
function onAnyAddress(nft: Nftables, sets: readonly string[], port: Uint8Array): Entry[] {
  return sets.flatMap((set) =>
    nft
      .elements({ ...HOST_PORTS.name, set })
      .filter(({ key }) => sameBytes(key.subarray(-port.length), port))
      .map((element) => ({ set, element })),
  )
}

/** Entries, and for each gate among them the mapping behind it. */
function withBehind(nft: Nftables, entries: readonly Entry[]): Entry[] {
  return entries.flatMap((entry) => {
    const { verdict, key } = entry.element
    const set = verdict?.kind === 'jump' ? setBehind(entry.set, verdict.chain) : undefined
    return set === undefined ? [entry] : [entry, ...under(nft, [set], key)]
  })
}

/** Whether a mapping that is not being removed still needs a claim. */
export function isNeeded(nft: Nftables, { set, element: { key } }: Entry, doomed: ReadonlyMap<string, Entry>): boolean {
  const family = set === portSet('claimed', 4) ? 4 : 6
  const stays = (entry: Entry) => !doomed.has(entryKey(entry))
  return (
    under(nft, mapsOf('any', family), key).some(stays) || onAnyAddress(nft, mapsOf('specific', family), key).some(stays)
  )
}

/** The refusal of a rebuild, where the others are known from their records alone. */
function refuseTakenAmong(known: readonly Entry[], exposed: Exposed, linkExists: (name: string) => boolean): void {
  for (const { address, mappings } of exposed.families) {
    const specific = mapsOf('specific', address.family)
    for (const mapping of mappings) {
      const key = portKey(mapping)
      const holder = known.find(({ set, element, shared }) => {
        if (mapping.hostAddress !== undefined && specific.includes(set)) {
          return sameBytes(element.key, joined(mapping.hostAddress.bytes, key))
        }
        if (set !== portSet('claimed', address.family) || !sameBytes(element.key, key)) return false
        return shared !== true || mapping.hostAddress === undefined
      })
      const tag = holder && parseTag(holder.element.comment ?? '')
      if (holder !== undefined && tag !== undefined && (tag.link === '' || linkExists(tag.link))) {
        throw taken(holder, exposed, tag)
      }
    }
  }
}

function taken({ element }: Entry, exposed: Exposed, { text, link }: Tag): CniError {
  const all = exposed.families.flatMap(({ mappings }) => mappings)
  const mapping = all.find((one) => sameBytes(portKey(one), element.key.subarray(-8)))
  const where = mapping?.hostAddress === undefined ? '' : `${formatAddress(mapping.hostAddress)} `
  return new CniError(
    ErrorCode.HostPortTaken,
    `host port ${where}${mapping?.hostPort}/${mapping?.protocol} is already mapped by ${text}`,
    link === ''
      ? 'delete that container, or choose another host port'
      : `it counts while its host link ${link} exists: delete that container, or choose another host port`,
  )
}

/** The requests that take out entries, with chains of conditions that nothing leads to afterwards. */
export function removing(
  nft: Nftables,
  doomed: readonly Entry[],
  options: { keepTable?: boolean; keep?: readonly string[] } = {},
): Request[] {
  return removal(nft, HOST_PORTS, doomed, {
    ...options,
    companions: ({ name }) => {
      const after = KINDS.map((kind) => deleteSet({ ...HOST_PORTS.name, set: chainSet(name, kind) }))
      return { after, objects: after.length }
    },
  })
}

/** What CHECK finds amiss, as words; `[]` is well. */
export function checkPorts(nft: Nftables, exposed: Exposed): string[] {
  const found = damage(nft, HOST_PORTS)
  if (found.length > 0 && nft.table(HOST_PORTS.name) === undefined) return found
  const lost = differences(nft, exposed)
  // A port that another attachment of the container has is where it should be.
  const missing = lost.length === 0 ? lost : differences(nft, without(exposed, waitingIn(nft, exposed)))
  return [...found, ...missing]
}

function waitingIn(nft: Nftables, exposed: Exposed): ReadonlySet<PortMapping> {
  const own = ownerKey(exposed.owner)
  const others = holdersOf(nft, exposed).filter(({ entry }) => {
    const tag = parseTag(entry.element.comment ?? '')
    return tag.key !== own && isOfContainer(tag, exposed.owner.containerId)
  })
  return new Set(others.map(({ mapping }) => mapping))
}

function differences(nft: Nftables, exposed: Exposed): string[] {
  const found: string[] = []
  for (const { conditions: chain, mappings } of exposed.families) {
    if (chain === undefined || mappings.length === 0) continue
    const name = { ...HOST_PORTS.name, chain }
    const rules = nft.chain(name)?.comment.split(' ')[0]
    if (nft.rules(name).length !== Number(rules)) found.push(`chain ${chain} has lost rules`)
  }
  const own = ownerKey(exposed.owner)
  const wanted = exposedEntries(exposed)
  const present = new Map(findEntries(nft, HOST_PORTS, wanted).map((entry) => [entryKey(entry), entry]))
  for (const entry of wanted) {
    const { set, element, shared } = entry
    const there = present.get(entryKey(entry))?.element
    const what = `${HOST_PORTS.name.table} ${set}`
    if (there === undefined) found.push(`${what} has lost an element of this container`)
    else if (shared !== true && parseTag(there.comment ?? '').key !== own) {
      found.push(`${what}: ${parseTag(there.comment ?? '').text} has taken the place of this container`)
    } else if (!sameBytes(there.value, element.value)) found.push(`${what} leads elsewhere`)
  }
  return found
}

/** Keys of the network's attachments in the table that are not kept: for GC. */
export function stalePorts(nft: Nftables, network: string, keep: ReadonlySet<string>): string[] {
  const tag = networkTag(network)
  const stale = scanEntries(nft, HOST_PORTS, (found) => found.network === tag && !keep.has(found.key))
  return [
    ...new Set(stale.filter(({ set }) => set !== GUARDED).map(({ element }) => parseTag(element.comment ?? '').key)),
  ]
}

/** The interfaces under guard, on which route_localnet is ours. */
export function guardedLinks(nft: Nftables): string[] {
  return nft.elements({ ...HOST_PORTS.name, set: GUARDED }).map(({ key }) => {
    let name = ''
    for (const byte of key) if (byte !== 0) name += String.fromCharCode(byte)
    return name
  })
}

/** Ends the guard of interfaces that are gone. */
export function unguardGone(nft: Nftables, linkExists: (name: string) => boolean): void {
  const gone = guardedLinks(nft).filter((link) => !linkExists(link))
  if (gone.length === 0) return
  settle('end guards', () => {
    const generation = nft.generation()
    const doomed = gone.flatMap((link) => under(nft, [GUARDED], nameBytes(link)))
    return doomed.length === 0 || nft.commit(deleteEntries(HOST_PORTS, doomed), generation)
  })
}

export function isGuarded(nft: Nftables, link: string): boolean {
  return nft.element({ ...HOST_PORTS.name, set: GUARDED }, nameBytes(link)) !== undefined
}
