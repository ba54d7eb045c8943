/** CHECK: every element of the attachment is in the ruleset, and leads where it led. */

import { checkPorts } from '../../lib/ruleset/host-ports.js'
import { guardedLink } from '../../lib/ruleset/host-ports-table.js'
import type { Tools } from './tools.js'
import type { Wanted } from './wanted.js'

export function differences({ nft, host }: Tools, { exposed }: Wanted): string[] {
  const found = checkPorts(nft, exposed)
  const link = guardedLink(exposed)
  if (link !== undefined && !host.links.routesLocalnet(link)) {
    found.push(`route_localnet of ${link} is 0, so 127.0.0.1 does not lead to the container`)
  }
  return found
}
