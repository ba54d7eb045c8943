/** The container's end: its settings, addresses and routes. */

import { CniError, ErrorCode, toCniError } from '../cni/error.js'
import type { Route } from '../cni/result.js'
import { equalAddresses, type Family } from '../ip/address.js'
import { broadcastOf, containsAddress, formatPrefix, type Prefix } from '../ip/prefix.js'
import { addAddress } from '../netlink/addresses.js'
import { changeLink } from '../netlink/links/requests.js'
import type { Request } from '../netlink/message.js'
import type { Netlink } from '../netlink/netlink.js'
import { addRoute, type Route as KernelRoute } from '../netlink/routes.js'
import { type ContainerFile, inContainer } from '../netns/namespace.js'
import { monotonic, sleep } from '../sys/clock.js'
import { isErrno } from '../sys/errno.js'
import { hasIpv6, lackingIpv6 } from '../sysctl/ipv6.js'
import { preferSysctl, requireSysctl } from '../sysctl/sysctl.js'
import { addBehind, routeRequest } from './add-route.js'
import type { ContainerEnd } from './model.js'
import { connectedMetric, gatewayRoutes } from './own-subnet.js'
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
  /** Routes in the place of the kernel's own for each address. Undefined: the kernel's own. */
  readonly connected?: readonly KernelRoute[] | undefined
}

/** From when it is up: the kernel announces a MAC that somebody gives the link. */
const ANNOUNCING = { arpNotify: true }

/** One request of those that configure the link, and what it is for: that decides what follows a refusal. */
interface Step {
  readonly request: Request
  readonly address?: Prefix
  readonly route?: KernelRoute
}

/** Addresses, up, routes: in one batch where nothing is in the way. */
export function configure(container: Netlink, file: ContainerFile, end: ContainerEnd, wanted: Wanted): void {
  const { addresses, routes, detectDuplicates, connected = [] } = wanted
  const kernelRoutes = routes
    .map((route) => toKernelRoute(route, end.index, addresses))
    .map((route) => (wanted.connected === undefined ? route : asOnLink(route, addresses)))
  const link = linkSteps(end, wanted, kernelRoutes)
  const ways = [...connected.map((route) => ({ request: routeRequest(route) })), ...routeSteps(addresses, kernelRoutes)]
  if (detectDuplicates && addresses.some(({ prefix }) => prefix.address.family === 6)) {
    apply(container, file, end.name, link)
    waitForDuplicates(container, end.index, end.name)
    apply(container, file, end.name, ways)
  } else {
    apply(container, file, end.name, [...link, ...ways])
  }
}

/**
 * Without the kernel's route to the subnet it takes a next hop of the subnet only where it is said to be on the link. For
 * the gateway itself there is a route.
 */
function asOnLink(route: KernelRoute, addresses: readonly Address[]): KernelRoute {
  const { via } = route
  if (via === undefined || !addresses.some(({ prefix }) => containsAddress(prefix, via))) return route
  const isGateway = addresses.some(({ gateway }) => gateway !== undefined && equalAddresses(gateway, via))
  return isGateway ? route : { ...route, onlink: true }
}

function linkSteps({ index, mac: born }: ContainerEnd, wanted: Wanted, routes: readonly KernelRoute[]): Step[] {
  const { mac, addresses, detectDuplicates, connected } = wanted
  const noPrefixRoute = connected !== undefined
  const change = { ...(mac === born ? {} : { mac }), up: true, ipv4: ANNOUNCING }
  return [
    ...addresses.map(({ prefix }) => {
      const spec = { prefix, broadcast: broadcastOf(prefix), noDad: !detectDuplicates, noPrefixRoute }
      const metric = connectedMetric(prefix, routes)
      return { request: addAddress(index, { ...spec, metric }, { exclusive: true }), address: prefix }
    }),
    ...changeLink(index, change).map((request) => ({ request })),
  ]
}

function routeSteps(addresses: readonly Address[], routes: readonly KernelRoute[]): Step[] {
  const prefixes = addresses.map(({ prefix }) => prefix)
  return [
    ...gatewayRoutes(prefixes, routes).map((route) => ({ request: addRoute(route, 'replace') })),
    ...routes.map((route) => ({ request: routeRequest(route), route })),
  ]
}

function apply(container: Netlink, file: ContainerFile, name: string, steps: readonly Step[]): void {
  const failures = container.batch(steps.map(({ request }) => request))
  const refused = failures.map(({ index, error }) => ({ step: steps[index] as Step, error }))
  if (!refused.some(lacksIpv6)) {
    for (const { step, error } of refused) settle(container, step, error, name)
    return
  }
  inContainer(file, () => enableIpv6(name))
  for (const { step } of refused) {
    const [failure] = container.batch([step.request])
    if (failure !== undefined) settle(container, step, failure.error, name)
  }
}

function lacksIpv6({ step: { address }, error }: { readonly step: Step; readonly error: Error }): boolean {
  return address?.address.family === 6 && isErrno(error, 'EACCES', 'EPERM')
}

/** IPv6 on `lo` as well, which local delivery goes through. */
function enableIpv6(ifName: string): void {
  for (const name of ['lo', ifName]) requireSysctl(`net/ipv6/conf/${name}/disable_ipv6`, '0')
  preferSysctl(`net/ipv6/conf/${ifName}/keep_addr_on_down`, '1')
}

function settle(container: Netlink, { route }: Step, refused: Error, name: string): void {
  const error = route === undefined ? refused : addBehind(container, route, refused)
  if (error !== undefined) throw explained(error, name)
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
