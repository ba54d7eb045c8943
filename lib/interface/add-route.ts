/**
 * A route goes behind those that are there, so that another attachment's stay in use. IPv6 has no order among routes of
 * one metric, it would share the traffic between them: there a route is refused where there is an equal one, and then
 * tried with the next higher metric.
 */

import type { Family } from '../ip/address.js'
import { equalPrefixes } from '../ip/prefix.js'
import type { Request } from '../netlink/message.js'
import type { Netlink } from '../netlink/netlink.js'
import { addRoute, type Route } from '../netlink/routes.js'
import { isErrno } from '../sys/errno.js'

const ATTEMPTS = 16

/** Of a route that names none. */
export function defaultMetric(family: Family): number {
  return family === 4 ? 0 : 1024
}

export function routeRequest(route: Route): Request {
  return addRoute(route, isIpv6(route) ? 'create-exclusive' : 'append')
}

function isIpv6({ to }: Route): boolean {
  return to !== 'default' && to.address.family === 6
}

/** What to do about a refused `routeRequest`. Returns the error that remains, undefined where the route is in place now. */
export function addBehind(container: Netlink, route: Route, refused: Error): Error | undefined {
  if (!isErrno(refused, 'EEXIST') || !isIpv6(route)) return refused
  if (route.priority !== undefined || hasSame(container, route)) return refused
  for (let n = 1; n <= ATTEMPTS; n++) {
    const [failure] = container.batch([routeRequest({ ...route, priority: defaultMetric(6) + n })])
    if (failure === undefined) return undefined
    if (!isErrno(failure.error, 'EEXIST')) return failure.error
  }
  return refused
}

/** The very same route twice is a mistake of the list's. */
function hasSame(container: Netlink, { to, table, via, link }: Route): boolean {
  const there = container.routes.list({ family: 6, ...(table === undefined ? {} : { table }) })
  const next = (address: Route['via']) => String(address?.bytes ?? '')
  return there.some((known) => isSameDestination(known.to, to) && known.link === link && next(known.via) === next(via))
}

function isSameDestination(known: Route['to'], wanted: Route['to']): boolean {
  if (wanted === 'default') return known === 'default'
  return known === 'default' ? wanted.length === 0 : equalPrefixes(known, wanted)
}
