/**
 * bridge: joins the container to a Linux bridge with a veth pair, at layer 2 or with addresses from an
 * IPAM plugin and the bridge as their gateway. https://www.cni.dev/plugins/current/main/bridge/
 */

import { definePlugin } from '../../lib/cni/plugin.js'
import { add } from './add.js'
import { check } from './check.js'
import { schema } from './config.generated.js'
import type { BridgeConfig } from './config.js'
import { del } from './del.js'
import { gc } from './gc.js'
import { status } from './status.js'

export const { main } = definePlugin<BridgeConfig>({
  name: 'bridge',
  schema,
  usesArgs: true,
  add,
  check,
  del,
  gc,
  status,
})
