/**
 * dummy: a link in the container that leads nowhere, to give it addresses of its own.
 * https://www.cni.dev/plugins/current/main/dummy/
 */

import type { NetworkConfig } from '../../lib/cni/config.js'
import { defineInterface } from '../../lib/interface/define-interface.js'
import { createInside } from '../../lib/interface/inside.js'
import { type InterfaceSettings, requireIpam } from '../../lib/interface/settings.js'
import { schema } from './config.generated.js'

export const { main } = defineInterface<NetworkConfig, InterfaceSettings>({
  name: 'dummy',
  schema,
  kind: 'dummy',
  settings: (request) => ({ ipam: requireIpam('dummy', request) }),
  connect: (work) => createInside(work, { kind: 'dummy' }),
})
