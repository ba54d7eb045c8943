/** Types that the files of this room share. */

import type { NetworkConfig } from '../cni/config.js'
import type { Delegate } from '../cni/delegate.js'
import type { AddRequest, CheckRequest } from '../cni/request.js'
import type { IpAddress } from '../ip/address.js'
import type { Link } from '../netlink/links/link.js'
import type { Netlink } from '../netlink/netlink.js'
import type { ContainerFile } from '../netns/namespace.js'
import type { Claim } from '../store/record.js'
import type { Rollback } from '../store/rollback.js'
import type { Attached } from './record.js'
import type { InterfaceSettings } from './settings.js'

/** The container's link. */
export type ContainerEnd = Pick<Link, 'index' | 'name' | 'mac' | 'mtu'>

/** What an ADD works with. */
export interface Work<C extends NetworkConfig = NetworkConfig, S extends InterfaceSettings = InterfaceSettings> {
  readonly request: AddRequest<C>
  readonly settings: S
  /** Undefined at layer 2. */
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

/** What `connect` has made. */
export interface Made {
  readonly container: Netlink
  readonly end: ContainerEnd
  /** The host's end of a pair; undefined for a link that has none. */
  readonly hostEnd?: Link | undefined
  /** The record, which names it. */
  readonly attached: Attached
}

/** What CHECK works with. */
export interface Look<C extends NetworkConfig, S extends InterfaceSettings> {
  readonly request: CheckRequest<C>
  readonly settings: S
  readonly host: Netlink
  readonly container: Netlink
  readonly differs: Differs
}

/** Takes one difference that CHECK has found, in words. */
export type Differs = (difference: string) => void

/** An address that IPAM has given although another container has it. */
export interface Held {
  readonly address: IpAddress
  /** In words. */
  readonly holder: string
  /** What both are on, in words: `bridge "cni0"`. */
  readonly segment: string
}
