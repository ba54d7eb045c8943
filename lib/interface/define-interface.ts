/** `defineInterface` is all that the main.ts of an interface plugin calls; `InterfacePlugin` says what to give it. */

import type { NetworkConfig } from '../cni/config.js'
import { type Bundle, definePlugin } from '../cni/plugin.js'
import { add } from './add.js'
import { check } from './check.js'
import { del } from './del.js'
import { gc } from './gc.js'
import type { Made } from './model.js'
import type { InterfacePlugin } from './plugin.js'
import type { InterfaceSettings } from './settings.js'
import { status } from './status.js'

/** Makes the commands of the plugin. The life of its attachments is that of lib/attachment. */
export function defineInterface<C extends NetworkConfig, S extends InterfaceSettings, M extends Made = Made>(
  plugin: InterfacePlugin<C, S, M>,
): Bundle {
  return definePlugin<C>({
    name: plugin.name,
    schema: plugin.schema,
    usesArgs: plugin.usesArgs === true,
    add: (request) => add(plugin, request),
    check: (request) => check(plugin, request),
    del: (request) => del(plugin, request),
    gc: (request) => gc(plugin, request),
    status: (request) => status(plugin, request),
  })
}
