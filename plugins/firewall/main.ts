/**
 * firewall: admits the container's traffic where a forward chain drops it, and keeps bridges or containers apart.
 * https://www.cni.dev/plugins/current/meta/firewall/
 */

import { defineChained } from '../../lib/attachment/chained.js'
import type { StatusRequest } from '../../lib/cni/request.js'
import type { Nftables } from '../../lib/netlink/nftables/nftables.js'
import { INGRESS, stalePolicies } from '../../lib/ruleset/ingress-policy.js'
import { requireTables, withRuleset, withRulesetIfAny } from '../../lib/ruleset/settle.js'
import { apply } from './apply.js'
import { schema } from './config.generated.js'
import { type FirewallConfig, type Settings, settingsOf } from './config.js'
import { differences } from './differences.js'
import { type Admitted, PLUGIN, SHAPE } from './record.js'
import { type Wanted, wantedAdmission } from './wanted.js'
import { withdraw, withdrawKey, withdrawUnrecorded } from './withdraw.js'

export const { main } = defineChained<FirewallConfig, Settings, Wanted, Admitted, Nftables>({
  name: PLUGIN,
  schema,
  settings: settingsOf,
  using: withRuleset,
  usingIfAny: withRulesetIfAny,
  wanted: (_nft, request, settings, previous) => wantedAdmission(request, settings, previous),
  record: ({ planned }) => planned,
  shape: SHAPE,
  apply,
  withdraw,
  withdrawKey,
  withdrawUnrecorded,
  stale: stalePolicies,
  differences: (nft, _at, wanted) => differences(nft, wanted),
  subject: ({ containerId }) => ({ what: `the rules that admit ${containerId} are` }),
  status,
})

function status({ config }: StatusRequest<FirewallConfig>): void {
  const { policy } = settingsOf(config)
  requireTables(policy === undefined ? [] : [INGRESS])
}
