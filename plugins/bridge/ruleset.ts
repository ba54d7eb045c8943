/** What the attachment has in the ruleset: masquerading (ipMasq) and the check for forged MACs (macspoofchk). */

import { podName } from '../../lib/cni/args.js'
import type { AddRequest } from '../../lib/cni/request.js'
import { formatAddress, type IpAddress, parseAddress } from '../../lib/ip/address.js'
import { formatPrefix, type Prefix, parsePrefix } from '../../lib/ip/prefix.js'
import { readExcluded } from '../../lib/nodes/exclusions.js'
import { nameLegacyLeftovers } from '../../lib/ruleset/legacy-iptables.js'
import { checkMac, type GuardedMac, guardMac, MAC_GUARD, staleMacs, unguardMac } from '../../lib/ruleset/mac-guard.js'
import { checkMasquerade, masquerade, staleMasquerades, unmasquerade } from '../../lib/ruleset/masquerade.js'
import { MASQUERADE, type Masqueraded, type MasqueradeSettings } from '../../lib/ruleset/masquerade-table.js'
import { type Owner, ownerKey } from '../../lib/ruleset/owner.js'
import { removeReferenceMacs, removeReferenceMasquerade } from '../../lib/ruleset/reference-bridge.js'
import { requireTables, withRuleset, withRulesetIfAny } from '../../lib/ruleset/settle.js'
import { attachmentKey, listReady } from '../../lib/store/record.js'
import { sha512Hex } from '../../lib/sys/text.js'
import { type Attached, PLUGIN, SHAPE } from './attached.js'
import type { BridgeConfig, Settings } from './config.js'

/** In a record: what JSON has words for. */
export interface RecordedRules {
  readonly masquerade?: {
    readonly exclude: readonly string[]
    readonly fullyRandom: boolean
    readonly to: readonly string[]
  }
  /** The MAC that frames must come from. */
  readonly mac?: string
  readonly pod?: string
}

/** What the settings ask for; undefined where that is nothing. */
export function plannedRules(
  { args }: AddRequest<BridgeConfig>,
  { masquerade: asked, checksMac, ipam }: Settings,
  mac: string,
): RecordedRules | undefined {
  const isMasqueraded = asked !== undefined && ipam !== undefined
  if (!isMasqueraded && !checksMac) return undefined
  const pod = podName(args)
  return {
    ...(isMasqueraded ? { masquerade: recorded(asked) } : {}),
    ...(checksMac ? { mac } : {}),
    ...(pod === '' ? {} : { pod }),
  }
}

function recorded({ exclude, fullyRandom, to }: MasqueradeSettings): NonNullable<RecordedRules['masquerade']> {
  return { exclude: exclude.map(formatPrefix), fullyRandom, to: to.map(formatAddress) }
}

type Whose = Pick<Owner, 'network' | 'containerId' | 'ifName'>

/** An attachment's parts of the tables, from its record. */
function partsOf(whose: Whose, { rules, hostLink, addresses }: Attached): { masq?: Masqueraded; mac?: GuardedMac } {
  if (rules === undefined) return {}
  const owner: Owner = { ...whose, link: hostLink, ...(rules.pod === undefined ? {} : { pod: rules.pod }) }
  const asked = rules.masquerade
  const settings = asked && {
    exclude: asked.exclude.map((text) => parsePrefix(text)).filter((prefix): prefix is Prefix => prefix !== undefined),
    fullyRandom: asked.fullyRandom,
    to: asked.to.map(parseAddress).filter((address): address is IpAddress => address !== undefined),
  }
  const prefixes = addresses.map((text) => parsePrefix(text)).filter((one): one is Prefix => one !== undefined)
  return {
    ...(settings === undefined ? {} : { masq: { owner, addresses: prefixes, settings } }),
    ...(rules.mac === undefined ? {} : { mac: { owner, link: hostLink, mac: rules.mac } }),
  }
}

/** Puts the attachment into the ruleset; what a flush by someone else took from the others comes back with it. */
export function addRules(request: Whose, attached: Attached, stateDir: string): void {
  const { masq, mac } = partsOf(request, attached)
  if (masq === undefined && mac === undefined) return
  withRuleset((nft) => {
    if (mac !== undefined) {
      let restored: readonly GuardedMac[] = []
      guardMac(nft, mac, () => {
        restored = others(stateDir).flatMap((one) => one.mac ?? [])
        return restored
      })
      for (const one of gone(stateDir, restored)) unguardMac(nft, ownerKey(one.owner), one)
    }
    if (masq === undefined) return
    let restored: readonly Masqueraded[] = []
    masquerade(nft, masq, {
      others: () => {
        restored = others(stateDir).flatMap((one) => one.masq ?? [])
        return restored
      },
      excluded: (network) => readExcluded(stateDir, network),
    })
    for (const { owner, addresses } of gone(stateDir, restored)) {
      unmasquerade(
        nft,
        ownerKey(owner),
        addresses.map(({ address }) => address),
      )
    }
  })
}

/** Of those that came back with a table made anew, whom a DEL has begun to remove since: it may have looked before. */
function gone<T extends { readonly owner: Owner }>(stateDir: string, restored: readonly T[]): T[] {
  if (restored.length === 0) return []
  const present = new Set(others(stateDir).map(({ key }) => key))
  return restored.filter(({ owner }) => !present.has(ownerKey(owner)))
}

function others(stateDir: string): (ReturnType<typeof partsOf> & { readonly key: string })[] {
  return listReady<Attached>(stateDir, PLUGIN, SHAPE).map(({ key, content, ...whose }) => ({
    key,
    ...partsOf(whose, content),
  }))
}

/** Takes it out again, and nothing of anyone who has its addresses by now. */
export function removeRules(whose: Whose, attached: Attached): void {
  const { rules, addresses } = attached
  if (rules === undefined) return
  const key = attachmentKey(whose.network, whose.containerId, whose.ifName)
  const { masq, mac } = partsOf(whose, attached)
  withRuleset((nft) => {
    if (mac !== undefined) unguardMac(nft, key, mac)
    // Before the record has addresses nothing is masqueraded.
    if (masq === undefined || addresses.length === 0) return
    // Without all of them, as in a record that is not of our writing, the table is searched.
    const isLegible = masq.addresses.length === addresses.length
    unmasquerade(nft, key, isLegible ? masq.addresses.map(({ address }) => address) : undefined)
  })
}

/** For an attachment without a record: the reference's, or one whose record is lost. */
export function removeUnrecordedRules(whose: Whose, config: Partial<BridgeConfig>): void {
  const key = attachmentKey(whose.network, whose.containerId, whose.ifName)
  const masks = config.ipMasq !== undefined && config.ipMasq !== false
  if (!masks && config.macspoofchk !== true) return
  withRulesetIfAny((nft) => {
    if (masks) {
      unmasquerade(nft, key)
      removeReferenceMasquerade(nft, whose)
    }
    if (config.macspoofchk === true) {
      unguardMac(nft, key)
      removeReferenceMacs(nft, whose)
    }
  })
  if (masks) nameLegacyLeftovers('nat', `CNI-${sha512Hex(whose.network + whose.containerId).slice(0, 24)}`)
}

/** What CHECK finds amiss. */
export function checkRules(request: Whose, attached: Attached): string[] {
  const { masq, mac } = partsOf(request, attached)
  if (masq === undefined && mac === undefined) return []
  return withRuleset((nft) => [
    ...(masq === undefined ? [] : checkMasquerade(nft, masq)),
    ...(mac === undefined ? [] : checkMac(nft, mac)),
  ])
}

/** GC: attachments in the tables that are neither valid nor recorded. */
export function collectRules(
  network: string,
  keep: ReadonlySet<string>,
  attempt: (what: string, action: () => void) => void,
): void {
  withRulesetIfAny((nft) => {
    for (const key of staleMasquerades(nft, network, keep)) {
      attempt('cannot end masquerading', () => unmasquerade(nft, key))
    }
    for (const key of staleMacs(nft, network, keep)) attempt('cannot end a MAC check', () => unguardMac(nft, key))
  })
}

/** STATUS: what the kernel lacks, before a pod fails for it. */
export function requireRules({ masquerade: asked, checksMac }: Settings): void {
  const tables = [...(asked === undefined ? [] : [MASQUERADE]), ...(checksMac ? [MAC_GUARD] : [])]
  if (tables.length > 0) requireTables(tables)
}
