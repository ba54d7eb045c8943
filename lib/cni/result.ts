/**
 * The result of ADD in the shape of 1.1.0, which every plugin thinks in; older shapes exist only at
 * the door (convert.ts). https://www.cni.dev/docs/spec/#add-success
 *
 * Members nobody here knows are kept: a later plugin may.
 */

export interface Result {
  interfaces?: Interface[]
  ips?: Ip[]
  routes?: Route[]
  dns?: Dns
}

export interface Interface {
  name: string
  /** Absent for hardware without a link-layer address. */
  mac?: string
  mtu?: number
  /** The namespace path as the runtime gave it; absent or empty for an interface of the host. */
  sandbox?: string
  socketPath?: string
  pciID?: string
}

export interface Ip {
  /** With prefix length, host bits kept: `10.1.2.5/24`. */
  address: string
  gateway?: string
  /** Index into `interfaces`; an IPAM plugin leaves it out. */
  interface?: number
}

export interface Route {
  /** With prefix length: `0.0.0.0/0`. */
  dst: string
  gw?: string
  mtu?: number
  advmss?: number
  priority?: number
  table?: number
  scope?: number
}

export interface Dns {
  nameservers?: string[]
  domain?: string
  search?: string[]
  options?: string[]
}
