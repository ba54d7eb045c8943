/** The configuration of ptp, and the settings that follow from it. */

import type { NetworkConfig } from '../../lib/cni/config.js'
import {
  type InterfaceSettings,
  type MasqueradeConfig,
  masqueradeOf,
  mtuOf,
  requireIpam,
  type SettingsRequest,
} from '../../lib/interface/settings.js'

export interface PtpConfig extends NetworkConfig, MasqueradeConfig {
  readonly mtu?: number
}

/** Throws code 7. */
export function settingsOf(request: SettingsRequest<PtpConfig>): InterfaceSettings {
  const { config } = request
  return {
    ipam: requireIpam('ptp', request),
    mtu: mtuOf(config),
    isGateway: true,
    masquerade: masqueradeOf(config),
  }
}
