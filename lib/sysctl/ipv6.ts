/**
 * Whether the running kernel speaks IPv6 at all (`ipv6.disable=1` on its command line leaves nothing of it), and whether a
 * link does, which `disable_ipv6` decides: `all` was written to every link there is, `default` goes to new ones.
 */

import { CniError, ErrorCode } from '../cni/error.js'
import { isErrno } from '../sys/errno.js'
import { close } from '../sys/file.js'
import { AF_INET6, openSocket, SOCK_DGRAM } from '../sys/socket.js'
import { preferSysctl, readSysctl } from './sysctl.js'

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

/** `link` is a name, `all` or `default`. */
export function isIpv6Off(link: string): boolean {
  return readSysctl(`net/ipv6/conf/${link}/disable_ipv6`) === '1'
}

/** False where that is impossible. */
export function turnIpv6On(link: string): boolean {
  return preferSysctl(`net/ipv6/conf/${link}/disable_ipv6`, '0') === 'set'
}

/** `what` is why it is needed, `link` the one to turn it on for: a name, `all` or `default`. */
export function ipv6IsOff(what: string, link: string): CniError {
  const key = `net.ipv6.conf.${link}.disable_ipv6`
  // sysctl(8) takes dots for slashes, unless there are slashes.
  const written = link.includes('.') ? `net/ipv6/conf/${link}/disable_ipv6` : key
  return new CniError(
    ErrorCode.NotAvailable,
    `${what}: IPv6 is off here, sysctl ${written} is 1`,
    `turn it on (sysctl -w ${written}=0, and in /etc/sysctl.d so that it stays on), or configure no IPv6 range`,
  )
}
