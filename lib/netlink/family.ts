/** Address families as the kernel numbers them (include/linux/socket.h). */

import type { Family } from '../ip/address.js'

export const AF_UNSPEC = 0
export const AF_INET = 2
export const AF_BRIDGE = 7
export const AF_INET6 = 10

export function familyNumber(family: Family | undefined): number {
  if (family === undefined) return AF_UNSPEC
  return family === 4 ? AF_INET : AF_INET6
}

/** Undefined for what is neither IPv4 nor IPv6. */
export function familyOf(number: number): Family | undefined {
  if (number === AF_INET) return 4
  return number === AF_INET6 ? 6 : undefined
}
