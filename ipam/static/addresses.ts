/** The addresses of an attachment: those of the configuration, and those that the runtime asks for. */

import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { Ip } from '../../lib/cni/result.js'
import type { CniVersion } from '../../lib/cni/version.js'
import { formatAddress, type IpAddress, parseAddress } from '../../lib/ip/address.js'
import { containsAddress, formatPrefix, type Prefix, parsePrefix } from '../../lib/ip/prefix.js'
import { requireOnePerFamily } from '../../lib/ipam/one-per-family.js'
import { refuse } from '../../lib/ipam/refuse.js'
import type { StaticConfig } from './config.js'

export interface StaticAddress {
  /** Host bits kept: `10.1.0.5/24`. */
  readonly prefix: Prefix
  readonly gateway: IpAddress | undefined
}

/**
 * Return the addresses in the order of the result: `runtimeConfig.ips` in place of all others; else `args.cni.ips`; else
 * `ipam.addresses`, and behind them `IP` of CNI_ARGS. Throws code 7 with the pointer to what is wrong, or 4 for CNI_ARGS.
 */
export function addressesOf(
  { ipam, args: { cni } = {}, runtimeConfig }: StaticConfig,
  version: CniVersion,
  args: ReadonlyMap<string, string>,
): StaticAddress[] {
  const configured = (ipam ?? refuse('/ipam', 'is missing')).addresses?.map(configuredAddress) ?? []
  const added = addressesOfArgs(args, configured)
  const [addresses = []] = [
    requested(runtimeConfig?.ips, '/runtimeConfig/ips', configured),
    requested(cni?.ips, '/args/cni/ips', configured),
    [...configured, ...added],
  ].filter((list) => list.length > 0)
  requireOnePerFamily(
    version,
    addresses.map(({ prefix }) => prefix.address.family),
    '/ipam/addresses',
  )
  return addresses
}

/** Return an address as a result has it. */
export function ipOf({ prefix, gateway }: StaticAddress): Ip {
  return { address: formatPrefix(prefix), ...(gateway === undefined ? {} : { gateway: formatAddress(gateway) }) }
}

function configuredAddress(
  { address, gateway = '' }: { address: string; gateway?: string },
  at: number,
): StaticAddress {
  const pointer = `/ipam/addresses/${at}`
  const prefix = parsePrefix(address) ?? refuse(`${pointer}/address`, `is not in CIDR notation: ${address}`)
  if (gateway === '') return { prefix, gateway: undefined }
  return { prefix, gateway: parseAddress(gateway) ?? refuse(`${pointer}/gateway`, `is not an IP address: ${gateway}`) }
}

function requested(
  ips: readonly string[] = [],
  pointer: string,
  configured: readonly StaticAddress[],
): StaticAddress[] {
  return ips.map((text, at) => {
    return requestedAddress(text, configured) ?? refuse(`${pointer}/${at}`, `is not in CIDR notation: ${text}; ${WHY}`)
  })
}

/** `IP` and `GATEWAY` are lists. A gateway is that of the addresses of `IP` whose network has it. */
function addressesOfArgs(args: ReadonlyMap<string, string>, configured: readonly StaticAddress[]): StaticAddress[] {
  const addresses = listOf(args, 'IP').map((text) => {
    return requestedAddress(text, configured) ?? refuseArgs(`IP=${text} is not in CIDR notation`, WHY)
  })
  const gateways = listOf(args, 'GATEWAY').map((text) => {
    return parseAddress(text) ?? refuseArgs(`GATEWAY=${text} is not an IP address`, 'GATEWAY is a list of addresses')
  })
  return addresses.map(({ prefix, gateway }) => ({
    prefix,
    gateway: gateways.findLast((candidate) => containsAddress(prefix, candidate)) ?? gateway,
  }))
}

const WHY = 'without a prefix length an address must lie in the network of one of "ipam.addresses"'

/** Without a prefix length: the one, and the gateway, of the configured address whose network has the address. */
function requestedAddress(text: string, configured: readonly StaticAddress[]): StaticAddress | undefined {
  const prefix = parsePrefix(text)
  if (prefix !== undefined) return { prefix, gateway: undefined }
  const address = parseAddress(text)
  const around = address && configured.find(({ prefix }) => containsAddress(prefix, address))
  return around && { prefix: { address, length: around.prefix.length }, gateway: around.gateway }
}

function listOf(args: ReadonlyMap<string, string>, key: string): string[] {
  const text = args.get(key) ?? ''
  return text === '' ? [] : text.split(',').map((item) => item.trim())
}

function refuseArgs(what: string, how: string): never {
  throw new CniError(ErrorCode.InvalidEnvironment, `invalid CNI_ARGS: ${what}`, how)
}
