/** What the attachment has in the ruleset: masquerading (ipMasq) and the check for forged MACs (macspoofchk). */

import { recall } from '../attachment/recall.js'
import { stateDirOf } from '../attachment/state-dir.js'
import { podName } from '../cni/args.js'
import type { NetworkConfig } from '../cni/config.js'
import type { AddRequest } from '../cni/request.js'
import { formatAddress, type IpAddress, parseAddress } from '../ip/address.js'
import { formatPrefix, type Prefix, parsePrefix } from '../ip/prefix.js'
import { readExcluded } from '../nodes/exclusions.js'
import { nameLegacyLeftovers } from '../ruleset/legacy-iptables.js'
import { checkMac, type GuardedMac, guardMac, MAC_GUARD, staleMacs, unguardMac } from '../ruleset/mac-guard.js'
import { checkMasquerade, masquerade, staleMasquerades, unmasquerade } from '../ruleset/masquerade.js'
import { MASQUERADE, type Masqueraded, type MasqueradeSettings } from '../ruleset/masquerade-table.js'
import { type Owner, ownerKey } from '../ruleset/owner.js'
import { removeReferenceMacs, removeReferenceMasquerade } from '../ruleset/reference-bridge.js'
import { requireTables, withRuleset, withRulesetIfAny } from '../ruleset/settle.js'
import { attachmentKey, listReady } from '../store/record.js'
import { sha512Hex } from '../sys/text.js'
import { type Attached, PAIRING, type RecordedRules, SHAPE } from './record.js'
import type { InterfaceSettings, MasqueradeConfig } from './settings.js'

/** What the settings ask for; undefined where that is nothing. */
export function plannedRules(
  { args }: AddRequest<NetworkConfig>,
  { masquerade: asked, checksMac, ipam }: InterfaceSettings,
  mac: string,
): RecordedRules | undefined {
  const isMasqueraded = asked !== undefined && ipam !== undefined
  if (!isMasqueraded && checksMac !== true) return undefined
  const pod = podName(args)
  return {
    ...(isMasqueraded ? { masquerade: asRecorded(asked) } : {}),
    ...(checksMac === true ? { mac } : {}),
    ...(pod === '' ? {} : { pod }),
  }
}

function asRecorded({ exclude, fullyRandom, to }: MasqueradeSettings): NonNullable<RecordedRules['masquerade']> {
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
export function addRules(request: Whose & Pick<AddRequest<NetworkConfig>, 'config'>, attached: Attached): void {
  const { masq, mac } = partsOf(request, attached)
  if (masq === undefined && mac === undefined) return
  const stateDir = stateDirOf(request.config)
  withRuleset((nft) => {
    if (mac !== undefined) {
      const { others, gone } = recall(() => recorded(stateDir).flatMap((one) => one.mac ?? []))
      guardMac(nft, mac, others)
      for (const one of gone()) unguardMac(nft, ownerKey(one.owner), one)
    }
    if (masq === undefined) return
    const { others, gone } = recall(() => recorded(stateDir).flatMap((one) => one.masq ?? []))
    masquerade(nft, masq, { others, excluded: (network) => readExcluded(stateDir, network) })
    for (const { owner, addresses } of gone()) {
      unmasquerade(
        nft,
        ownerKey(owner),
        addresses.map(({ address }) => address),
      )
    }
  })
}

/** What all attachments of this node have in the tables, of whatever plugin. */
function recorded(stateDir: string): ReturnType<typeof partsOf>[] {
  return PAIRING.flatMap((plugin) =>
    listReady<Attached>(stateDir, plugin, SHAPE).map(({ content, ...whose }) => partsOf(whose, content)),
  )
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

/** The keys that ask for rules. */
type RulesConfig = Pick<MasqueradeConfig, 'ipMasq'> & { readonly macspoofchk?: boolean }

/** For an attachment without a record: the reference's, or one whose record is lost. */
export function removeUnrecordedRules(whose: Whose & { readonly config: object }): void {
  const config = whose.config as RulesConfig
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
  known: () => ReadonlySet<string>,
  attempt: (what: string, action: () => void) => void,
): void {
  withRulesetIfAny((nft) => {
    const [masqueraded, guarded] = [staleMasquerades(nft, network, NONE), staleMacs(nft, network, NONE)]
    // The records are read after the tables: what an ADD has put there meanwhile has one.
    const keep = masqueraded.length + guarded.length === 0 ? NONE : known()
    for (const key of masqueraded) {
      if (!keep.has(key)) attempt('cannot end masquerading', () => unmasquerade(nft, key))
    }
    for (const key of guarded) if (!keep.has(key)) attempt('cannot end a MAC check', () => unguardMac(nft, key))
  })
}

const NONE: ReadonlySet<string> = new Set()

/** STATUS: what the kernel lacks, before a pod fails for it. */
export function requireRules({ masquerade: asked, checksMac }: InterfaceSettings): void {
  const tables = [...(asked === undefined ? [] : [MASQUERADE]), ...(checksMac === true ? [MAC_GUARD] : [])]
  if (tables.length > 0) requireTables(tables)
}
