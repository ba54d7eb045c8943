/** Whether the running kernel speaks IPv6 at all: `ipv6.disable=1` on its command line leaves nothing of it. */

import { CniError, ErrorCode } from '../cni/error.js'
import { isErrno } from '../sys/errno.js'
import { close } from '../sys/file.js'
import { AF_INET6, openSocket, SOCK_DGRAM } from '../sys/socket.js'

export function hasIpv6(): boolean {
  try {
    close(openSocket(AF_INET6, SOCK_DGRAM, 0))
    return true
  } catch (error) {
    if (isErrno(error, 'EAFNOSUPPORT')) return false
    throw error
  }
}

/** `what` is why it is needed: `cannot lease fd00::/64`. */
export function lackingIpv6(what: string): CniError {
  return new CniError(
    ErrorCode.NotAvailable,
    `${what}: the running kernel has no IPv6`,
    'it was booted with ipv6.disable=1, or built without: boot it without that parameter (cat /proc/cmdline), or configure no IPv6 range',
  )
}
