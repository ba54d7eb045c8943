/** Sets the limits, and takes them back. */

import type { Result } from '../../lib/cni/result.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { addIngress, deleteQdisc, setTokenBucket } from '../../lib/netlink/tc/qdisc.js'
import { redirectArriving } from '../../lib/netlink/tc/redirect.js'
import { isErrno } from '../../lib/sys/errno.js'
import { warn } from '../../lib/sys/log.js'
import { bucketFor, uselessLimits } from './config.js'
import { ensureIfb, removeIfb } from './ifb.js'
import type { Limited } from './record.js'
import type { Wanted } from './wanted.js'

/** Returns the previous result with the ifb, where there is one. */
export function shape(host: Netlink, { veth, owner, previous, shaping }: Wanted): Result | undefined {
  const { ingress, egress } = shaping
  for (const useless of uselessLimits(shaping)) warn(useless)
  if (ingress !== undefined) host.socket.request(setTokenBucket(veth.index, bucketFor(ingress, veth.mtu)))
  if (egress === undefined) return undefined
  const ifb = ensureIfb(host, owner, veth.mtu)
  host.socket.request(setTokenBucket(ifb.index, bucketFor(egress, veth.mtu)))
  redirect(host, veth, ifb)
  const added = { name: ifb.name, ...(ifb.mac === '' ? {} : { mac: ifb.mac }) }
  return { ...previous, interfaces: [...(previous.interfaces ?? []), added] }
}

/** For a container that stays: on DEL the qdiscs of the host's end go with it. */
export function unshape(host: Netlink, key: string, { link, ingress, egress }: Limited): void {
  const veth = host.links.find(link)
  if (veth !== undefined && egress) removeQdisc(host, veth, 'ingress')
  removeIfb(host, key)
  if (veth !== undefined && ingress) removeQdisc(host, veth, 'root')
}

/** What leaves the container arrives by its host end; what hung there before goes. */
function redirect(host: Netlink, veth: Link, ifb: Link): void {
  try {
    host.socket.request(addIngress(veth.index))
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error
    removeQdisc(host, veth, 'ingress')
    host.socket.request(addIngress(veth.index))
  }
  host.socket.request(redirectArriving(veth.index, ifb.index))
}

function removeQdisc(host: Netlink, { index }: Link, where: 'root' | 'ingress'): void {
  try {
    host.socket.request(deleteQdisc(index, where))
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'EINVAL', 'ENODEV')) throw error
  }
}
