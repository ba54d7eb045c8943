/** The configuration keys of both plugins, checked and with their defaults. */

import { refuseStateDir, stateDirOf } from '../attachment/state-dir.js'
import type { NetworkConfig } from '../cni/config.js'
import { refuseInterfaceName } from '../cni/environment.js'
import { CniError, ErrorCode } from '../cni/error.js'
import { hasHostBits, type Prefix, parsePrefix } from '../ip/prefix.js'
import { VXLAN_PORT } from './identity.js'

/** How packets reach another node's pods. Also the plugin's name. */
export type Mode = 'host-gw' | 'vxlan'

export type TxChecksum = 'auto' | 'on' | 'off'

/** As the schemas have it. */
export interface NodesConfig extends NetworkConfig {
  /** The table inline; checked by `parseTable`, and only when it changed. */
  readonly nodes?: unknown
  readonly nodesFile?: string
  readonly clusterCIDRs?: readonly string[]
  readonly nodeName?: string
  readonly vni?: number
  readonly port?: number
  readonly device?: string
  readonly txChecksum?: TxChecksum
  readonly mtu?: number
  readonly directRouting?: boolean
}

export interface OverlaySettings {
  readonly vni: number
  /** UDP. */
  readonly port: number
  readonly device: string
  readonly txChecksum: TxChecksum
  /** Undefined: from the underlay's. */
  readonly mtu: number | undefined
}

export interface Settings {
  readonly network: string
  readonly mode: Mode
  readonly stateDir: string
  /** Which entry is this node; undefined: the one that owns an address of this machine. */
  readonly nodeName: string | undefined
  readonly clusterCIDRs: readonly Prefix[]
  /** Plain routes to the nodes on a shared segment. */
  readonly direct: boolean
  /** The tunnel to the others; undefined: they cannot be reached. */
  readonly overlay: OverlaySettings | undefined
}

/** Throws code 7 for what the schema cannot say. */
export function readSettings(mode: Mode, network: string, config: Partial<NodesConfig>): Settings {
  refuseStateDir(config)
  return {
    network,
    mode,
    stateDir: stateDirOf(config),
    nodeName: config.nodeName,
    clusterCIDRs: (config.clusterCIDRs ?? []).map(parseClusterCIDR),
    direct: mode === 'host-gw' || config.directRouting === true,
    overlay: mode === 'host-gw' ? undefined : readOverlay(config),
  }
}

function readOverlay({ vni = 1, port = VXLAN_PORT, device, txChecksum = 'auto', mtu = 0 }: Partial<NodesConfig>) {
  const refused = device === undefined ? undefined : refuseInterfaceName(device)
  if (refused !== undefined) {
    throw new CniError(
      ErrorCode.InvalidConfig,
      `invalid configuration: "/device" ${JSON.stringify(device)} is no link name: ${refused}`,
    )
  }
  return { vni, port, device: device ?? `flat.${vni}`, txChecksum, mtu: mtu === 0 ? undefined : mtu }
}

function parseClusterCIDR(text: string, at: number): Prefix {
  const prefix = parsePrefix(text)
  if (prefix !== undefined && prefix.length > 0 && !hasHostBits(prefix)) return prefix
  throw new CniError(
    ErrorCode.InvalidConfig,
    `invalid configuration: "/clusterCIDRs/${at}" must be a CIDR without host bits, got ${JSON.stringify(text)}`,
  )
}

/** The settings as text: what was applied with other settings must be applied again. */
export function settingsKey(settings: Settings, config: Partial<NodesConfig>): string {
  const { mode, nodeName, direct, overlay } = settings
  return JSON.stringify([mode, nodeName, direct, overlay, config.clusterCIDRs])
}
