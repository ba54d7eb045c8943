/** What is compared. */

import type { Scenario } from './factor.js'
import { BANDWIDTH } from './factors/bandwidth.js'
import { bridge } from './factors/bridge.js'
import { FIREWALL } from './factors/firewall.js'
import { HOST_LOCAL } from './factors/host-local.js'
import { LOOPBACK } from './factors/loopback.js'
import { PORTMAP } from './factors/portmap.js'

export interface Kernel {
  /** Bridges filter VLANs. */
  readonly vlans: boolean
}

export function scenariosFor(kernel: Kernel): readonly Scenario[] {
  return [bridge(kernel), HOST_LOCAL, LOOPBACK, PORTMAP, BANDWIDTH, FIREWALL]
}
