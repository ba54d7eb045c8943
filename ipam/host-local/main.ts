/**
 * host-local: gives each attachment an address of each range set, and remembers it on disk in the
 * reference's format. https://www.cni.dev/plugins/current/ipam/host-local/
 */

import { definePlugin } from '../../lib/cni/plugin.js'
import { add } from './add.js'
import { check } from './check.js'
import { schema } from './config.generated.js'
import type { HostLocalConfig } from './config.js'
import { del } from './del.js'
import { gc } from './gc.js'
import { status } from './status.js'

export const { main, delegate } = definePlugin<HostLocalConfig>({
  name: 'host-local',
  schema,
  usesArgs: true,
  anyNetns: true,
  answersPlugins: true,
  add,
  check,
  del,
  gc,
  status,
})
