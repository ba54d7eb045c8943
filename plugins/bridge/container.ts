/** The container's end: its settings, addresses and routes. */

import { CniError, ErrorCode, toCniError } from '../../lib/cni/error.js'
import type { Route } from '../../lib/cni/result.js'
import type { Family } from '../../lib/ip/address.js'
import { broadcastOf, formatPrefix } from '../../lib/ip/prefix.js'
import { addAddress } from '../../lib/netlink/addresses.js'
import { changeLink } from '../../lib/netlink/links/requests.js'
import type { Request } from '../../lib/netlink/message.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { addRoute, type Route as KernelRoute } from '../../lib/netlink/routes.js'
import { type ContainerFile, inContainer } from '../../lib/netns/namespace.js'
import { monotonic, sleep } from '../../lib/sys/clock.js'
import { isErrno } from '../../lib/sys/errno.js'
import { hasIpv6, lackingIpv6 } from '../../lib/sysctl/ipv6.js'
import { preferSysctl, requireSysctl } from '../../lib/sysctl/sysctl.js'
import type { ContainerEnd } from './connect.js'
import { type Address, toKernelRoute } from './routes.js'

/**
 * What must be set before the link comes up, for a link that IPAM gives its addresses: it takes none from router
 * advertisements. To be run inside the container.
 */
export function setUpIpv6(ifName: string, families: readonly Family[], detectDuplicates: boolean): void {
  const ipv6 = `net/ipv6/conf/${ifName}`
  if (preferSysctl(`${ipv6}/accept_ra`, '0') === 'absent') return // no IPv6 here
  preferSysctl(`${ipv6}/autoconf`, '0')
  preferSysctl(`${ipv6}/accept_dad`, detectDuplicates ? '1' : '0')
  if (!families.includes(6)) return
  if (detectDuplicates) preferSysctl(`${ipv6}/enhanced_dad`, '1')
  preferSysctl(`${ipv6}/keep_addr_on_down`, '1')
}

export interface Wanted {
  readonly mac: string
  readonly addresses: readonly Address[]
  readonly routes: readonly Route[]
  readonly detectDuplicates: boolean
}

/** From when it is up: the kernel announces a MAC that somebody gives the link. */
const ANNOUNCING = { arpNotify: true }

/** Addresses, up, routes: in one batch where nothing is in the way. */
export function configure(
  container: Netlink,
  file: ContainerFile,
  { index, name, mac: born }: ContainerEnd,
  wanted: Wanted,
): void {
  const { mac, addresses, routes, detectDuplicates } = wanted
  const kernelRoutes = routes.map((route) => toKernelRoute(route, index, addresses))
  const first = addresses.map(({ prefix }) =>
    addAddress(index, { prefix, broadcast: broadcastOf(prefix), noDad: !detectDuplicates }, { exclusive: true }),
  )
  const requests = [...first, ...changeLink(index, { ...(mac === born ? {} : { mac }), up: true, ipv4: ANNOUNCING })]
  const waits = detectDuplicates && addresses.some(({ prefix }) => prefix.address.family === 6)
  if (!waits) requests.push(...kernelRoutes.map(routeRequest))
  const failures = container.batch(requests)
  const disabled = failures.some(({ index: at, error }) => at < first.length && isErrno(error, 'EACCES', 'EPERM'))
  if (disabled && addresses.some(({ prefix }) => prefix.address.family === 6)) {
    // Nothing is lost by asking again: what is there already is what we have just put there.
    inContainer(file, () => enableIpv6(name))
    for (const { index: at } of failures)
      retry(container, requests[at] as Request, kernelRoutes[at - requests.length + kernelRoutes.length], name)
  } else {
    for (const { index: at, error } of failures)
      settle(container, error, kernelRoutes[at - requests.length + kernelRoutes.length], name)
  }
  if (!waits) return
  waitForDuplicates(container, index, name)
  for (const route of kernelRoutes) addRouteOf(container, route, name)
}

/** IPv6 on `lo` as well, which local delivery goes through. */
function enableIpv6(ifName: string): void {
  for (const name of ['lo', ifName]) requireSysctl(`net/ipv6/conf/${name}/disable_ipv6`, '0')
  preferSysctl(`net/ipv6/conf/${ifName}/keep_addr_on_down`, '1')
}

function retry(container: Netlink, request: Request, route: KernelRoute | undefined, name: string): void {
  const [failure] = container.batch([request])
  if (failure !== undefined) settle(container, failure.error, route, name)
}

function settle(container: Netlink, error: Error, route: KernelRoute | undefined, name: string): void {
  if (route === undefined || !isErrno(error, 'EEXIST') || !isIpv6Default(route)) throw explained(error, name)
  addBehind(container, route, error, name)
}

/**
 * A route goes behind those that are there, so that another attachment's default route stays in use.
 * IPv6 has no order among equals, it would share the traffic between them: there a default route is
 * refused where there is one, and then tried with the next higher metric.
 */
function routeRequest(route: KernelRoute): Request {
  return addRoute(route, isIpv6Default(route) ? 'create-exclusive' : 'append')
}

function isIpv6Default({ to }: KernelRoute): boolean {
  return to !== 'default' && to.length === 0 && to.address.family === 6
}

function addRouteOf(container: Netlink, route: KernelRoute, name: string): void {
  const [failure] = container.batch([routeRequest(route)])
  if (failure !== undefined) settle(container, failure.error, route, name)
}

function addBehind(container: Netlink, route: KernelRoute, refused: Error, name: string): void {
  const ATTEMPTS = 16
  const DEFAULT_METRIC = 1024
  if (route.priority !== undefined || hasSame(container, route)) throw explained(refused, name)
  for (let n = 1; n <= ATTEMPTS; n++) {
    const [failure] = container.batch([routeRequest({ ...route, priority: DEFAULT_METRIC + n })])
    if (failure === undefined) return
    if (!isErrno(failure.error, 'EEXIST')) throw explained(failure.error, name)
  }
  throw explained(refused, name)
}

/** The very same route twice is a mistake of the list's. */
function hasSame(container: Netlink, { table, via, link }: KernelRoute): boolean {
  const there = container.routes.list({ family: 6, ...(table === undefined ? {} : { table }) })
  const next = (address: KernelRoute['via']) => String(address?.bytes ?? '')
  return there.some(
    (known) =>
      (known.to === 'default' || known.to.length === 0) && known.link === link && next(known.via) === next(via),
  )
}

/** Only with `enabledad`: until the kernel has asked the segment, the address is not to be used. */
function waitForDuplicates(container: Netlink, index: number, name: string): void {
  const PATIENCE = 5000
  const deadline = monotonic() + PATIENCE
  for (;;) {
    const addresses = container.addresses.list(index, 6)
    const duplicate = addresses.find(({ dadFailed }) => dadFailed)
    if (duplicate !== undefined) {
      throw new CniError(
        ErrorCode.AddressUnavailable,
        `IPv6 DAD failed: ${formatPrefix(duplicate.prefix)} is in use by another host on the segment`,
        `find it with: ip -6 neigh show (address of ${name})`,
      )
    }
    if (!addresses.some(({ tentative }) => tentative)) return
    if (monotonic() >= deadline) {
      throw new CniError(ErrorCode.TryAgainLater, `IPv6 DAD of ${name} did not finish within ${PATIENCE / 1000} s`)
    }
    sleep(20)
  }
}

function explained(error: Error, name: string): Error {
  if (isErrno(error, 'EOPNOTSUPP', 'EAFNOSUPPORT') && !hasIpv6())
    return lackingIpv6(`failed to configure ${JSON.stringify(name)} in the container: ${error.message}`)
  return toCniError(error, `failed to configure ${JSON.stringify(name)} in the container`)
}
