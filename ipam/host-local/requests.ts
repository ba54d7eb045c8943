/** Addresses the runtime asks for. */

import { CniError, ErrorCode } from '../../lib/cni/error.js'
import { formatAddress, type IpAddress, parseAddress } from '../../lib/ip/address.js'
import { parsePrefix } from '../../lib/ip/prefix.js'
import { refuse } from '../../lib/ipam/refuse.js'
import type { HostLocalConfig } from './config.js'

/**
 * `runtimeConfig.ips` and `args.cni.ips`, all of them; the `IP` of CNI_ARGS only where `args.cni.ips` is
 * not given (CONVENTIONS.md: the field in `args` wins). Prefix lengths are ignored: the range has one.
 * Throws code 7, or 4 for CNI_ARGS.
 */
export function requestedAddresses(config: HostLocalConfig, args: ReadonlyMap<string, string>): IpAddress[] {
  const found = new Map<string, IpAddress>()
  const add = (address: IpAddress) => found.set(formatAddress(address), address)
  const fromArgs = config.args?.cni?.ips ?? []
  const fromRuntime = config.runtimeConfig?.ips ?? []
  const fromEnvironment = args.get('IP') ?? ''
  if (fromArgs.length === 0 && fromEnvironment !== '') {
    const address = readAddress(fromEnvironment)
    if (address === undefined) {
      throw new CniError(ErrorCode.InvalidEnvironment, `invalid CNI_ARGS: IP=${fromEnvironment} is no IP address`)
    }
    add(address)
  }
  for (const [pointer, texts] of [
    ['/args/cni/ips', fromArgs],
    ['/runtimeConfig/ips', fromRuntime],
  ] as const) {
    for (const [at, text] of texts.entries()) {
      add(readAddress(text) ?? refuse(`${pointer}/${at}`, `invalid IP address: ${text}`))
    }
  }
  return [...found.values()]
}

function readAddress(text: string): IpAddress | undefined {
  return text.indexOf('/') < 0 ? parseAddress(text) : parsePrefix(text)?.address
}
