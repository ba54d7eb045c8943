import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { CheckRequest } from '../../lib/cni/request.js'
import type { Ip } from '../../lib/cni/result.js'
import { equalAddresses, formatAddress, parseAddress } from '../../lib/ip/address.js'
import { equalPrefixes, formatPrefix, parsePrefix } from '../../lib/ip/prefix.js'
import { addressesOf, type StaticAddress } from './addresses.js'
import type { StaticConfig } from './config.js'

/** Throw code 100 where the previous result lacks an address that ADD gave, or has it with another gateway. */
export function check({ config, cniVersion, args, containerId, ifName, prevResult }: CheckRequest<StaticConfig>): void {
  const differences = addressesOf(config, cniVersion, args).flatMap((address) => {
    return differenceOf(address, prevResult.ips ?? [])
  })
  if (differences.length === 0) return
  throw new CniError(
    ErrorCode.NotAsConfigured,
    `static: the addresses of ${containerId}/${ifName} are not those of the configuration`,
    differences.join('; '),
  )
}

function differenceOf({ prefix, gateway }: StaticAddress, ips: readonly Ip[]): string[] {
  const given = ips.find((ip) => {
    const candidate = parsePrefix(ip.address)
    return candidate !== undefined && equalPrefixes(candidate, prefix)
  })
  if (given === undefined) return [`${formatPrefix(prefix)} is not in the previous result`]
  if (gateway === undefined) return []
  const known = parseAddress(given.gateway ?? '')
  if (known !== undefined && equalAddresses(known, gateway)) return []
  return [`the gateway of ${given.address} is ${given.gateway ?? 'missing'} instead of ${formatAddress(gateway)}`]
}
