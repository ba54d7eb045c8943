/** What is there, as iproute2 and the lease files say it: the plugins' own results are not asked. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { Netns } from '../../lib/testing/netns.js'
import type { Host } from './host.js'

export interface Interface {
  readonly index: number
  readonly name: string
  readonly kind: string | undefined
  readonly mac: string
  readonly mtu: number
  readonly up: boolean
  /** Index of the other end of a veth. */
  readonly peer: number | undefined
  /** With prefix length, without link-local ones of IPv6. */
  readonly addresses: readonly string[]
}

export interface Lease {
  readonly address: string
  readonly container: string
  readonly ifName: string
}

export function interfacesOf(netns: Netns): Interface[] {
  return netns.ip('addr', 'show').map((link) => ({
    index: link.ifindex,
    name: link.ifname,
    kind: link.linkinfo?.info_kind,
    mac: link.address,
    mtu: link.mtu,
    up: link.flags.includes('UP'),
    peer: link.link_index,
    addresses: link.addr_info
      .filter(({ family, scope }: { family: string; scope: string }) => family === 'inet' || scope !== 'link')
      .map(({ local, prefixlen }: { local: string; prefixlen: number }) => `${local}/${prefixlen}`),
  }))
}

/** Routes that somebody made, `10.244.2.0/24 via 10.0.0.2`; the kernel's own are left out. */
export function routesOf(netns: Netns): { to: string; via: string | undefined; link: string }[] {
  return ['-4', '-6'].flatMap((family) =>
    netns
      .ip(family, 'route', 'show')
      .filter(({ protocol }) => protocol !== 'kernel')
      .map(({ dst, gateway, dev }) => ({ to: dst, via: gateway, link: dev })),
  )
}

/** Files of host-local's store whose name is an address. */
export function leasesOf({ dataDir, conflist }: Host): Lease[] {
  const folder = `${dataDir}/${conflist.name}`
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.includes('.') || name.includes(':'))
    .filter((name) => !name.startsWith('last_reserved_ip'))
    .map((address) => {
      const [container = '', ifName = ''] = readFileSync(`${folder}/${address}`, 'utf8').split('\r\n')
      return { address, container, ifName }
    })
}
