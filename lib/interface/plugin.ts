/**
 * An interface plugin: what differs from plugin to plugin is in `InterfacePlugin`, all else that ADD, DEL, CHECK, GC and
 * STATUS do is in this room. The order of an ADD:
 *
 *     settings -> record -> connect -> lease -> addresses, routes -> addressed -> nftables -> opened -> ready -> announced
 *
 * Whatever throws on the way has everything undone, last step first, the lease after the link.
 */

import type { NetworkConfig } from '../cni/config.js'
import type { StatusRequest } from '../cni/request.js'
import type { Interface, Result } from '../cni/result.js'
import type { Schema } from '../cni/schema.js'
import type { IpAddress } from '../ip/address.js'
import type { Link } from '../netlink/links/link.js'
import type { Netlink } from '../netlink/netlink.js'
import type { Route as KernelRoute } from '../netlink/routes.js'
import type { ContainerEnd, Held, Look, Made, Work } from './model.js'
import type { Attached } from './record.js'
import type { Address } from './routes.js'
import type { InterfaceSettings, SettingsRequest } from './settings.js'

/**
 * `C`: the configuration as the schema lets it through. `S`: the settings that follow from it. `M`: what `connect` makes, which
 * later steps are given. Every step of ADD may throw; one that changes what outlives the container's link pushes its undo to
 * `work.steps` first.
 */
export interface InterfacePlugin<C extends NetworkConfig, S extends InterfaceSettings, M extends Made = Made> {
  /** The plugin's, and that of the folder of its records. */
  readonly name: string
  readonly schema: Schema
  /** Reads CNI_ARGS: what are no KEY=value pairs is refused on ADD and CHECK. */
  readonly usesArgs?: boolean
  /**
   * Kind of the container's link, as the kernel calls it: DEL deletes no other. A `veth` is found by its end on the host
   * (`createPair`), any other kind by its alias in the container (`createInside`).
   */
  readonly kind: string
  /** Makes the settings for ADD, CHECK and STATUS. Throws code 7 for everything that can be known to be wrong beforehand. */
  settings(request: SettingsRequest<C>): S
  /** Returns what is wrong with the settings, but not so that ADD must fail: a warning for ADD and STATUS, a failure for CHECK. */
  doubts?(settings: S): readonly string[]
  /** Makes the container's link, down and without addresses, and the host's part of it. */
  connect(work: Work<C, S>): M
  /** Finds another container that has one of the addresses: then IPAM is asked for others. Throws code 103 for a MAC in use. */
  holder?(work: Work<C, S>, made: M, addresses: readonly Address[]): Held | undefined
  /** The MAC for a container that asked for none. Default: the one that `connect` made the link with. */
  mac?(settings: S, addresses: readonly IpAddress[]): string | undefined
  /**
   * The routes in the container that take the place of the kernel's own route for each address. Default: the kernel's own.
   */
  connectedRoutes?(end: ContainerEnd, addresses: readonly Address[]): readonly KernelRoute[]
  /** The host's part of the addresses, when the container has them. Returns the link that has the gateway's, if the host remembers neighbours there. */
  addressed?(work: Work<C, S>, made: M, addresses: readonly Address[]): Link | undefined
  /** When everything is in place and the carrier is there: the last step before the record is `ready`. */
  opened?(work: Work<C, S>, made: M): void
  /** Returns the addresses to announce to the segment. `end` has its final MAC. Default: none. */
  announced?(
    work: Work<C, S>,
    made: M,
    end: ContainerEnd,
    addresses: readonly IpAddress[],
    gateway: Link | undefined,
  ): readonly IpAddress[]
  /** The interfaces of the result, but for the container's own. Default: the host's end of a pair before it. */
  interfaces?(work: Work<C, S>, made: M, gateway: Link | undefined): Around
  /** What outlives the links of an attachment and no record of a step removes. Not for links, leases and nftables. */
  forget?(host: Netlink, attached: Attached): void
  /**
   * CHECK of what differs; link, addresses, routes and nftables are checked already. `link` is undefined where the container's is
   * gone or another, `addresses` are those of prevResult.
   */
  check?(look: Look<C, S>, link: Link | undefined, addresses: readonly Address[], previous: Result): void
  /** STATUS of what differs. Throws code 50 where no container of this node could be attached. */
  status?(request: StatusRequest<C>, settings: S, host: Netlink): void
}

/** Around the container's interface in a result. */
export interface Around {
  readonly before: readonly Interface[]
  readonly after: readonly Interface[]
}
