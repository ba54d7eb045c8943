/**
 * What the host remembers of the containers behind a bridge that it is the gateway of: its neighbour table, which the
 * kernel forgets at the pace at which it forgets those of the containers.
 */

import type { IpAddress } from '../../lib/ip/address.js'
import { addNeighbour, removeNeighbour, replaceNeighbour } from '../../lib/netlink/neighbours.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { isErrno } from '../../lib/sys/errno.js'
import { isBound } from './mac.js'

/**
 * Writes down who has the addresses now; those that somebody else had a short while ago, as far as the host knows. An
 * entry that cannot be made is one the host will learn.
 */
export function rememberNeighbours(
  host: Netlink,
  link: number,
  mac: string,
  addresses: readonly IpAddress[],
): IpAddress[] {
  const entries = addresses.map((address) => ({ address, mac, state: 'reachable' }) as const)
  const failures = host.batch(entries.map((entry) => addNeighbour(link, entry)))
  const known = failures
    .filter(({ error }) => isErrno(error, 'EEXIST'))
    .map(({ index }) => addresses[index] as IpAddress)
  if (known.length === 0) return []
  const others = known.filter((address) => hasOther(host, link, mac, address))
  host.batch(known.map((address) => replaceNeighbour(link, { address, mac, state: 'reachable' })))
  return others
}

function hasOther(host: Netlink, link: number, mac: string, address: IpAddress): boolean {
  try {
    const there = host.neighbours.get(link, address).mac
    return there !== undefined && there !== mac
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
    return false
  }
}

/**
 * The addresses' container is gone. Where their next container has another MAC the entries stay, as old ones: they tell
 * its ADD that others may remember this one.
 */
export function forgetNeighbours(host: Netlink, link: number, mac: string, addresses: readonly IpAddress[]): void {
  host.batch(
    addresses.map((address) =>
      isBound(address, mac) ? removeNeighbour(link, address) : replaceNeighbour(link, { address, mac, state: 'stale' }),
    ),
  )
}
