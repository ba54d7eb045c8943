/** Routes (struct rtmsg and RTA_, include/uapi/linux/rtnetlink.h). */

import { type Family, formatAddress, type IpAddress } from '../ip/address.js'
import { formatPrefix, hostPrefix, type Prefix } from '../ip/prefix.js'
import { isErrno } from '../sys/errno.js'
import { attributes } from './codec/attributes.js'
import { type AttributeType, ip, u32, unmarked } from './codec/types.js'
import type { Writer } from './codec/writer.js'
import { familyNumber, familyOf } from './family.js'
import {
  type DescribeLink,
  type Message,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  type Request,
} from './message.js'
import { type Scope, scopeName, scopeNumber } from './scope.js'
import { EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH, type NetlinkSocket } from './socket.js'

const RTM_NEWROUTE = 24
const RTM_DELROUTE = 25
const RTM_GETROUTE = 26
const HEADER = 12

const RTNH_F_ONLINK = 4
const RTM_F_LOOKUP_TABLE = 0x1000
const RTM_F_FIB_MATCH = 0x2000

export const TABLE_MAIN = 254
export const TABLE_LOCAL = 255
/** Who made a route: the kernel itself, `ip route` and other tools at boot, the administrator. */
export const PROTOCOL_KERNEL = 2
export const PROTOCOL_BOOT = 3
export const PROTOCOL_STATIC = 4

/** RTN_, in the kernel's order. */
const TYPES = [
  'unspecified',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
] as const
export type RouteType = (typeof TYPES)[number]

/** RTAX_. */
const metrics = attributes({
  mtu: [2, u32],
  window: [3, u32],
  advertisedMss: [8, u32],
  hopLimit: [10, u32],
  initialCongestionWindow: [11, u32],
  initialReceiveWindow: [14, u32],
})

/** struct rtvia: a gateway of the other family. */
const via: AttributeType<IpAddress> = {
  write(writer, value) {
    writer.u16(familyNumber(value.family))
    writer.put(value.bytes)
  },
  read: (reader, start, end) => ip.read(reader, start + 2, end),
}

const routeAttributes = attributes({
  to: [1, ip],
  from: [2, ip],
  gateway: [5, ip],
  via: [18, via],
  source: [7, ip],
  metrics: [8, unmarked(metrics)],
  table: [15, u32],
  link: [4, u32],
  priority: [6, u32],
})

export interface Route {
  /** `default` needs a `family`, or a `via` of the same family. */
  readonly to: Prefix | 'default'
  readonly family?: Family | undefined
  /** Next hop; it may be of the other family (RFC 5549). */
  readonly via?: IpAddress | undefined
  /** Index of the link to leave by. */
  readonly link?: number | undefined
  /** Default 254, main. */
  readonly table?: number | undefined
  /** The metric; lower wins. Default 0 (IPv6: 1024). */
  readonly priority?: number | undefined
  /** Default 3, boot. */
  readonly protocol?: number | undefined
  /** Default: what `ip route` takes: link without a `via`, universe with one; host for local routes. */
  readonly scope?: Scope | undefined
  /** Default `unicast`. */
  readonly type?: RouteType | undefined
  /** `via` is on the link though no route says so. */
  readonly onlink?: boolean | undefined
  /** Preferred source address. */
  readonly source?: IpAddress | undefined
  readonly mtu?: number | undefined
  readonly advertisedMss?: number | undefined
  readonly hopLimit?: number | undefined
  readonly window?: number | undefined
  readonly initialCongestionWindow?: number | undefined
  readonly initialReceiveWindow?: number | undefined
}

/** A route as listed. One with several next hops has none of `via` and `link`. */
export interface KnownRoute extends Route {
  readonly family: Family
  readonly table: number
  readonly protocol: number
  readonly scope: Scope
  readonly type: RouteType
  readonly onlink: boolean
  /** RTNH_F_ bits: 1 dead, 16 link down. */
  readonly flags: number
}

export type RouteMode = 'create-exclusive' | 'replace' | 'append'

export interface RouteFilter {
  /** Default: both. */
  readonly family?: Family | undefined
  /** Default: all tables. */
  readonly table?: number | undefined
  readonly linkIndex?: number | undefined
  readonly protocol?: number | undefined
  readonly type?: RouteType | undefined
}

function routeFamily(route: Route): Family {
  if (route.to !== 'default') return route.to.address.family
  const family = route.family ?? route.via?.family ?? route.source?.family
  if (family === undefined) throw new TypeError('a default route needs a family or a next hop')
  return family
}

function describe(route: Route, link: DescribeLink): string {
  const to = route.to === 'default' ? 'default' : formatPrefix(route.to)
  const via = route.via === undefined ? '' : ` via ${formatAddress(route.via)}`
  return `${to}${via}${route.link === undefined ? '' : ` by ${link(route.link)}`}`
}

function writeHeader(
  writer: Writer,
  family: number,
  length: number,
  table: number,
  protocol: number,
  scope: number,
  type: number,
  flags: number,
): void {
  // Source prefix and type of service are zero; a table above 255 is an attribute.
  writer.u32(family | (length << 8))
  writer.u32((table < 256 ? table : 0) | (protocol << 8) | (scope << 16) | (type << 24))
  writer.u32(flags)
}

function writeRoute(writer: Writer, route: Route, protocol: number, scope: number, type: number): void {
  const family = routeFamily(route)
  const { to, table = TABLE_MAIN, link, priority, source, mtu, window, advertisedMss, hopLimit } = route
  const { initialCongestionWindow, initialReceiveWindow } = route
  const foreign = route.via !== undefined && route.via.family !== family
  const length = to === 'default' ? 0 : to.length
  const onlink = route.onlink === true ? RTNH_F_ONLINK : 0
  writeHeader(writer, familyNumber(family), length, table, protocol, scope, type, onlink)
  const all = { mtu, window, advertisedMss, hopLimit, initialCongestionWindow, initialReceiveWindow }
  const some = mtu ?? window ?? advertisedMss ?? hopLimit ?? initialCongestionWindow ?? initialReceiveWindow
  routeAttributes.write(writer, {
    to: to === 'default' || length === 0 ? undefined : to.address,
    gateway: foreign ? undefined : route.via,
    via: foreign ? route.via : undefined,
    source,
    metrics: some === undefined ? undefined : all,
    table: table < 256 ? undefined : table,
    link,
    priority,
  })
}

/** What ip-route(8) documents as its defaults. */
function defaultScope(route: Route, type: RouteType): number {
  if (routeFamily(route) === 6) return scopeNumber('universe')
  if (type === 'local') return scopeNumber('host')
  if (type === 'broadcast' || type === 'multicast' || type === 'anycast') return scopeNumber('link')
  return type === 'unicast' && route.via === undefined ? scopeNumber('link') : scopeNumber('universe')
}

const MODES: { readonly [M in RouteMode]: number } = {
  'create-exclusive': NLM_F_CREATE | NLM_F_EXCL,
  replace: NLM_F_CREATE | NLM_F_REPLACE,
  append: NLM_F_CREATE | NLM_F_APPEND,
}

/**
 * `create-exclusive`: EEXIST where destination, priority and table are taken. `replace`: takes the place of that one;
 * in IPv6 of the first such route. `append`: beside it.
 */
export function addRoute(route: Route, mode: RouteMode): Request {
  return {
    type: RTM_NEWROUTE,
    flags: MODES[mode],
    about: (link) => `${mode === 'replace' ? 'replace' : 'add'} route ${describe(route, link)}`,
    write(writer) {
      const { type = 'unicast', protocol = PROTOCOL_BOOT } = route
      const scope = route.scope === undefined ? defaultScope(route, type) : scopeNumber(route.scope)
      writeRoute(writer, route, protocol, scope, TYPES.indexOf(type))
    },
  }
}

/** Removes the first route that has everything given; ESRCH where there is none. Scope and type match any by default. */
export function removeRoute(route: Route): Request {
  return {
    type: RTM_DELROUTE,
    flags: 0,
    about: (link) => `remove route ${describe(route, link)}`,
    write(writer) {
      const type = route.type === undefined ? 0 : TYPES.indexOf(route.type)
      const anyScope = routeFamily(route) === 4 ? 'nowhere' : 'universe' // IPv6 has no scopes
      writeRoute(writer, route, route.protocol ?? 0, scopeNumber(route.scope ?? anyScope), type)
    },
  }
}

export function listRoutes(family: Family, filter: RouteFilter): Request {
  return {
    type: RTM_GETROUTE,
    flags: 0,
    about: () => 'list routes',
    write(writer) {
      const { table, protocol = 0, linkIndex: link, type } = filter
      const typeNumber = type === undefined ? 0 : TYPES.indexOf(type)
      writeHeader(writer, familyNumber(family), 0, 0, protocol, 0, typeNumber, 0)
      routeAttributes.write(writer, { table, link })
    },
  }
}

/** The route a packet to `address` would take; ENETUNREACH where there is none. */
export function getRoute(address: IpAddress, { entry = false } = {}): Request {
  return {
    type: RTM_GETROUTE,
    flags: 0,
    about: () => `get route to ${formatAddress(address)}`,
    write(writer) {
      const { length } = hostPrefix(address)
      // IPv6 always names the table and refuses the flag.
      const table = address.family === 4 ? RTM_F_LOOKUP_TABLE : 0
      writeHeader(writer, familyNumber(address.family), length, 0, 0, 0, 0, table | (entry ? RTM_F_FIB_MATCH : 0))
      routeAttributes.write(writer, { to: address })
    },
  }
}

/** Reads RTM_NEWROUTE; undefined for what is neither IPv4 nor IPv6. */
export function readRoute({ reader, start, end }: Message): KnownRoute | undefined {
  const { bytes, view } = reader
  const family = familyOf(bytes[start] as number)
  if (family === undefined) return undefined
  const a = routeAttributes.read(reader, start + HEADER, end)
  const flags = view.getUint32(start + 8, true)
  return {
    family,
    to: a.to === undefined ? 'default' : { address: a.to, length: bytes[start + 1] as number },
    via: a.gateway ?? a.via,
    link: a.link,
    table: a.table ?? (bytes[start + 4] as number),
    priority: a.priority,
    protocol: bytes[start + 5] as number,
    scope: scopeName(bytes[start + 6] as number),
    type: TYPES[bytes[start + 7] as number] ?? 'unspecified',
    onlink: (flags & RTNH_F_ONLINK) !== 0,
    flags,
    source: a.source,
    ...a.metrics,
  }
}

/** Answers where no route leads: none at all, or one of type `unreachable`, `blackhole` or `prohibit`. */
const UNREACHABLE = [ENETUNREACH, EHOSTUNREACH, EINVAL, EACCES]

export class Routes {
  constructor(private readonly socket: NetlinkSocket) {}

  add(route: Route, mode: RouteMode): void {
    this.socket.request(addRoute(route, mode))
  }

  /** Throws NetlinkError ESRCH where there is no such route. */
  remove(route: Route): void {
    this.socket.request(removeRoute(route))
  }

  /** Those that match, selected by the kernel. */
  list(filter: RouteFilter = {}): KnownRoute[] {
    if (filter.family !== undefined) return this.listFamily(filter.family, filter)
    return [...this.listFamily(4, filter), ...this.listFamily(6, filter)]
  }

  private listFamily(family: Family, filter: RouteFilter): KnownRoute[] {
    try {
      return this.socket.dump(listRoutes(family, filter), readRoute)
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [] // a table nobody has used
      throw error
    }
  }

  /** The route a packet to `address` would take; undefined where none leads there. */
  get(address: IpAddress): KnownRoute | undefined {
    return this.socket.find(getRoute(address), (message) => readRoute(message) as KnownRoute, UNREACHABLE)
  }

  /**
   * The entry of a table that such a packet's route comes from (Linux 4.13; an older one answers as to `get`). A source
   * is not chosen for it: for IPv6 that means a look at the addresses of every link. Undefined where there is none.
   */
  match(address: IpAddress): KnownRoute | undefined {
    const request = getRoute(address, { entry: true })
    return this.socket.find(request, (message) => readRoute(message) as KnownRoute, UNREACHABLE)
  }
}
