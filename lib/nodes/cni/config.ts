/** The configuration keys of host-gw and vxlan, read once: settings, and where the table of nodes is. */

import { refuseStateDir, stateDirOf } from '../../attachment/state-dir.js'
import type { NetworkConfig } from '../../cni/config.js'
import { refuseInterfaceName } from '../../cni/environment.js'
import { CniError, ErrorCode } from '../../cni/error.js'
import { hasHostBits, type Prefix, parsePrefix } from '../../ip/prefix.js'
import { VXLAN_PORT } from '../identity.js'
import type { Mode, OverlaySettings, Settings, TxChecksum } from '../model.js'
import type { Stdin, TableSource } from '../source.js'

/** As the schemas have it. */
export interface NodesConfig extends NetworkConfig {
  /** The table inline; judged by `parseTable`, and only when it changed. */
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

/** A network of host-gw or vxlan on this node, as it is configured. */
export interface ConfiguredNetwork {
  readonly settings: Settings
  readonly source: TableSource
  /** The settings as text: what was applied with other settings must be applied again. */
  readonly key: string
}

/** Throws code 7 for what the schema cannot say. `stdin` makes it cheaper to see that an inline table is as before. */
export function readNetwork(
  mode: Mode,
  network: string,
  config: Partial<NodesConfig>,
  stdin?: Stdin,
): ConfiguredNetwork {
  refuseStateDir(config)
  const settings: Settings = {
    network,
    mode,
    stateDir: stateDirOf(config),
    nodeName: config.nodeName,
    clusterCIDRs: (config.clusterCIDRs ?? []).map(parseClusterCIDR),
    direct: mode === 'host-gw' || config.directRouting === true,
    overlay: mode === 'host-gw' ? undefined : readOverlay(config),
  }
  return { settings, source: readSource(settings, config, stdin), key: keyOf(settings, config) }
}

function readSource(
  { stateDir, network }: Settings,
  config: Partial<NodesConfig>,
  stdin: Stdin | undefined,
): TableSource {
  if (config.nodes !== undefined && config.nodesFile !== undefined) {
    throw new CniError(
      ErrorCode.InvalidConfig,
      'invalid configuration: both "/nodes" and "/nodesFile" are given',
      'the table of nodes comes from one place: remove one of them',
    )
  }
  if (config.nodes !== undefined) return { inline: config.nodes, stdin }
  return { file: config.nodesFile ?? `${stateDir}/${network}/nodes.json` }
}

function readOverlay(config: Partial<NodesConfig>): OverlaySettings {
  const { vni = 1, port = VXLAN_PORT, device, txChecksum = 'auto', mtu = 0 } = config
  const refused = device === undefined ? undefined : refuseInterfaceName(device)
  if (refused !== undefined) {
    throw new CniError(
      ErrorCode.InvalidConfig,
      `invalid configuration: "/device" ${JSON.stringify(device)} is not a link name: ${refused}`,
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

function keyOf({ mode, nodeName, direct, overlay }: Settings, { clusterCIDRs }: Partial<NodesConfig>): string {
  return JSON.stringify([mode, nodeName, direct, overlay, clusterCIDRs])
}
