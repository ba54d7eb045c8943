/** The steps of ADD, in order. */

import type { NetworkConfig } from '../cni/config.js'
import type { Result } from '../cni/result.js'
import type { IpAddress } from '../ip/address.js'
import { formatPrefix } from '../ip/prefix.js'
import type { Link } from '../netlink/links/link.js'
import { inContainer } from '../netns/namespace.js'
import { warn } from '../sys/log.js'
import { announce, awaitCarrier, prepareAnnouncer } from './announce.js'
import { configure, setUpIpv6 } from './configure.js'
import { type Lease, leaseOf } from './lease.js'
import type { ContainerEnd, Made, Work } from './model.js'
import type { InterfacePlugin } from './plugin.js'
import type { Attached } from './record.js'
import { resultOf } from './result.js'
import { type Address, missingDefaultRoutes } from './routes.js'
import { addRules, plannedRules, removeRules } from './rules.js'
import type { InterfaceSettings } from './settings.js'
import { usableAddresses } from './usable-addresses.js'

export function attach<C extends NetworkConfig, S extends InterfaceSettings, M extends Made>(
  plugin: InterfacePlugin<C, S, M>,
  work: Work<C, S>,
): Result {
  const { request, settings, ipam, host, claim, steps } = work
  const { detectDuplicates = false, containerUp = true } = settings
  for (const doubt of plugin.doubts?.(settings) ?? []) warn(doubt)
  const lease = ipam === undefined ? undefined : leaseOf(ipam)
  // Before the link that is going to have the addresses: so they are given back after the link is gone.
  steps.pushFoundation('the lease', () => lease?.giveBack())
  const made = plugin.connect(work)
  const { container, hostEnd, attached } = made

  const { leased, addresses } = lease === undefined ? NONE : leaseAddresses(plugin, work, made, lease)
  const routes = [...(leased.routes ?? [])]
  if (settings.isDefaultGateway === true) routes.push(...missingDefaultRoutes(addresses, routes))

  const owned = addresses.map(({ prefix }) => prefix.address)
  const families = owned.map(({ family }) => family)
  const end = { ...made.end, mac: settings.mac ?? plugin.mac?.(settings, owned) ?? made.end.mac }
  let gateway: Link | undefined
  if (ipam !== undefined) {
    inContainer(work.file, () => setUpIpv6(end.name, families, detectDuplicates))
    const connected = plugin.connectedRoutes?.(end, addresses)
    configure(container, work.file, made.end, { mac: end.mac, addresses, routes, detectDuplicates, connected })
    gateway = plugin.addressed?.(work, made, addresses)
  } else if (containerUp) {
    container.links.change(end.index, { up: true })
  }
  const rules = plannedRules(request, settings, end.mac)
  const recorded: Attached = {
    ...attached,
    gatewayLink: gateway?.name ?? '',
    addresses: addresses.map(({ prefix }) => formatPrefix(prefix)),
    mac: end.mac,
    ...(rules === undefined ? {} : { rules }),
  }
  if (rules !== undefined) {
    claim.write('adding', recorded)
    steps.push('what is in nftables', () => removeRules(request, recorded))
    addRules(request, recorded)
  }
  if (hostEnd !== undefined && containerUp) awaitCarrier(host, hostEnd.index)
  // An IPv6 address cannot be used before the kernel has noticed the carrier of its link.
  if (hostEnd !== undefined && families.includes(6)) awaitCarrier(container, end.index)
  plugin.opened?.(work, made)
  claim.write('ready', recorded) // before there are entries that only the record knows of
  announceAll(work, made, end, plugin.announced?.(work, made, end, owned, gateway) ?? [])

  const around = plugin.interfaces?.(work, made, gateway) ?? {
    before: hostEnd === undefined ? [] : [hostEnd],
    after: [],
  }
  return resultOf(request, { ...around, end, addresses, routes, dns: leased.dns })
}

interface Leased {
  readonly leased: Result
  /** Those of `leased`, with gateways. */
  readonly addresses: readonly Address[]
}

const NONE: Leased = { leased: {}, addresses: [] }

/** Addresses that no other container has, as far as the plugin can tell. */
function leaseAddresses<C extends NetworkConfig, S extends InterfaceSettings, M extends Made>(
  plugin: InterfacePlugin<C, S, M>,
  work: Work<C, S>,
  made: M,
  lease: Lease,
): Leased {
  return lease.obtain((leased) => {
    const addresses = usableAddresses(leased, work.settings)
    return { found: { leased, addresses }, held: plugin.holder?.(work, made, addresses) }
  })
}

function announceAll<C extends NetworkConfig, S extends InterfaceSettings>(
  { file }: Work<C, S>,
  { container }: Made,
  end: ContainerEnd,
  addresses: readonly IpAddress[],
): void {
  if (addresses.length === 0) return
  const families = addresses.map(({ family }) => family)
  const announcer = inContainer(file, () => prepareAnnouncer(end.name, families))
  announce(announcer, container, end, addresses)
}
