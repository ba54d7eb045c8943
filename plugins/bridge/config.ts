/** The configuration of bridge: what the schema lets through, and the settings that follow from it. */

import type { NetworkConfig } from '../../lib/cni/config.js'
import { refuseInterfaceName } from '../../lib/cni/environment.js'
import { CniError, ErrorCode } from '../../lib/cni/error.js'
import {
  type InterfaceSettings,
  invalid,
  ipamOf,
  type MasqueradeConfig,
  macOf,
  masqueradeOf,
  mtuOf,
  type SettingsRequest,
} from '../../lib/interface/settings.js'

export interface BridgeConfig extends NetworkConfig, MasqueradeConfig {
  readonly bridge?: string
  readonly isGateway?: boolean
  readonly isDefaultGateway?: boolean
  readonly forceAddress?: boolean
  readonly mtu?: number
  readonly hairpinMode?: boolean
  readonly promiscMode?: boolean
  readonly vlan?: number
  readonly vlanTrunk?: readonly { readonly id?: number; readonly minID?: number; readonly maxID?: number }[]
  readonly preserveDefaultVlan?: boolean
  readonly macspoofchk?: boolean
  readonly enabledad?: boolean
  readonly disableContainerInterface?: boolean
  readonly portIsolation?: boolean
  readonly args?: { readonly cni?: { readonly mac?: string } }
  readonly runtimeConfig?: { readonly mac?: string; readonly ips?: readonly string[] }
}

/** First and last VLAN of a range. */
export type VlanRange = readonly [first: number, last: number]

/** What a port of the bridge is given besides its place. */
export interface PortSettings {
  readonly hairpin: boolean
  readonly isolated: boolean
  /** Untagged frames belong to it; 0 is none. */
  readonly vlan: number
  /** Sorted, apart from each other. */
  readonly trunk: readonly VlanRange[]
  readonly preserveDefaultVlan: boolean
}

export interface Settings extends InterfaceSettings {
  readonly bridge: string
  readonly isGateway: boolean
  readonly isDefaultGateway: boolean
  readonly forceAddress: boolean
  readonly promiscuous: boolean
  /** The bridge looks at VLAN tags. */
  readonly filtering: boolean
  readonly port: PortSettings
  readonly detectDuplicates: boolean
  readonly containerUp: boolean
}

const DEFAULT_BRIDGE = 'cni0'

/** What a trunk without an untagged VLAN has for that, as with the reference. */
export const TRUNK_VLAN = 1

/** The link that is the pods' gateway: the bridge, or one into their VLAN. */
export function gatewayNameOf({ bridge, port: { vlan } }: Pick<Settings, 'bridge' | 'port'>): string {
  return vlan === 0 ? bridge : `${bridge}.${vlan}`
}

export const DEFAULT_DATA_DIR = '/var/lib/cni/networks'

/** Where host-local keeps the leases of all networks. */
export function leaseDirectoryOf({ ipam }: BridgeConfig): string {
  const { dataDir } = (ipam ?? {}) as { readonly dataDir?: unknown }
  return typeof dataDir === 'string' && dataDir !== '' ? dataDir : DEFAULT_DATA_DIR
}

/** Everything that can be known to be wrong before anything is done. Throws code 7. */
export function settingsOf(request: SettingsRequest<BridgeConfig>): Settings {
  const { config, command, ifName, args: fromArgs } = request
  const { bridge = DEFAULT_BRIDGE, vlan = 0, args, runtimeConfig } = config
  const isDefaultGateway = config.isDefaultGateway === true
  const isGateway = isDefaultGateway || config.isGateway === true
  const refused = refuseInterfaceName(bridge)
  if (refused !== undefined) throw invalid(`bridge name ${JSON.stringify(bridge.slice(0, 100))}: ${refused}`)
  const ipam = ipamOf(request)
  const mtu = mtuOf(config)
  if (config.hairpinMode === true && config.promiscMode === true) {
    throw invalid(
      'cannot set hairpin mode and promiscuous mode at the same time',
      'promiscMode makes hairpinMode needless',
    )
  }
  if (config.disableContainerInterface === true && ipam !== undefined) {
    throw invalid(
      'cannot use IPAM when disableContainerInterface is true',
      'an interface that stays down has no use for an address',
    )
  }
  if (vlan !== 0 && isGateway) {
    const tooLong = refuseInterfaceName(`${bridge}.${vlan}`)
    if (tooLong !== undefined)
      throw invalid(`gateway link "${bridge}.${vlan}": ${tooLong}`, 'give the bridge a shorter name')
  }
  if (command === 'ADD' && bridge === ifName) {
    throw new CniError(
      ErrorCode.InvalidConfig,
      `the bridge and the container's interface are both called "${ifName}"`,
      'runtimes tell the interfaces of a result by their names: set "bridge" to another one',
    )
  }
  const masquerade = masqueradeOf(config)
  const trunk = config.vlanTrunk === undefined ? [] : trunkOf(config.vlanTrunk)
  return {
    bridge,
    isGateway,
    isDefaultGateway,
    forceAddress: config.forceAddress === true,
    mtu,
    promiscuous: config.promiscMode === true,
    filtering: vlan !== 0 || config.vlanTrunk !== undefined,
    port: {
      hairpin: config.hairpinMode === true,
      isolated: config.portIsolation === true,
      vlan,
      trunk,
      preserveDefaultVlan: config.preserveDefaultVlan === true,
    },
    detectDuplicates: config.enabledad === true,
    containerUp: config.disableContainerInterface !== true,
    // Least to most: CNI_ARGS, the configuration's args, the capability.
    mac: macOf([runtimeConfig?.mac, args?.cni?.mac, fromArgs?.get('MAC')]),
    ipam,
    masquerade,
    checksMac: config.macspoofchk === true,
  }
}

/** The ranges of vlanTrunk, merged where they meet. */
function trunkOf(entries: NonNullable<BridgeConfig['vlanTrunk']>): VlanRange[] {
  const ranges: [number, number][] = []
  for (const [at, { id, minID, maxID }] of entries.entries()) {
    if (id !== undefined) ranges.push([id, id])
    if (minID === undefined && maxID === undefined) {
      if (id === undefined) throw invalid(`vlanTrunk entry ${at}: it has neither id nor minID and maxID`)
      continue
    }
    if (minID === undefined || maxID === undefined) {
      throw invalid(`vlanTrunk entry ${at}: minID and maxID should be configured simultaneously`)
    }
    if (minID > maxID) throw invalid(`vlanTrunk entry ${at}: minID ${minID} is greater than maxID ${maxID}`)
    ranges.push([minID, maxID])
  }
  const merged: [number, number][] = []
  for (const range of ranges.sort((a, b) => a[0] - b[0])) {
    const last = merged[merged.length - 1]
    if (last !== undefined && range[0] <= last[1] + 1) last[1] = Math.max(last[1], range[1])
    else merged.push(range)
  }
  return merged
}
