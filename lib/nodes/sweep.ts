/** What is ours and of no network. */

import type { Netlink } from '../netlink/netlink.js'
import { removeRoute } from '../netlink/routes.js'
import { removeRule } from '../netlink/rules.js'
import { cookieOf } from '../netns/namespace.js'
import { isErrno } from '../sys/errno.js'
import { networkOfDevice } from './device.js'
import { routeKey } from './diff.js'
import { OWN_PROTOCOL } from './identity.js'
import { everyApplied, hereIs } from './stamp.js'

export interface Swept {
  /** How many were removed. */
  readonly swept: number
  /** What the kernel said of those that it kept. */
  readonly failures: readonly string[]
}

/** Removes routes and rules of our protocol number that no network of this `stateDir` claims. */
export function sweepUnclaimed(netlink: Netlink, stateDir: string): Swept {
  const all = everyApplied(stateDir, hereIs(cookieOf(netlink)))
  const claimed = new Set(all.flatMap(({ routes }) => routes))
  const tables = new Set(all.flatMap((applied) => applied.tables))
  // A tunnel's own entries have an owner as long as the tunnel is there, whatever became of its records.
  const tunnels = new Set(
    netlink.links
      .list({ kind: 'vxlan' })
      .filter((link) => networkOfDevice(link) !== undefined)
      .map(({ index }) => index),
  )
  const routes = netlink.routes.list({ protocol: OWN_PROTOCOL })
  const live = new Set(routes.filter(({ link }) => link !== undefined && tunnels.has(link)).map(({ table }) => table))
  const stale = routes.filter(
    (route) => !claimed.has(routeKey(route)) && !(route.link !== undefined && tunnels.has(route.link)),
  )
  const rules = netlink.rules
    .list({ protocol: OWN_PROTOCOL })
    .filter(({ table }) => table === undefined || !(tables.has(table) || live.has(table)))
  const failures = netlink.batch([...rules.map(removeRule), ...stale.map(removeRoute)])
  const left = failures.filter(({ error }) => !isErrno(error, 'ESRCH', 'ENOENT'))
  return { swept: stale.length + rules.length - left.length, failures: left.map(({ error }) => error.message) }
}
