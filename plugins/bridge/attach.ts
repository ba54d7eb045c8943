/** The steps of ADD, in order. */

import type { Delegate } from '../../lib/cni/delegate.js'
import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { AddRequest } from '../../lib/cni/request.js'
import type { Dns, Interface, Result } from '../../lib/cni/result.js'
import { announce, awaitCarrier, prepareAnnouncer } from '../../lib/interface/announce.js'
import { configure, setUpIpv6 } from '../../lib/interface/configure.js'
import { type Lease, leaseOf } from '../../lib/interface/lease.js'
import { subnetOf } from '../../lib/interface/leased-from.js'
import { isBound, ownMac } from '../../lib/interface/mac.js'
import type { ContainerEnd } from '../../lib/interface/model.js'
import { type Address, addressesOf, gatewayFor, missingDefaultRoutes } from '../../lib/interface/routes.js'
import { formatAddress, type IpAddress } from '../../lib/ip/address.js'
import { formatPrefix } from '../../lib/ip/prefix.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { type ContainerFile, inContainer } from '../../lib/netns/namespace.js'
import type { Claim } from '../../lib/store/record.js'
import type { Rollback } from '../../lib/store/rollback.js'
import { warn } from '../../lib/sys/log.js'
import { findHolder } from './address-holder.js'
import type { Attached } from './attached.js'
import { type BridgeConfig, leaseDirectoryOf, type Settings, stateDirOf } from './config.js'
import { connect } from './connect.js'
import { gatewayDoubts, keysWithoutEffect } from './doubts.js'
import { admitsPods, droppedDoubts } from './dropped.js'
import { isFixed, isOurs } from './ensure-bridge.js'
import { ensureGateway, ensureVlanGateway } from './gateway.js'
import { refuseMacOfOthers, refuseTakenMac } from './mac-holder.js'
import { rememberNeighbours } from './neighbours.js'
import { sharedSubnets } from './node-subnets.js'
import { openPort } from './port.js'
import { addRules, plannedRules, removeRules } from './ruleset.js'
import { type Segment, segmentOf } from './segment.js'

/** What an ADD works with. */
export interface Work {
  readonly request: AddRequest<BridgeConfig>
  readonly settings: Settings
  /** Absent at layer 2. */
  readonly ipam: Delegate | undefined
  readonly file: ContainerFile
  readonly host: Netlink
  /** The attachment's. */
  readonly key: string
  readonly claim: Claim<Attached>
  /** The record so far. */
  readonly planned: Attached
  readonly steps: Rollback
}

export function attach(work: Work): Result {
  const { request, settings, ipam, file, host, key, claim, steps } = work
  for (const doubt of keysWithoutEffect(settings)) warn(doubt)
  const lease = ipam === undefined ? undefined : leaseOf(ipam, settings.bridge)
  // Before the link that is going to have the addresses: so they are given back after the link is gone.
  steps.pushFoundation('the lease', () => lease?.giveBack())
  const { bridge, pair, end: born, container, attached } = connect(work)

  const segment = segmentOf(host, bridge, settings)
  if (settings.mac !== undefined) refuseTakenMac(segment, stateDirOf(request.config), key, settings.mac)
  const { leased, addresses } = lease === undefined ? NONE : leaseAddresses(work, lease, segment, pair)
  const routes = [...(leased.routes ?? [])]
  if (settings.isDefaultGateway) routes.push(...missingDefaultRoutes(addresses, routes))

  const owned = addresses.map(({ prefix }) => prefix.address)
  const families = owned.map(({ family }) => family)
  const end = { ...born, mac: settings.mac ?? ownMac(settings.ipam, owned) ?? born.mac }
  let gateway: Link | undefined
  if (ipam !== undefined) {
    const { detectDuplicates } = settings
    inContainer(file, () => setUpIpv6(end.name, families, detectDuplicates))
    configure(container, file, born, { mac: end.mac, addresses, routes, detectDuplicates })
    if (settings.isGateway) {
      gateway = settings.port.vlan === 0 ? bridge : ensureVlanGateway(host, bridge, settings.port.vlan)
      if (ensureGateway(host, gateway, bridge, pair.index, addresses, settings)) warnOfDoubts(work, pair.mtu, addresses)
    }
  } else if (settings.containerUp) {
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
    addRules(request, recorded, stateDirOf(request.config))
  }
  if (settings.containerUp) awaitCarrier(host, pair.index)
  // An IPv6 address is nobody's until its link's carrier is noticed.
  if (families.includes(6)) awaitCarrier(container, end.index)
  openPort(host, bridge, pair.index, settings)
  claim.write('ready', recorded) // before there are entries that only the record knows of
  let mistaken: IpAddress[] = []
  if (gateway !== undefined) {
    mistaken = rememberNeighbours(host, gateway.index, end.mac, owned, steps)
  }
  // Of IPv6 addresses, which are seldom given away twice, the host knows what the containers of its own bridge know. Who
  // else is on a bridge that it is not the gateway of, or that is somebody else's, nobody knows.
  const knows = gateway !== undefined && isOurs(bridge)
  const sure = (one: IpAddress) => knows && (one.family === 6 || isBound(one, end.mac))
  const told = owned.filter((one) => mistaken.includes(one) || !sure(one))
  if (told.length > 0) {
    const concerned = told.map(({ family }) => family)
    announce(
      inContainer(file, () => prepareAnnouncer(end.name, concerned)),
      container,
      end,
      told,
    )
  }
  const interfaces = [entry(keepMac(host, bridge, pair)), entry(pair), { ...entry(end), sandbox: request.netns }]
  if (gateway !== undefined && gateway.index !== bridge.index) interfaces.push(entry(gateway))

  const own = {
    interfaces,
    ips: addresses.map(({ prefix, gateway: via }) => ({
      address: formatPrefix(prefix),
      ...(via === undefined ? {} : { gateway: formatAddress(via) }),
      interface: 2,
    })),
    routes,
    dns: dnsOf(request.config.dns, leased.dns),
  }
  return request.prevResult === undefined ? own : extend(request.prevResult, own)
}

interface Leased {
  readonly leased: Result
  /** Those of `leased`, with gateways. */
  readonly addresses: readonly Address[]
}

const NONE: Leased = { leased: {}, addresses: [] }

/** Addresses that no other container of the segment has. */
function leaseAddresses({ request, settings }: Work, lease: Lease, segment: Segment, own: Link): Leased {
  const { config, network } = request
  const dataDir = settings.ipam === 'host-local' ? leaseDirectoryOf(config) : undefined
  const store = dataDir === undefined ? undefined : { dataDir, network }
  return lease.obtain((leased) => {
    const addresses = withGateways(leased, settings)
    const prefixes = addresses.map(({ prefix }) => prefix)
    if (settings.mac !== undefined) refuseMacOfOthers(segment, prefixes, settings.mac)
    const held = findHolder(
      segment,
      own,
      prefixes.map(({ address }) => address),
      store,
    )
    return { found: { leased, addresses }, held }
  })
}

function warnOfDoubts({ request, host, settings }: Work, mtu: number, addresses: readonly Address[]): void {
  const subnets = addresses.map(({ prefix }) => subnetOf(prefix))
  const shared = sharedSubnets(host, settings.bridge, subnets)
  for (const doubt of gatewayDoubts(host, settings, mtu, subnets, shared)) warn(doubt)
  if (!admitsPods(request)) for (const doubt of droppedDoubts(host, settings, subnets)) warn(doubt)
}

/** What IPAM leased, with the gateway that isGateway implies. Throws where it is of no use. */
function withGateways(leased: Result, { ipam, isGateway, mtu }: Settings): Address[] {
  const addresses = addressesOf(leased)
  if (addresses.length === 0) {
    throw new CniError(
      ErrorCode.DelegateFailed,
      `IPAM plugin "${ipam}" returned missing IP config`,
      'its result has no "ips"',
    )
  }
  if (mtu !== undefined && mtu < 1280 && addresses.some(({ prefix }) => prefix.address.family === 6)) {
    throw new CniError(
      ErrorCode.InvalidConfig,
      `invalid configuration: mtu ${mtu} is too small for IPv6`,
      'IPv6 needs at least 1280 (RFC 8200): raise "mtu", or lease no IPv6 addresses',
    )
  }
  return isGateway ? addresses.map((address) => ({ ...address, gateway: gatewayFor(address) })) : addresses
}

function entry({ name, mac, mtu }: ContainerEnd): Interface {
  return { name, mac, mtu }
}

/**
 * The bridge as it is now. One that was made without a MAC may have taken our port's: it gets its own back, for good.
 * Where MAC and MTU cannot have changed, it need not be asked.
 */
function keepMac(host: Netlink, bridge: Link, pair: Link): Link {
  if (isFixed(bridge) && bridge.mtu === pair.mtu) return bridge
  const now = host.links.get(bridge.index)
  if (now.mac !== pair.mac) return now
  host.links.change(bridge.index, { mac: bridge.mac })
  return { ...now, mac: bridge.mac }
}

/** The configuration's word counts where it says anything, be it an empty list; what is empty is not told. */
function dnsOf(configured: Dns | undefined, leased: Dns | undefined): Dns {
  if (configured === undefined) return leased ?? {}
  const { nameservers, domain = '', search, options } = configured
  if (nameservers === undefined && search === undefined && options === undefined && domain === '') return leased ?? {}
  return {
    ...((nameservers ?? []).length === 0 ? {} : { nameservers }),
    ...(domain === '' ? {} : { domain }),
    ...((search ?? []).length === 0 ? {} : { search }),
    ...((options ?? []).length === 0 ? {} : { options }),
  } as Dns
}

/** The result of the plugins before, with ours behind it. */
function extend(before: Result, own: Required<Result>): Result {
  const offset = before.interfaces?.length ?? 0
  return {
    ...before,
    interfaces: [...(before.interfaces ?? []), ...own.interfaces],
    ips: [...(before.ips ?? []), ...own.ips.map((ip) => ({ ...ip, interface: (ip.interface ?? 0) + offset }))],
    routes: [...(before.routes ?? []), ...own.routes],
    dns: Object.keys(own.dns).length > 0 ? own.dns : (before.dns ?? {}),
  }
}
