/** Whether the last application still stands: what an ADD pays when nothing has changed. */

import { type Family, formatAddress, parseAddress } from '../ip/address.js'
import { formatPrefix } from '../ip/prefix.js'
import type { LinkAddress } from '../netlink/addresses.js'
import type { Link } from '../netlink/links/link.js'
import type { Netlink } from '../netlink/netlink.js'
import { listRoutes } from '../netlink/routes.js'
import { listRules } from '../netlink/rules.js'
import { monotonic } from '../sys/clock.js'
import { isErrno } from '../sys/errno.js'
import { randomBytes } from '../sys/process.js'
import { OWN_PROTOCOL } from './identity.js'
import { isUnchanged, type TableSource } from './source.js'
import { readPeer, type Stamp } from './state.js'

/** Peers whose neighbour and FDB entry are looked at, each time others. */
const SAMPLE = 2

/** Settings, table, links, routes and a sample of the peers are as the stamp has them. Cheap things first. */
export function stillStands(
  netlink: Netlink,
  directory: string,
  stamp: Stamp,
  settings: string,
  source: TableSource,
): boolean {
  if (stamp.settings !== settings || !isUnchanged(source, stamp.table)) return false
  if (stamp.retryAt !== undefined && monotonic() > stamp.retryAt) return false
  for (const [index, looks] of stamp.links) if (linkLooks(netlink, index) !== looks) return false
  if (weigh(netlink, stamp.families, stamp.device !== 0) !== stamp.weight) return false
  return stamp.peers === 0 || sampleStands(netlink, directory, stamp)
}

/** All of a link that an application may depend on, in one text; of index 0 the addresses of all links. */
export function linkLooks(netlink: Netlink, index: number): string {
  const link = index === 0 ? undefined : netlink.links.find(index)
  if (index !== 0 && link === undefined) return 'gone'
  return looksOf(link, netlink.addresses.list(index))
}

export function looksOf(link: Link | undefined, addresses: readonly LinkAddress[]): string {
  const own = addresses.map(({ prefix, linkIndex }) => `${formatPrefix(prefix)}@${linkIndex}`).sort()
  if (link === undefined) return own.join(' ')
  const local = link.data?.kind === 'vxlan' && link.data.local !== undefined ? formatAddress(link.data.local) : ''
  return [link.name, link.mtu, link.up ? 'up' : 'down', link.mac, link.alias ?? '', local, ...own].join(' ')
}

/** Our routes in every table, and the rules, by weight: whoever flushes them changes it. */
export function weigh(netlink: Netlink, families: readonly Family[], rules: boolean): string {
  const { socket } = netlink
  const weights = families.map((family) => socket.weigh(listRoutes(family, { protocol: OWN_PROTOCOL })))
  if (rules) weights.push(...families.map((family) => socket.weigh(listRules(family))))
  return weights.join(' ')
}

function sampleStands(netlink: Netlink, directory: string, { peers, device }: Stamp): boolean {
  const random = randomBytes(SAMPLE * 2)
  for (let at = 0; at < Math.min(SAMPLE, peers); at++) {
    const chosen = ((random[at * 2] as number) * 256 + (random[at * 2 + 1] as number)) % peers
    const peer = readPeer(directory, chosen)
    const address = peer === undefined ? undefined : parseAddress(peer.address)
    if (peer === undefined || address === undefined) return false
    try {
      const neighbour = netlink.neighbours.get(device, address)
      if (neighbour.mac !== peer.mac || neighbour.state !== 'permanent') return false
      const { to } = netlink.fdb.get(device, { mac: peer.mac, self: true })
      if (to === undefined || formatAddress(to) !== peer.to) return false
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENODEV', 'ESRCH')) return false
      throw error
    }
  }
  return true
}
