/** Settings that interface plugins have in common, and how they follow from the configuration. */

import { refuseStateDir } from '../attachment/state-dir.js'
import type { NetworkConfig } from '../cni/config.js'
import { CniError, ErrorCode } from '../cni/error.js'
import type { Request } from '../cni/request.js'
import { atLeast } from '../cni/version.js'
import { parseAddress } from '../ip/address.js'
import { formatMac, parseMac } from '../ip/mac.js'
import { parsePrefix } from '../ip/prefix.js'
import type { MasqueradeSettings } from '../ruleset/masquerade-table.js'
import { warn } from '../sys/log.js'

export interface InterfaceSettings {
  /** The IPAM plugin; undefined is layer 2. */
  readonly ipam: string | undefined
  /** Of the container's link, if one was asked for. */
  readonly mac?: string | undefined
  /** Of the container's link; undefined is the default of the kernel. */
  readonly mtu?: number | undefined
  /** Leaves IPv6 duplicate address detection on. Default false. */
  readonly detectDuplicates?: boolean
  /** Brings the link up at layer 2. Default true. */
  readonly containerUp?: boolean
  /** The host is the container's gateway: an address without a gateway gets the first one of its network. Default false. */
  readonly isGateway?: boolean
  /** Adds a default route for each family that has a gateway. Default false. */
  readonly isDefaultGateway?: boolean
  /** Undefined is none. */
  readonly masquerade?: MasqueradeSettings | undefined
  /** Drops frames from another MAC than the container's. Default false. */
  readonly checksMac?: boolean
}

/** `ifName` and `args` are absent on STATUS. */
export type SettingsRequest<C> = Request<C> & {
  readonly ifName?: string
  readonly args?: ReadonlyMap<string, string>
}

/**
 * Returns the IPAM plugin, undefined at layer 2. Throws code 7 for a `stateDir` that is not absolute, and for a version whose
 * result must hold an address where there is no IPAM plugin.
 */
export function ipamOf({ config, cniVersion }: Request<NetworkConfig>): string | undefined {
  refuseStateDir(config)
  const ipam = config.ipam?.type ?? ''
  if (ipam !== '') return ipam
  if (atLeast(cniVersion, '0.3.0')) return undefined
  throw invalid(
    `cniVersion ${cniVersion} needs IPAM: its result must hold an address (no valid IPs)`,
    'set ipam.type, or use cniVersion 0.3.0 or newer for layer-2 networks',
  )
}

/** As `ipamOf`, for a plugin that is of no use at layer 2. */
export function requireIpam(plugin: string, request: Request<NetworkConfig>): string {
  const ipam = request.config.ipam?.type ?? ''
  if (ipam === '') {
    throw invalid(
      `${plugin} needs IPAM (no plugin name provided)`,
      'set "ipam", for instance {"type": "host-local", …}',
    )
  }
  refuseStateDir(request.config)
  return ipam
}

/** Returns undefined for 0, the default of the kernel. Throws code 7 for less than IPv4 needs. */
export function mtuOf({ mtu = 0 }: { readonly mtu?: number }): number | undefined {
  if (mtu !== 0 && mtu < 68) throw invalid(`mtu ${mtu}: IPv4 needs at least 68`, '0 is the default of the kernel')
  return mtu === 0 ? undefined : mtu
}

export interface MasqueradeConfig {
  readonly ipMasq?:
    | boolean
    | { readonly exclude?: readonly string[]; readonly random?: 'fully' | 'none'; readonly to?: string }
  readonly ipMasqBackend?: '' | 'iptables' | 'nftables'
}

/** What `ipMasq` asks for; undefined where nothing. */
export function masqueradeOf({ ipMasq = false, ipMasqBackend }: MasqueradeConfig): MasqueradeSettings | undefined {
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

/** Returns the first MAC that is given, in the one way to write it. Throws code 7 for one that no link can have. */
export function macOf(candidates: readonly (string | undefined)[]): string | undefined {
  const text = candidates.find((candidate) => (candidate ?? '') !== '')
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

export function invalid(what: string, details = ''): CniError {
  return new CniError(ErrorCode.InvalidConfig, `invalid configuration: ${what}`, details)
}
