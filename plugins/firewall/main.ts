/**
 * firewall: admits the container's traffic where a forward chain drops it, and keeps bridges or containers apart.
 * https://www.cni.dev/plugins/current/meta/firewall/
 */

import { requireStateDir, stateDirOf } from '../../lib/attachment/state-dir.js'
import { definePlugin } from '../../lib/cni/plugin.js'
import type { StatusRequest } from '../../lib/cni/request.js'
import { INGRESS } from '../../lib/ruleset/ingress-policy.js'
import { requireTables } from '../../lib/ruleset/settle.js'
import { add } from './add.js'
import { check } from './check.js'
import { schema } from './config.generated.js'
import { type FirewallConfig, settingsOf } from './config.js'
import { del, gc } from './del.js'

export const { main, delegate } = definePlugin<FirewallConfig>({
  name: 'firewall',
  schema,
  add,
  check,
  del,
  gc,
  status,
})

function status({ config }: StatusRequest<FirewallConfig>): void {
  const { policy } = settingsOf(config)
  requireStateDir(stateDirOf(config))
  requireTables(policy === undefined ? [] : [INGRESS])
}
