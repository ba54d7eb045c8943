/** Takes back what ADD did for an attachment. */

import type { Attachment } from '../../lib/attachment/chained.js'
import { everyAddress } from '../../lib/attachment/previous.js'
import type { DelRequest } from '../../lib/cni/request.js'
import { formatAddress, type IpAddress } from '../../lib/ip/address.js'
import type { Nftables } from '../../lib/netlink/nftables/nftables.js'
import { dismiss, dismissReference } from '../../lib/ruleset/admission.js'
import { unpolice } from '../../lib/ruleset/ingress-policy.js'
import { nameLegacyLeftovers } from '../../lib/ruleset/legacy-iptables.js'
import { withRulesetIfAny } from '../../lib/ruleset/settle.js'
import { listReady } from '../../lib/store/record.js'
import { backendOf, type FirewallConfig, zoneOf } from './config.js'
import { addSource, isRunning, removeSource } from './firewalld.js'
import { type Admitted, addressesOf, PLUGIN, SHAPE } from './record.js'

export function withdraw(nft: Nftables, { key, stateDir }: Attachment, admitted: Admitted): void {
  const addresses = addressesOf(admitted)
  if (addresses.length < admitted.addresses.length) {
    withdrawKey(nft, key) // the record is not of our writing
    return
  }
  const { zone, placed, policy } = admitted
  if (zone !== undefined) dismissSources(zone, addresses, key, stateDir)
  dismiss(nft, key, placed)
  if (policy !== undefined) unpolice(nft, key, addresses)
}

/** What is found of an attachment by its key. */
export function withdrawKey(nft: Nftables, key: string): void {
  dismiss(nft, key, undefined)
  unpolice(nft, key)
}

/** The reference's, or ours whose record is lost. */
export function withdrawUnrecorded(
  { config, prevResult }: DelRequest<FirewallConfig>,
  { key, stateDir }: Attachment,
): void {
  if (prevResult === undefined) return
  const addresses = everyAddress(prevResult)
  withRulesetIfAny((nft) => {
    withdrawKey(nft, key)
    dismissReference(nft, addresses)
  })
  // firewalld does not say whose a source is, and the reference keeps no record.
  if (addresses.length > 0 && backendOf(config) !== 'nftables' && isRunning()) {
    dismissSources(zoneOf(config), addresses, key, stateDir)
  }
  nameLegacyLeftovers('filter', 'CNI-FORWARD')
}

/**
 * Sources of a zone belong to nobody, so those stay that are another attachment's now. One that comes while we look says so
 * in its record before it asks for the source: then it is given back.
 */
export function dismissSources(zone: string, addresses: readonly IpAddress[], key: string, stateDir: string): void {
  const before = sourcesOfOthers(zone, key, stateDir)
  const own = addresses.filter((address) => !before.has(formatAddress(address)))
  if (own.length === 0) return
  removeSource(zone, own)
  const since = sourcesOfOthers(zone, key, stateDir)
  const taken = own.filter((address) => since.has(formatAddress(address)))
  if (taken.length > 0) addSource(zone, taken)
}

function sourcesOfOthers(zone: string, key: string, stateDir: string): Set<string> {
  const others = listReady<Admitted>(stateDir, PLUGIN, SHAPE).filter(
    (one) => one.key !== key && one.content.zone === zone,
  )
  return new Set(others.flatMap(({ content }) => content.addresses))
}
