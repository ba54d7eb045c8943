/** One condition on a packet: its source, its destination, or the interface it came in by. */

import type { IpAddress } from '../ip/address.js'
import type { Prefix } from '../ip/prefix.js'
import type { Expression } from '../netlink/nftables/expression.js'
import { addressBetween, addressIn, addressMasked, interfaceIs, type Side } from './match.js'

/** Addresses that a condition names at once. */
export type Addresses =
  | { readonly prefix: Prefix }
  /** Those that equal `address` in the bits of `mask`, which need not be the first ones. */
  | { readonly address: IpAddress; readonly mask: IpAddress }
  | { readonly first: IpAddress; readonly last: IpAddress }

export interface InterfaceName {
  readonly name: string
  /** Any name that begins so. */
  readonly isStart?: boolean
}

/** What is asked is one of the alternatives; with `not`, none of them. */
export type Condition =
  | { readonly side: Side; readonly alternatives: readonly Addresses[]; readonly not: boolean }
  | { readonly side: 'interface'; readonly alternatives: readonly InterfaceName[]; readonly not: boolean }

/** No interface can have a slash in its name. iptables writes the same where nothing may match. */
const NO_INTERFACE: InterfaceName = { name: 'INVAL/D' }

/** The condition in the steps of nf_tables, once for each alternative: a packet meets it if it meets one of them. */
export function waysToMeet(condition: Condition): Expression[][] {
  const { not } = condition
  const asked =
    condition.side === 'interface'
      ? condition.alternatives.map((one) => asksInterface(one, not))
      : condition.alternatives.map((one) => asksAddress(condition.side, one, not))
  return not ? [asked.flat()] : asked
}

function asksAddress(side: Side, addresses: Addresses, not: boolean): Expression[] {
  if ('first' in addresses) return addressBetween(side, addresses.first, addresses.last, { not })
  if ('mask' in addresses) return addressMasked(side, addresses.address, addresses.mask, { not })
  // Every address is in it, and there is no `not`: the family has been asked for already.
  if (addresses.prefix.length === 0) return []
  return addressIn(side, addresses.prefix, { not })
}

function asksInterface(name: InterfaceName, not: boolean): Expression[] {
  const isAny = name.isStart === true && name.name === ''
  if (isAny) return not ? interfaceIs('inInterface', NO_INTERFACE) : []
  return interfaceIs('inInterface', name, { not })
}
