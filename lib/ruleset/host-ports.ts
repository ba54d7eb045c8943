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
  type PortMapping,
  portKey,
  portSet,
  SOURCE_SETS,
  setBehind,
} from './host-ports-table.js'
import { joined, nameBytes, sameBytes } from './key.js'
import { networkTag, ownerKey, parseTag, type Tag } from './owner.js'
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
}

/** Maps an attachment's ports. Throws code 104 where another container that lives holds one of them. */
export function exposePorts(nft: Nftables, exposed: Exposed, options: ExposeOptions): void {
  const { conditions = new Map(), others, guard } = options
  const entries = [...exposedEntries(exposed), ...(guard === undefined ? [] : [guardEntry(guard, exposed.owner)])]
  // An address of its own does not collide with the wildcard in any set, so it must be asked for.
  let careful =
    conditions.size > 0 ||
    exposed.families.some(({ mappings }) => mappings.some((one) => one.hostAddress !== undefined))
  settle('map ports', () => {
    const generation = nft.generation()
    if (!isWhole(nft, HOST_PORTS)) {
      const known = others?.() ?? { exposed: [], conditions: new Map() }
      const all = known.exposed.filter((one) => ownerKey(one.owner) !== ownerKey(exposed.owner))
      const everything = all.flatMap((one) => [...exposedEntries(one), ...guardOf(one)])
      refuseTakenAmong(everything, exposed, options.linkExists)
      const chains = new Map([...known.conditions, ...conditions])
      const extras = [...chains].flatMap(([chain, one]) => buildConditions(chain, one))
      return rebuild(nft, HOST_PORTS, generation, extras, [...everything, ...entries])
    }
    if (!careful) {
      try {
        return nft.commit(addEntries(HOST_PORTS, entries))
      } catch (error) {
        if (!isErrno(error, 'EEXIST', 'ENOENT')) throw error
        careful = true
        return false
      }
    }
    const own = ownerKey(exposed.owner)
    const doomed = new Map<string, Entry>()
    for (const entry of holdersOf(nft, exposed)) {
      const tag = parseTag(entry.element.comment ?? '')
      if (tag.key !== own && (tag.link === '' || options.linkExists(tag.link))) throw taken(entry, exposed, tag)
      doomed.set(entryKey(entry), entry)
    }
    const inPlace = [...entries.filter(({ set }) => set !== GUARDED), ...otherModes(exposed)]
    for (const entry of withBehind(nft, findEntries(nft, HOST_PORTS, inPlace))) {
      if (entry.set.startsWith('claimed') && isNeeded(nft, entry, doomed)) continue
      doomed.set(entryKey(entry), entry)
    }
    const missing = [...conditions].filter(([chain]) => nft.chain({ ...HOST_PORTS.name, chain }) === undefined)
    const stays = [...conditions.keys()]
    const requests = [
      ...removing(nft, [...doomed.values()], { keepTable: true, ...(stays[0] === undefined ? {} : { keep: stays }) }),
      ...missing.flatMap(([chain, one]) => buildConditions(chain, one)),
      ...addEntries(
        HOST_PORTS,
        entries.map((entry) => (entry.set.startsWith('claimed') ? { ...entry, shared: true } : entry)),
      ),
    ]
    return nft.commit(requests, generation)
  })
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

/** Elements of others that stand in the way of a mapping: the same port, where one of the two is on every address. */
function holdersOf(nft: Nftables, { families }: Exposed): Entry[] {
  const found: Entry[] = []
  for (const { address, mappings } of families) {
    const { family } = address
    const asked = new Set<string>()
    for (const mapping of mappings) {
      const key = portKey(mapping)
      const id = `${key.join('.')} ${mapping.hostAddress?.bytes.join('.')}`
      if (asked.has(id)) continue
      asked.add(id)
      if (nft.element({ ...HOST_PORTS.name, set: portSet('claimed', family) }, key) === undefined) continue
      found.push(...onPort(nft, family, mapping))
    }
  }
  return found
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
  for (const { conditions: chain } of exposed.families) {
    if (chain === undefined) continue
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
