/**
 * Chains that addresses lead to: a set of addresses a family, and a rule that looks in it. Whose an address is, a map of
 * verdicts says that no rule looks at (lib/ruleset/skeleton).
 */

import type { Family } from '../ip/address.js'
import type { Request } from '../netlink/message.js'
import type { ChainName } from '../netlink/nftables/chain.js'
import { lookup, verdict } from '../netlink/nftables/expression.js'
import type { Nftables } from '../netlink/nftables/nftables.js'
import { addRule, deleteRule, type Rule } from '../netlink/nftables/rule.js'
import { addSet, deleteSet, type SetName } from '../netlink/nftables/set.js'
import { type Companions, type Entry, entryKey, findEntries } from './entries.js'
import { isFamily, loadAddress, type Side } from './match.js'
import type { Skeleton } from './skeleton.js'

const FAMILIES = [4, 6] as const
const ADDRESS = { 4: 'ipv4_addr', 6: 'ipv6_addr' } as const

/** How many rules lead to such a chain. */
export const LEADING_RULES = FAMILIES.length

function leadingSet(chain: string, family: Family): string {
  return `${chain}-${family}`
}

/** Both families' sets of addresses that lead to the chain. */
export function leadingSets(chain: string): string[] {
  return FAMILIES.map((family) => leadingSet(chain, family))
}

/** The set's element for an address that leads to the chain. */
export function leadingEntry(chain: string, key: Uint8Array): Entry {
  return { set: leadingSet(chain, key.length === 4 ? 4 : 6), element: { key }, shared: true }
}

/** What comes and goes with the owner's entries of addresses. */
export function leadingEntries(owned: readonly Entry[]): Entry[] {
  return owned.flatMap(({ element: { key, verdict: to } }) =>
    to?.kind === 'goto' ? [leadingEntry(to.chain, key)] : [],
  )
}

/**
 * The elements of an attachment's addresses that its own entries no longer tell of, because another program has emptied
 * the maps. An address that a map has is somebody's.
 */
export function strayEntries(
  nft: Nftables,
  skeleton: Skeleton,
  asked: readonly Entry[],
  found: readonly Entry[],
): Entry[] {
  const known = new Set(found.map(entryKey))
  const lost = asked.filter((entry) => !known.has(entryKey(entry)))
  if (lost.length === 0) return []
  const { family, table } = skeleton.name
  const chains = nft.chains(family).filter((one) => one.table === table && skeleton.chains[one.name] === undefined)
  const leading = chains.flatMap(({ name }) => lost.map(({ element }) => leadingEntry(name, element.key)))
  return findEntries(nft, skeleton, leading)
}

/** The sets, and the rules in the chain `from` that send packets with such a source or destination to `chain`. */
export function lead(from: ChainName, side: Side, chain: string): Request[] {
  return FAMILIES.flatMap((family) => {
    const set = leadingSet(chain, family)
    const asked = [...isFamily(family), loadAddress(family, side), lookup(set)]
    return [
      addSet({ ...from, set }, { key: [ADDRESS[family]] }),
      addRule(from, [...asked, verdict({ kind: 'goto', chain })], { comment: chain }),
    ]
  })
}

/** The rules in `from` that lead to the chain. */
function rulesLeading(nft: Nftables, from: ChainName, chain: string): Rule[] {
  return nft.rules(from).filter(({ comment }) => comment === chain)
}

/** What CHECK finds amiss with such a chain, as words: its comment says how many rules it has and lead to it. */
export function chainDamage(nft: Nftables, from: ChainName, chain: string): string[] {
  const { family, table } = from
  const found = nft.chain({ ...from, chain })
  if (found === undefined) return [`chain ${family} ${table} ${chain} is missing`]
  const rules = nft.rules({ ...from, chain }).length + rulesLeading(nft, from, chain).length
  return rules === Number(found.comment.split(' ')[0]) ? [] : [`chain ${family} ${table} ${chain} has lost rules`]
}

/** The end of `lead`, around the end of the chain. */
export function unlead(nft: Nftables, from: ChainName, chain: string): Required<Companions> {
  const sets = FAMILIES.map((family): SetName => ({ ...from, set: leadingSet(chain, family) })).filter(
    (set) => nft.setHandle(set) !== undefined,
  )
  return {
    before: rulesLeading(nft, from, chain).map(({ handle }) => deleteRule(from, handle)),
    after: sets.map(deleteSet),
    objects: sets.length,
  }
}
