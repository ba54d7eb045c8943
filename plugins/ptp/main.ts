/**
 * ptp: a veth pair between the container and the host, which routes each address of the container to it and is its
 * gateway. No bridge: containers reach each other through the host. https://www.cni.dev/plugins/current/main/ptp/
 */

import { defineInterface } from '../../lib/interface/define-interface.js'
import { ownMac } from '../../lib/interface/mac.js'
import type { Paired } from '../../lib/interface/pair.js'
import type { InterfaceSettings } from '../../lib/interface/settings.js'
import { requireForwardable } from '../../lib/sysctl/forwarding.js'
import { check } from './check.js'
import { schema } from './config.generated.js'
import { type PtpConfig, settingsOf } from './config.js'
import { connect } from './connect.js'
import { holder } from './holder.js'
import { connectedRoutes, routeToContainer } from './routes.js'

export const { main } = defineInterface<PtpConfig, InterfaceSettings, Paired>({
  name: 'ptp',
  schema,
  kind: 'veth',
  settings: settingsOf,
  connect,
  holder,
  mac: ({ ipam }, addresses) => ownMac(ipam, addresses),
  connectedRoutes,
  addressed: routeToContainer,
  check,
  status: (_request, _settings, host) => requireForwardable(host),
})
