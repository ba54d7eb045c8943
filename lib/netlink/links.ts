/** Links of a namespace: find, make, change and delete them. */

import { isErrno } from '../sys/errno.js'
import { IFF_UP } from './links/attributes.js'
import type { LinkSpec } from './links/kinds.js'
import { type Link, type OperationalState, readLink, readOperationalState, readRouteLocalnet } from './links/link.js'
import { type BridgePort, setPort } from './links/port.js'
import {
  changeLink,
  completeLink,
  createLink,
  deleteLink,
  getLink,
  type LinkChange,
  type LinkFilter,
  listLinks,
} from './links/requests.js'
import { addVlan, listVlans, readVlans, removeVlan, type Vlan, type VlanSpec } from './links/vlan.js'
import type { Message } from './message.js'
import { ENODEV, type NetlinkSocket } from './socket.js'

export class Links {
  constructor(private readonly socket: NetlinkSocket) {}

  private readonly read = (message: Message): Link => {
    const link = readLink(message)
    this.socket.linkNames.learn(link)
    return link
  }

  /** For a link that nothing has been read of yet: what errors are to call it. */
  learn(link: Pick<Link, 'index' | 'name'>): void {
    this.socket.linkNames.learn(link)
  }

  /** By name or index; throws NetlinkError ENODEV where there is none. */
  get(which: string | number): Link {
    return this.socket.get(getLink(which), this.read)
  }

  /** By name or index, in this namespace or in one by its number here; undefined where there is none. */
  find(which: string | number, namespaceId?: number): Link | undefined {
    // Indexes of another namespace are others' names here.
    return this.ask(which, namespaceId === undefined ? this.read : readLink, namespaceId)
  }

  /** Of a link by its index, without all that else is to be known of it. Throws NetlinkError ENODEV where there is none. */
  operationalState(index: number): OperationalState {
    return this.socket.get(getLink(index), readOperationalState)
  }

  /** Whether packets of 127/8 may pass a link (net.ipv4.conf.LINK.route_localnet). False where there is no such link. */
  routesLocalnet(which: string | number): boolean {
    return this.ask(which, readRouteLocalnet) ?? false
  }

  private ask<T>(which: string | number, read: (message: Message) => T, namespaceId?: number): T | undefined {
    return this.socket.find(getLink(which, namespaceId), read, [ENODEV])
  }

  /** Those that match, selected by the kernel. */
  list(filter: LinkFilter = {}): Link[] {
    return this.socket.dump(listLinks(filter), this.read)
  }

  /**
   * Creates a link and returns it as the kernel announced it (state and port are of that moment). Throws NetlinkError
   * EEXIST where the name (or the tunnel's id) is taken. If what it is as a bridge port, its alias, address generation mode
   * or up cannot be set afterwards, the link is deleted again. A link born in another namespace (`namespaceFd`) cannot be
   * completed from here: all of those are refused.
   */
  create(spec: LinkSpec): Link {
    const rest = completeLink(spec)
    const completed = rest !== undefined || spec.bridgePort !== undefined
    if (spec.namespaceFd !== undefined && completed) {
      throw new TypeError(
        `link ${spec.name} is born elsewhere: set alias, address generation mode, bridge port and up there`,
      )
    }
    const echo = this.socket.requestEcho(createLink(spec), this.read)
    // Kernels before 6.2 send no echo.
    const link = echo ?? this.get(spec.name)
    if (completed) {
      try {
        this.apply(link.index, rest ?? {}, spec.bridgePort)
      } catch (error) {
        this.deleteIfPresent(link.index)
        throw error
      }
    }
    return {
      ...link,
      flags: spec.up === true ? link.flags | IFF_UP : link.flags,
      up: spec.up === true || link.up,
      alias: spec.alias,
      master: spec.master ?? link.master,
      addressGenerationMode: spec.addressGenerationMode ?? link.addressGenerationMode,
    }
  }

  /** What failed because the link has vanished leaves none to delete. */
  private deleteIfPresent(index: number): void {
    try {
      this.delete(index)
    } catch (error) {
      if (!isErrno(error, 'ENODEV')) throw error
    }
  }

  /** Throws NetlinkError ENODEV where there is none. A veth takes its peer along. */
  delete(index: number): void {
    this.socket.request(deleteLink(index))
  }

  /**
   * Changes what is given. Where the kernel has no IPv6, or the link's MTU is too small for it, an address generation
   * mode is moot and ignored.
   */
  change(index: number, change: LinkChange): void {
    this.apply(index, change)
  }

  private apply(index: number, change: LinkChange, port?: BridgePort): void {
    const requests = [...(port === undefined ? [] : [setPort(index, port)]), ...changeLink(index, change)]
    for (const { error } of this.socket.batch(requests)) {
      if (change.addressGenerationMode === undefined || error.code !== 'EAFNOSUPPORT') throw error
      // The kernel checks the families before anything else, so nothing of that request was done.
      const { addressGenerationMode: _, ...rest } = change
      this.change(index, rest)
      return
    }
  }

  /** Changes what is given of a bridge's port. */
  setPort(index: number, port: BridgePort): void {
    this.socket.request(setPort(index, port))
  }

  addVlan(port: number, vlan: VlanSpec): void {
    this.socket.request(addVlan(port, vlan))
  }

  removeVlan(port: number, vlan: VlanSpec): void {
    this.socket.request(removeVlan(port, vlan))
  }

  /** VLANs of a port, or of a bridge itself. Linux 5.6. */
  vlans(index: number): Vlan[] {
    return this.socket.dump(listVlans(index), readVlans).flat()
  }
}
