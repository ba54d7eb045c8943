/** The record of an attachment: what was done for it, and where. */

import { type IpAddress, parseAddress } from '../../lib/ip/address.js'
import type { Placed } from '../../lib/ruleset/admission.js'
import type { Policy } from '../../lib/ruleset/ingress-policy.js'
import type { Shape } from '../../lib/store/shape.js'

export const PLUGIN = 'firewall'

export interface Admitted {
  readonly addresses: readonly string[]
  /** Absent until they are placed: then they are found by their comment. */
  readonly placed?: readonly Placed[]
  /** Of firewalld. */
  readonly zone?: string
  readonly bridge?: string
  readonly policy?: Policy
  readonly pod?: string
  readonly link?: string
}

export const SHAPE: Shape = {
  addresses: ['string'],
  'placed?': [{ family: 'string', table: 'string', chain: 'string', handle: 'number' }],
  'zone?': 'string',
  'bridge?': 'string',
  'policy?': 'string',
  'pod?': 'string',
  'link?': 'string',
}

export function addressesOf({ addresses }: Admitted): IpAddress[] {
  return addresses.map(parseAddress).filter((address): address is IpAddress => address !== undefined)
}
