/**
 * portmap: maps ports of the host to the container, in nftables maps that are looked up by address and port.
 * https://www.cni.dev/plugins/current/meta/portmap/
 */

import { definePlugin } from '../../lib/cni/plugin.js'
import { add } from './add.js'
import { check } from './check.js'
import { schema } from './config.generated.js'
import type { PortmapConfig } from './config.js'
import { del } from './del.js'
import { gc } from './gc.js'
import { status } from './status.js'

export const { main, delegate } = definePlugin<PortmapConfig>({ name: 'portmap', schema, add, check, del, gc, status })
