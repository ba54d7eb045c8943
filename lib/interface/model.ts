/** Types that the files of this room share. */

import type { IpAddress } from '../ip/address.js'
import type { Link } from '../netlink/links/link.js'

/** The container's link. */
export type ContainerEnd = Pick<Link, 'index' | 'name' | 'mac' | 'mtu'>

/** Takes one difference that CHECK has found, in words. */
export type Differs = (difference: string) => void

/** An address that IPAM has given although another container has it. */
export interface Held {
  readonly address: IpAddress
  /** In words. */
  readonly holder: string
}
