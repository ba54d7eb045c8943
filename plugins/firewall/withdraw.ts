/** Takes back what ADD did for an attachment. */

import { formatAddress, type IpAddress, parseAddress } from '../../lib/ip/address.js'
import type { Nftables } from '../../lib/netlink/nftables/nftables.js'
import { dismiss } from '../../lib/ruleset/admission.js'
import { unpolice } from '../../lib/ruleset/ingress-policy.js'
import { listReady } from '../../lib/store/record.js'
import { type Admitted, PLUGIN } from './config.js'
import { addSource, removeSource } from './firewalld.js'

export function addressesOf({ addresses }: Admitted): IpAddress[] {
  return addresses.map(parseAddress).filter((address): address is IpAddress => address !== undefined)
}

export function withdraw(nft: Nftables, key: string, admitted: Admitted, stateDir: string): void {
  const addresses = addressesOf(admitted)
  const { zone, placed, policy } = admitted
  if (zone !== undefined) dismissSources(zone, addresses, key, stateDir)
  else dismiss(nft, key, placed)
  if (policy !== undefined) unpolice(nft, key, addresses)
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
  const others = listReady<Admitted>(stateDir, PLUGIN).filter((one) => one.key !== key && one.content.zone === zone)
  return new Set(others.flatMap(({ content }) => content.addresses))
}
