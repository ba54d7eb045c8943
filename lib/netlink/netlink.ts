/** Everything rtnetlink can do in one network namespace: nouns on one socket. */

import { Addresses } from './addresses.js'
import { Fdb } from './fdb.js'
import { Links } from './links.js'
import type { Failure, Request } from './message.js'
import { Neighbours } from './neighbours.js'
import { Netconf } from './netconf.js'
import { Routes } from './routes.js'
import { Rules } from './rules.js'
import { NETLINK_ROUTE, NetlinkSocket } from './socket.js'

export interface Netlink {
  readonly socket: NetlinkSocket
  readonly links: Links
  readonly addresses: Addresses
  readonly routes: Routes
  readonly neighbours: Neighbours
  readonly fdb: Fdb
  readonly rules: Rules
  readonly netconf: Netconf
  /**
   * Applies all of the requests (`addRoute`, `replaceNeighbour`, … of the nouns' files), whatever becomes of each, and
   * returns the refused ones by their place in the list.
   */
  batch(requests: readonly Request[]): Failure[]
  /** Afterwards the handle is of no use. */
  close(): void
}

/** Opens a handle on the current network namespace; it stays there wherever the process goes. */
export function openNetlink(): Netlink {
  const socket = new NetlinkSocket(NETLINK_ROUTE)
  return {
    socket,
    links: new Links(socket),
    addresses: new Addresses(socket),
    routes: new Routes(socket),
    neighbours: new Neighbours(socket),
    fdb: new Fdb(socket),
    rules: new Rules(socket),
    netconf: new Netconf(socket),
    batch: (requests) => socket.batch(requests),
    close: () => socket.close(),
  }
}
