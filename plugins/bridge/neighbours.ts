/**
 * What the host remembers of the containers behind a bridge that it is the gateway of: its neighbour table, which the
 * kernel ages as it ages those of the containers.
 */

import { isBound } from '../../lib/interface/mac.js'
import type { Attached } from '../../lib/interface/record.js'
import type { IpAddress } from '../../lib/ip/address.js'
import { parsePrefix } from '../../lib/ip/prefix.js'
import { addNeighbour, removeNeighbour, replaceNeighbour } from '../../lib/netlink/neighbours.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import type { Rollback } from '../../lib/store/rollback.js'
import { isErrno } from '../../lib/sys/errno.js'

/**
 * Writes down who has the addresses now; those that somebody else had a short while ago, as far as the host knows. An
 * entry that cannot be made is one the host will learn.
 */
export function rememberNeighbours(
  host: Netlink,
  link: number,
  mac: string,
  addresses: readonly IpAddress[],
  steps: Rollback,
): IpAddress[] {
  const own = (address: IpAddress) => ({ address, mac, state: 'reachable' }) as const
  const others: { address: IpAddress; before: string }[] = []
  steps.push('the neighbour entries', () => {
    host.batch(addresses.map((address) => removeNeighbour(link, address)))
    for (const { address, before } of others) if (before !== '') keep(host, link, before, address)
  })
  const failures = host.batch(addresses.map((address) => addNeighbour(link, own(address))))
  const taken = failures
    .filter(({ error }) => isErrno(error, 'EEXIST'))
    .map(({ index }) => addresses[index] as IpAddress)
  for (const address of taken) {
    const before = macNow(host, link, address)
    if (before !== mac) others.push({ address, before })
  }
  host.batch(taken.map((address) => replaceNeighbour(link, own(address))))
  return others.map(({ address }) => address)
}

/** The MAC in an entry; `''` where it has none (any more) or there is no entry. */
function macNow(host: Netlink, link: number, address: IpAddress): string {
  try {
    return host.neighbours.get(link, address).mac ?? ''
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
    return ''
  }
}

/** An old entry, whose age begins now. */
function keep(host: Netlink, link: number, mac: string, address: IpAddress): void {
  host.batch([removeNeighbour(link, address), addNeighbour(link, { address, mac, state: 'stale' })])
}

/**
 * The addresses' container is gone. Where their next container has another MAC, what is known of this one stays, as old:
 * it tells the next one's ADD that others may remember it, too. What the next one has written already is left alone.
 */
function forgetNeighbours(host: Netlink, link: number, mac: string, addresses: readonly IpAddress[]): void {
  const bound = addresses.filter((address) => isBound(address, mac))
  host.batch(bound.map((address) => removeNeighbour(link, address)))
  for (const address of addresses) {
    if (!bound.includes(address) && ['', mac].includes(macNow(host, link, address))) keep(host, link, mac, address)
  }
}

/**
 * Forgets the container's addresses. Where the record has no MAC, as an earlier version wrote it, the entries stay: the next
 * ADD sees another's in them.
 */
export function forget(host: Netlink, { gatewayLink, addresses, mac }: Attached): void {
  if (gatewayLink === '' || mac === undefined) return
  const known = addresses
    .map((text) => parsePrefix(text)?.address)
    .filter((address): address is IpAddress => address !== undefined)
  const link = host.links.find(gatewayLink)
  if (link !== undefined) forgetNeighbours(host, link.index, mac, known)
}
