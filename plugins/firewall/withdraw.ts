/** Takes back what ADD did for an attachment. */

import { type IpAddress, parseAddress } from '../../lib/ip/address.js'
import type { Nftables } from '../../lib/netlink/nftables/nftables.js'
import { dismiss } from '../../lib/ruleset/admission.js'
import { unpolice } from '../../lib/ruleset/ingress-policy.js'
import type { Admitted } from './config.js'
import { removeSource } from './firewalld.js'

export function addressesOf({ addresses }: Admitted): IpAddress[] {
  return addresses.map(parseAddress).filter((address): address is IpAddress => address !== undefined)
}

export function withdraw(nft: Nftables, key: string, admitted: Admitted): void {
  const addresses = addressesOf(admitted)
  const { zone, placed, policy } = admitted
  if (zone !== undefined) removeSource(zone, addresses)
  else dismiss(nft, key, placed)
  if (policy !== undefined) unpolice(nft, key, addresses)
}
