/** What IPAM has leased, as the container can use it. */

import { CniError, ErrorCode } from '../cni/error.js'
import type { Result } from '../cni/result.js'
import { type Address, addressesOf, gatewayFor } from './routes.js'
import type { InterfaceSettings } from './settings.js'

/**
 * Returns the addresses, with the gateway that `isGateway` implies. Throws code 107 where there are none, code 7 for IPv6
 * addresses on a link whose MTU is too small for them.
 */
export function usableAddresses(leased: Result, { ipam = '', isGateway, mtu }: InterfaceSettings): Address[] {
  const addresses = addressesOf(leased)
  if (addresses.length === 0) {
    throw new CniError(
      ErrorCode.DelegateFailed,
      `IPAM plugin "${ipam}" returned missing IP config`,
      'its result has no "ips"',
    )
  }
  if (mtu !== undefined && mtu < 1280 && addresses.some(({ prefix }) => prefix.address.family === 6)) {
    throw new CniError(
      ErrorCode.InvalidConfig,
      `invalid configuration: mtu ${mtu} is too small for IPv6`,
      'IPv6 needs at least 1280 (RFC 8200): raise "mtu", or lease no IPv6 addresses',
    )
  }
  return isGateway === true ? addresses.map((address) => ({ ...address, gateway: gatewayFor(address) })) : addresses
}
