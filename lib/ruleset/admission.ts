/**
 * Admission of a container's traffic where others drop it. An accept in a table of ours cannot override a drop
 * elsewhere, so accepting rules go into each foreign forward chain that drops what it does not know: into iptables' own in
 * forms that iptables-nft lists and deletes (and that the reference knows), into others in nft's.
 */

import { formatAddress, type IpAddress } from '../ip/address.js'
import { hostPrefix } from '../ip/prefix.js'
import type { Message, Request } from '../netlink/message.js'
import { addChain, type Chain, type ChainName, isForwardChain } from '../netlink/nftables/chain.js'
import { CT_STATE, compare, counter, type Expression, verdict, xtMatch } from '../netlink/nftables/expression.js'
import type { Nftables } from '../netlink/nftables/nftables.js'
import { addRule, deleteRule, isRule, type Rule, readRule } from '../netlink/nftables/rule.js'
import { encodeUtf8 } from '../sys/text.js'
import { addressIn, isDestinationRewritten, isFamily, isState, loadAddress } from './match.js'
import { type Owner, ownerKey, parseTag, tagOf } from './owner.js'
import { acceptedAddress, endsInRefusal, matchComment, rulesLeadingTo } from './reference-iptables.js'
import { settle } from './settle.js'

/** A rule of ours in a chain of someone else, as a record keeps it. */
export interface Placed extends ChainName {
  readonly handle: number
}

const OUR_TABLES = 'flatnet-'
const CNI_FORWARD = 'CNI-FORWARD'
const JUMP_COMMENT = 'CNI firewall plugin rules'
const ADMIN_COMMENT = 'CNI firewall plugin admin overrides'

/**
 * Forward chains that drop what they do not know, by their policy or by their last rule. Tables of ours have none, and
 * tables named `except` are left out.
 */
export function droppingChains(nft: Nftables, except?: string): ChainName[] {
  const found: ChainName[] = []
  const chains = nft.chains()
  for (const family of ['ip', 'ip6', 'inet'] as const) {
    for (const chain of chains) {
      if (chain.family !== family) continue
      if (!isForwardChain(chain) || chain.table.startsWith(OUR_TABLES) || chain.table === except) continue
      const name = { family, table: chain.table, chain: chain.name }
      if (chain.base?.policy === 'drop' || (chain.use > 0 && endsInRefusal(nft.rules(name)))) found.push(name)
    }
  }
  return found
}

function isIptables({ family, table, chain }: ChainName): boolean {
  return family !== 'inet' && table === 'filter' && chain === 'FORWARD'
}

/**
 * Places accepting rules for the addresses wherever they are needed, but in tables named `except`. Returns where, for the
 * record.
 */
export function admit(
  nft: Nftables,
  owner: Owner,
  addresses: readonly IpAddress[],
  adminChain: string,
  except?: string,
): Placed[] {
  let placed: Placed[] = []
  settle('admit the container', () => {
    placed = []
    const generation = nft.generation()
    const requests: Request[] = []
    const targets: ChainName[] = []
    for (const chain of droppingChains(nft, except)) {
      const own = addresses.filter(
        ({ family }) => chain.family === 'inet' || chain.family === (family === 4 ? 'ip' : 'ip6'),
      )
      if (own.length === 0) continue
      const target = isIptables(chain) ? { ...chain, chain: CNI_FORWARD } : chain
      if (isIptables(chain)) requests.push(...ensureForward(nft, chain, adminChain))
      for (const address of own) {
        const rules = rulesFor(chain, owner, address)
        const options = isIptables(chain) ? { echo: true } : { echo: true, first: true, comment: tagOf(owner) }
        for (const rule of rules) {
          requests.push(addRule(target, rule, options))
          targets.push(target)
        }
      }
    }
    if (requests.length === 0) return true
    const handles: number[] = []
    const done = nft.commit(requests, generation, (message: Message) => {
      // The new generation is told too.
      if (isRule(message)) handles.push(readRule(message).handle)
    })
    placed = targets.map((target, at) => ({ ...target, handle: handles[at] ?? 0 }))
    return done
  })
  return placed
}

/** CNI-FORWARD and the administrator's chain, with the jumps to them, as the reference makes them. */
function ensureForward(nft: Nftables, forward: ChainName, adminChain: string): Request[] {
  const ours = { ...forward, chain: CNI_FORWARD }
  const admin = { ...forward, chain: adminChain }
  const requests: Request[] = []
  if (nft.chain(ours) === undefined) requests.push(addChain(ours))
  if (nft.chain(admin) === undefined) requests.push(addChain(admin))
  if (rulesLeadingTo(nft.rules(forward), CNI_FORWARD).length === 0) {
    requests.push(addRule(forward, jump(JUMP_COMMENT, CNI_FORWARD), { first: true }))
  }
  if (rulesLeadingTo(nft.rules(ours), adminChain).length === 0) {
    requests.push(addRule(ours, jump(ADMIN_COMMENT, adminChain), { first: true }))
  }
  return requests
}

function jump(comment: string, chain: string): Expression[] {
  return [xtComment(comment), counter(), verdict({ kind: 'jump', chain })]
}

/** struct xt_comment_info: 256 bytes of text. */
function xtComment(comment: string): Expression {
  const info = new Uint8Array(256)
  info.set(encodeUtf8(comment).subarray(0, 255))
  return xtMatch('comment', 0, info)
}

/** XT_CONNTRACK_STATE_ of linux/netfilter/xt_conntrack.h: ESTABLISHED, RELATED, and that the destination was rewritten. */
const WANTED_STATES = 2 | 4 | 128

/** `-m conntrack --ctstate RELATED,ESTABLISHED,DNAT`: struct xt_conntrack_mtinfo3 with XT_CONNTRACK_STATE. */
function xtWanted(): Expression {
  const info = new Uint8Array(168)
  const view = new DataView(info.buffer)
  view.setUint16(146, 1, true)
  view.setUint16(150, WANTED_STATES, true)
  return xtMatch('conntrack', 3, info)
}

function rulesFor(chain: ChainName, owner: Owner, address: IpAddress): Expression[][] {
  return isIptables(chain) ? iptablesRules(owner, address) : nftRules(chain, address)
}

/** What the container sends; answers to it, and connections that were translated to it: host ports, services. */
function iptablesRules(owner: Owner, address: IpAddress): Expression[][] {
  const end = [xtComment(tagOf(owner)), counter(), verdict({ kind: 'accept' })]
  return [
    [loadAddress(address.family, 'destination'), compare(address.bytes), xtWanted(), ...end],
    [loadAddress(address.family, 'source'), compare(address.bytes), ...end],
  ]
}

/** The same. */
function nftRules({ family }: ChainName, address: IpAddress): Expression[][] {
  const start = family === 'inet' ? isFamily(address.family) : []
  const end = [counter(), verdict({ kind: 'accept' })]
  const prefix = hostPrefix(address)
  const isForIt = [...start, ...addressIn('destination', prefix)]
  return [
    [...isForIt, ...isState(CT_STATE.established | CT_STATE.related), ...end],
    [...isForIt, ...isDestinationRewritten(), ...end],
    [...start, ...addressIn('source', prefix), ...end],
  ]
}

function keyOf(rule: Rule): string {
  return parseTag(rule.comment !== '' ? rule.comment : matchComment(rule)).key
}

/** Removes what `admit` placed, and nothing else. Rules that were rewritten since are found by their comment. */
export function dismiss(nft: Nftables, key: string, placed: readonly Placed[] | undefined): void {
  settle('dismiss the container', () => {
    const generation = nft.generation()
    const doomed: Request[] = []
    const seen = new Set<string>()
    for (const { handle, ...chain } of placed ?? everywhere(nft)) {
      const name = `${chain.family} ${chain.table} ${chain.chain}`
      if (seen.has(name)) continue
      const rule = handle === 0 ? undefined : nft.rule(chain, handle)
      if (rule !== undefined && keyOf(rule) === key) doomed.push(deleteRule(chain, handle))
      else {
        seen.add(name)
        for (const found of nft.rules(chain)) if (keyOf(found) === key) doomed.push(deleteRule(chain, found.handle))
      }
    }
    return doomed.length === 0 || nft.commit(unique(doomed), generation)
  })
}

/** The same rule by its handle and by its comment is one. */
function unique(requests: readonly Request[]): Request[] {
  return [...new Map(requests.map((request) => [request.about(String), request])).values()]
}

/** Every chain that may hold rules of ours. */
function everywhere(nft: Nftables): Placed[] {
  return (['ip', 'ip6', 'inet'] as const).flatMap((family) =>
    nft
      .chains(family)
      .filter((chain: Chain) => isForwardChain(chain) || chain.name === CNI_FORWARD)
      .map(({ table, name }) => ({ family, table, chain: name, handle: 0 })),
  )
}

/** What the reference left in CNI-FORWARD for these addresses: its rules bear no comment. */
export function dismissReference(nft: Nftables, addresses: readonly IpAddress[]): void {
  for (const family of ['ip', 'ip6'] as const) {
    const chain = { family, table: 'filter', chain: CNI_FORWARD } as const
    const wanted = new Set(addresses.filter((one) => (one.family === 4) === (family === 'ip')).map(formatAddress))
    if (wanted.size === 0) continue
    settle('clean CNI-FORWARD', () => {
      const generation = nft.generation()
      const doomed = nft.rules(chain).filter((rule) => {
        const address = keyOf(rule) === '' ? acceptedAddress(rule) : undefined
        return address !== undefined && wanted.has(formatAddress(address))
      })
      return (
        doomed.length === 0 ||
        nft.commit(
          doomed.map(({ handle }) => deleteRule(chain, handle)),
          generation,
        )
      )
    })
  }
}

/** What CHECK finds amiss: chains that drop and do not let the container pass. */
export function checkAdmission(
  nft: Nftables,
  owner: Owner,
  addresses: readonly IpAddress[],
  except?: string,
): string[] {
  const key = ownerKey(owner)
  const found: string[] = []
  for (const chain of droppingChains(nft, except)) {
    const own = addresses.filter(
      ({ family }) => chain.family === 'inet' || chain.family === (family === 4 ? 'ip' : 'ip6'),
    )
    if (own.length === 0) continue
    const target = isIptables(chain) ? { ...chain, chain: CNI_FORWARD } : chain
    const rules = nft.rules(target).filter((rule) => keyOf(rule) === key).length
    const wanted = own.reduce((count, address) => count + rulesFor(chain, owner, address).length, 0)
    const name = `table ${chain.family} ${chain.table} chain ${chain.chain}`
    if (rules < wanted) found.push(`${name}, which drops, lacks rules that let the container's traffic pass`)
    else if (isIptables(chain) && rulesLeadingTo(nft.rules(chain), CNI_FORWARD).length === 0) {
      found.push(`${name} does not lead to ${CNI_FORWARD}`)
    }
  }
  return found
}
