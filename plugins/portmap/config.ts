/** The configuration of portmap, and the mappings that follow from it. */

import type { NetworkConfig } from '../../lib/cni/config.js'
import { CniError, ErrorCode } from '../../lib/cni/error.js'
import { type Family, formatAddress, type IpAddress, isUnspecified, parseAddress } from '../../lib/ip/address.js'
import { type Conditions, parseConditions } from '../../lib/ruleset/conditions.js'
import { type PortMapping, PROTOCOLS, type Protocol, type SourceMode } from '../../lib/ruleset/host-ports-table.js'
import { warn } from '../../lib/sys/log.js'

export interface PortmapConfig extends NetworkConfig {
  readonly snat?: boolean
  readonly masqAll?: boolean
  readonly markMasqBit?: number
  readonly externalSetMarkChain?: string
  readonly conditionsV4?: readonly string[]
  readonly conditionsV6?: readonly string[]
  readonly backend?: '' | 'iptables' | 'nftables'
  readonly capabilities?: { readonly portMappings?: unknown }
  readonly runtimeConfig?: { readonly portMappings?: readonly RequestedMapping[] }
}

interface RequestedMapping {
  readonly hostPort: number
  readonly containerPort: number
  readonly protocol: string
  readonly hostIP?: string
}

/** A mapping with the families it is for. */
export interface FamilyMapping extends PortMapping {
  readonly families: readonly Family[]
}

export interface Settings {
  readonly mode: SourceMode
  readonly mappings: readonly FamilyMapping[]
  readonly conditions: { readonly [F in Family]?: Conditions }
}

/** A runtime passes mappings only to a plugin whose configuration says that it wants them, and is silent if none does. */
export function warnOfMissingCapability({ capabilities, runtimeConfig }: PortmapConfig): void {
  if (capabilities?.portMappings === true || runtimeConfig?.portMappings !== undefined) return
  warn(
    'the configuration lacks "capabilities": {"portMappings": true}, so the runtime passes no host ports, and none is mapped: ' +
      'write it beside "type": "portmap" in the list of plugins',
  )
}

/** Undefined where no port is to be mapped. */
export function settings(config: PortmapConfig): Settings | undefined {
  if ((config.runtimeConfig?.portMappings ?? []).length > 0) return settingsOf(config)
  warnOfMissingCapability(config)
  return undefined
}

/** Everything that can be wrong with it. Throws code 7. */
export function settingsOf(config: PortmapConfig): Settings {
  if (config.externalSetMarkChain !== undefined && config.externalSetMarkChain !== '') {
    throw invalid(
      '"externalSetMarkChain" names a chain of iptables, and flatnet speaks nftables',
      'leave it out: flatnet needs no mark; to act on its packets match "ct status dnat" in a chain of your own',
    )
  }
  if (config.backend === 'iptables') {
    warn('"backend": "iptables" works as "nftables": flatnet runs no iptables')
  }
  const v4 = parseConditions('conditionsV4', 4, config.conditionsV4 ?? [])
  const v6 = parseConditions('conditionsV6', 6, config.conditionsV6 ?? [])
  return {
    mode: config.snat === false ? 'plain' : config.masqAll === true ? 'everyone' : 'answered',
    mappings: mappingsOf(config),
    conditions: { ...(v4 === undefined ? {} : { 4: v4 }), ...(v6 === undefined ? {} : { 6: v6 }) },
  }
}

function mappingsOf({ runtimeConfig }: PortmapConfig): FamilyMapping[] {
  const mappings: FamilyMapping[] = []
  const ports = new Map<string, number>()
  for (const [at, { hostPort, containerPort, protocol, hostIP = '' }] of (
    runtimeConfig?.portMappings ?? []
  ).entries()) {
    const where = `portMappings[${at}]`
    const name = protocol.toLowerCase()
    if (!Object.hasOwn(PROTOCOLS, name)) {
      throw invalid(`${where}: protocol ${JSON.stringify(protocol)} is none of ${Object.keys(PROTOCOLS).join(', ')}`)
    }
    const address = hostIP === '' ? undefined : parseAddress(hostIP)
    if (hostIP !== '' && address === undefined)
      throw invalid(`${where}: hostIP ${JSON.stringify(hostIP)} is no address`)
    const hostAddress = address === undefined || isUnspecified(address) ? undefined : address
    const families: readonly Family[] = address === undefined ? [4, 6] : [address.family]
    let isNew = false
    for (const family of families) {
      const key = `${family} ${hostAddress === undefined ? '' : formatAddress(hostAddress)} ${name} ${hostPort}`
      const earlier = ports.get(key)
      if (earlier !== undefined && earlier !== containerPort) {
        throw invalid(`${where}: host port ${hostPort}/${name} leads to container port ${earlier} already`)
      }
      if (earlier === undefined) isNew = true
      ports.set(key, containerPort)
    }
    if (!isNew) continue
    mappings.push({
      families,
      protocol: name as Protocol,
      hostPort,
      containerPort,
      ...(hostAddress === undefined ? {} : { hostAddress }),
    })
  }
  return mappings
}

/** Those of an address's family. */
export function mappingsFor(mappings: readonly FamilyMapping[], { family }: IpAddress): PortMapping[] {
  return mappings.filter(({ families }) => families.includes(family)).map(({ families: _, ...mapping }) => mapping)
}

function invalid(what: string, details = ''): CniError {
  return new CniError(ErrorCode.InvalidConfig, `invalid configuration: ${what}`, details)
}
