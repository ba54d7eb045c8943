/**
 * 127.0.0.1 leads to a container only if the interface towards it may carry such packets (route_localnet). That opens
 * the host's 127/8 to whoever is on that interface, so the ruleset guards it first, and the setting goes before the
 * guard does.
 */

import type { Netlink } from '../../lib/netlink/netlink.js'
import type { Nftables } from '../../lib/netlink/nftables/nftables.js'
import { guardedLinks, isGuarded } from '../../lib/ruleset/host-ports.js'
import { preferSysctl, requireSysctl } from '../../lib/sysctl/sysctl.js'

function key(link: string): string {
  return `net/ipv4/conf/${link}/route_localnet`
}

/** Whether we must set it, and so guard it: not where an administrator has. */
export function needsGuard(host: Netlink, nft: Nftables, link: string): boolean {
  return !host.links.routesLocalnet(link) || isGuarded(nft, link)
}

export function openLocalnet(host: Netlink, link: string): void {
  if (!host.links.routesLocalnet(link)) requireSysctl(key(link), '1')
}

/** Takes back what we set, on every guarded interface; a later call of `reopen` restores it. */
export function closeLocalnets(nft: Nftables): string[] {
  return guardedLinks(nft).filter((link) => preferSysctl(key(link), '0') === 'set')
}

/** The same for an interface, if it is guarded. */
export function closeLocalnet(nft: Nftables, link: string): void {
  if (isGuarded(nft, link)) preferSysctl(key(link), '0')
}

export function reopen(links: readonly string[]): void {
  for (const link of links) preferSysctl(key(link), '1')
}
