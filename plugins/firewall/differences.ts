/** CHECK: nothing that drops forwarded packets has lost the rules that admit the container. */

import type { Nftables } from '../../lib/netlink/nftables/nftables.js'
import { checkAdmission } from '../../lib/ruleset/admission.js'
import { checkPolicy } from '../../lib/ruleset/ingress-policy.js'
import { FIREWALLD_TABLE, hasSource } from './firewalld.js'
import type { Wanted } from './wanted.js'

export function differences(nft: Nftables, { owner, addresses, planned: { zone, bridge, policy } }: Wanted): string[] {
  return [
    ...(zone === undefined ? [] : hasSource(zone, addresses)),
    ...checkAdmission(nft, owner, addresses, zone === undefined ? undefined : FIREWALLD_TABLE),
    ...(policy === undefined || bridge === undefined ? [] : checkPolicy(nft, { owner, addresses, bridge, policy })),
  ]
}
