/** The configuration of bridge: what the schema lets through, and the settings that follow from it. */

import type { NetworkConfig } from '../../lib/cni/config.js'
import { refuseInterfaceName } from '../../lib/cni/environment.js'
import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { Request } from '../../lib/cni/request.js'
import { atLeast } from '../../lib/cni/version.js'
import { parseAddress } from '../../lib/ip/address.js'
import { formatMac, parseMac } from '../../lib/ip/mac.js'
import { parsePrefix } from '../../lib/ip/prefix.js'
import type { MasqueradeSettings } from '../../lib/ruleset/masquerade-table.js'
import { warn } from '../../lib/sys/log.js'

export interface BridgeConfig extends NetworkConfig {
  readonly bridge?: string
  readonly isGateway?: boolean
  readonly isDefaultGateway?: boolean
  readonly forceAddress?: boolean
  readonly ipMasq?:
    | boolean
    | { readonly exclude?: readonly string[]; readonly random?: 'fully' | 'none'; readonly to?: string }
  readonly ipMasqBackend?: '' | 'iptables' | 'nftables'
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

export interface Settings {
  readonly bridge: string
  readonly isGateway: boolean
  readonly isDefaultGateway: boolean
  readonly forceAddress: boolean
  /** Absent is the kernel's default. */
  readonly mtu: number | undefined
  readonly promiscuous: boolean
  /** The bridge looks at VLAN tags. */
  readonly filtering: boolean
  readonly port: PortSettings
  readonly detectDuplicates: boolean
  readonly containerUp: boolean
  /** Of the container's link; absent is a random one. */
  readonly mac: string | undefined
  /** The IPAM plugin; absent is layer 2. */
  readonly ipam: string | undefined
  /** Absent is none. */
  readonly masquerade: MasqueradeSettings | undefined
  readonly checksMac: boolean
}

const DEFAULT_BRIDGE = 'cni0'

/** Where records are kept; what is no absolute path counts as absent on DEL. */
export function stateDirOf({ stateDir = '' }: { readonly stateDir?: string }): string {
  return stateDir.startsWith('/') ? stateDir : '/run/flatnet'
}

/** The link that is the pods' gateway: the bridge, or one into their VLAN. */
export function gatewayNameOf({ bridge, port: { vlan } }: Pick<Settings, 'bridge' | 'port'>): string {
  return vlan === 0 ? bridge : `${bridge}.${vlan}`
}

/** Where host-local keeps the leases of all networks. */
export function leaseDirectoryOf({ ipam }: BridgeConfig): string {
  const { dataDir } = (ipam ?? {}) as { readonly dataDir?: unknown }
  return typeof dataDir === 'string' && dataDir !== '' ? dataDir : '/var/lib/cni/networks'
}

/** Everything that can be known to be wrong before anything is done. Throws code 7. */
export function settingsOf(request: Request<BridgeConfig>): Settings {
  const { config, cniVersion } = request
  const { bridge = DEFAULT_BRIDGE, vlan = 0, mtu = 0, stateDir } = config
  const ipam = (config.ipam?.type ?? '') === '' ? undefined : config.ipam?.type
  const isDefaultGateway = config.isDefaultGateway === true
  const isGateway = isDefaultGateway || config.isGateway === true
  const refused = refuseInterfaceName(bridge)
  if (refused !== undefined) throw invalid(`bridge name ${JSON.stringify(bridge.slice(0, 100))}: ${refused}`)
  if (stateDir !== undefined && !stateDir.startsWith('/')) throw invalid(`stateDir "${stateDir}" is no absolute path`)
  if (mtu !== 0 && mtu < 68) throw invalid(`mtu ${mtu}: IPv4 needs at least 68`, '0 is the default of the kernel')
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
  if (ipam === undefined && !atLeast(cniVersion, '0.3.0')) {
    throw invalid(
      `cniVersion ${cniVersion} needs IPAM: its result must hold an address (no valid IPs)`,
      'set ipam.type, or use cniVersion 0.3.0 or newer for layer-2 networks',
    )
  }
  const masquerade = masqueradeOf(config)
  const trunk = config.vlanTrunk === undefined ? [] : trunkOf(config.vlanTrunk)
  return {
    bridge,
    isGateway,
    isDefaultGateway,
    forceAddress: config.forceAddress === true,
    mtu: mtu === 0 ? undefined : mtu,
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
    mac: requestedMac(config, (request as { readonly args?: ReadonlyMap<string, string> }).args?.get('MAC')),
    ipam,
    masquerade,
    checksMac: config.macspoofchk === true,
  }
}

/** What `ipMasq` asks for; undefined where nothing. */
function masqueradeOf({ ipMasq = false, ipMasqBackend }: BridgeConfig): MasqueradeSettings | undefined {
  if (ipMasq === false) return undefined
  if (ipMasqBackend === 'iptables') warn('"ipMasqBackend": "iptables" works as "nftables": flatnet runs no iptables')
  const { exclude = [], random = 'fully', to } = ipMasq === true ? {} : ipMasq
  const address = to === undefined ? undefined : parseAddress(to)
  if (to !== undefined && address === undefined) throw invalid(`ipMasq.to ${JSON.stringify(to)} is no address`)
  return {
    exclude: exclude.map((text) => {
      const prefix = parsePrefix(text)
      if (prefix === undefined)
        throw invalid(`ipMasq.exclude: ${JSON.stringify(text)} is no address with prefix length`)
      return prefix
    }),
    fullyRandom: random === 'fully',
    to: address === undefined ? [] : [address],
  }
}

/** Least to most: CNI_ARGS, the configuration's args, the capability. */
function requestedMac({ args, runtimeConfig }: BridgeConfig, fromArgs: string | undefined): string | undefined {
  const text = [runtimeConfig?.mac, args?.cni?.mac, fromArgs].find((candidate) => (candidate ?? '') !== '')
  if (text === undefined) return undefined
  const bytes = parseMac(text)
  const why = bytes === undefined ? 'it is not six bytes' : unusable(bytes)
  if (bytes === undefined || why !== undefined) throw invalid(`MAC address ${JSON.stringify(text)}: ${why}`)
  return formatMac(bytes)
}

function unusable(mac: Uint8Array): string | undefined {
  if (((mac[0] as number) & 1) === 1) return 'it is a multicast address'
  return mac.every((byte) => byte === 0) ? 'it is all zeros' : undefined
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

function invalid(what: string, details = ''): CniError {
  return new CniError(ErrorCode.InvalidConfig, `invalid configuration: ${what}`, details)
}
