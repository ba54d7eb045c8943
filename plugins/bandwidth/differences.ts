/** CHECK: the buckets are as ADD set them, and what leaves the container goes through one. */

import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { getQdisc, readQdisc } from '../../lib/netlink/tc/qdisc.js'
import { isErrno } from '../../lib/sys/errno.js'
import { bucketFor, type Limit, uselessLimits } from './config.js'
import { ifbName } from './ifb.js'
import type { Wanted } from './wanted.js'

export function differences(host: Netlink, key: string, { veth, shaping }: Wanted): string[] {
  const { ingress, egress } = shaping
  return [
    ...uselessLimits(shaping),
    ...(ingress === undefined ? [] : compare(host, veth, ingress, veth.mtu)),
    ...(egress === undefined ? [] : compareEgress(host, key, veth, egress)),
  ]
}

function compareEgress(host: Netlink, key: string, veth: Link, egress: Limit): string[] {
  const found: string[] = []
  const name = ifbName(key)
  const ifb = host.links.find(name)
  if (ifb?.kind !== 'ifb') found.push(`ifb ${name} is missing`)
  else {
    if (!ifb.up) found.push(`ifb ${name} is down`)
    found.push(...compare(host, ifb, egress, veth.mtu))
  }
  if (qdiscOf(host, veth, 'ingress')?.kind !== 'ingress') {
    found.push(`${veth.name} has no ingress qdisc, so what leaves the container is not limited`)
  }
  return found
}

function qdiscOf(host: Netlink, { index }: Link, where: 'root' | 'ingress') {
  try {
    return host.socket.requestEcho(getQdisc(index, where), readQdisc)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EINVAL')) return undefined
    throw error
  }
}

function compare(host: Netlink, link: Link, limit: Limit, mtu: number): string[] {
  const wanted = bucketFor(limit, mtu)
  const bucket = qdiscOf(host, link, 'root')?.bucket
  if (bucket === undefined) return [`${link.name} has no token bucket`]
  // The kernel tells a burst as the time it takes, in ticks of 64 ns and 32 bits: of 274 s and more only what is over.
  const told = wanted.burst % (wanted.rate * 2 ** 32 * 64e-9)
  const isClose = Math.abs(bucket.burst - told) <= 1 + wanted.rate * 64e-9
  if (bucket.rate === wanted.rate && bucket.limit === wanted.limit && isClose) return []
  const show = ({ rate, burst, limit: most }: typeof wanted) => `rate ${rate} burst ${burst} limit ${most} bytes`
  return [`${link.name} has ${show(bucket)} instead of ${show(wanted)}`]
}
