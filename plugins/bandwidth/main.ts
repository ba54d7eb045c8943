/**
 * bandwidth: limits the rate of traffic to and from the container with token buckets.
 * https://www.cni.dev/plugins/current/meta/bandwidth/
 */

import { collectFailures } from '../../lib/attachment/failures.js'
import { requirePrevious } from '../../lib/attachment/previous.js'
import { podName } from '../../lib/cni/args.js'
import { CniError, ErrorCode } from '../../lib/cni/error.js'
import { definePlugin } from '../../lib/cni/plugin.js'
import type { AddRequest, CheckRequest, DelRequest, GcRequest, StatusRequest } from '../../lib/cni/request.js'
import type { Result } from '../../lib/cni/result.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { addIngress, deleteQdisc, getQdisc, readQdisc, setTokenBucket } from '../../lib/netlink/tc/qdisc.js'
import { redirectArriving } from '../../lib/netlink/tc/redirect.js'
import { openHost } from '../../lib/netns/namespace.js'
import { attachmentKey } from '../../lib/store/key.js'
import { rollback } from '../../lib/store/rollback.js'
import { isErrno } from '../../lib/sys/errno.js'
import { schema } from './config.generated.js'
import { type BandwidthConfig, bucketFor, type Limit, shapingOf } from './config.js'
import { hostEnd } from './host-end.js'
import { ensureIfb, ifbName, removeIfb, staleIfbs } from './ifb.js'

export const { main, delegate } = definePlugin<BandwidthConfig>({
  name: 'bandwidth',
  schema,
  add,
  check,
  del,
  gc,
  status,
})

function add({ config, network, containerId, ifName, netns, args, prevResult }: AddRequest<BandwidthConfig>): Result {
  const previous = requirePrevious('bandwidth', prevResult)
  const { ingress, egress } = shapingOf(config)
  if (ingress === undefined && egress === undefined) return previous
  const host = openHost()
  const veth = hostEnd(host, previous, netns, ifName)
  const pod = podName(args)
  const owner = { network, containerId, ifName, link: veth.name, ...(pod === '' ? {} : { pod }) }
  const steps = rollback()
  try {
    if (ingress !== undefined) {
      steps.push('the limit towards the container', () => removeQdisc(host, veth, 'root'))
      host.socket.request(setTokenBucket(veth.index, bucketFor(ingress, veth.mtu)))
    }
    if (egress === undefined) return previous
    steps.push('the ifb', () => removeIfb(host, owner))
    const ifb = ensureIfb(host, owner, veth.mtu)
    host.socket.request(setTokenBucket(ifb.index, bucketFor(egress, veth.mtu)))
    steps.push('the redirection', () => removeQdisc(host, veth, 'ingress'))
    redirect(host, veth, ifb)
    const added = { name: ifb.name, ...(ifb.mac === '' ? {} : { mac: ifb.mac }) }
    return { ...previous, interfaces: [...(previous.interfaces ?? []), added] }
  } catch (error) {
    steps.undo()
    throw error
  }
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

/** The ifb goes by its name alone, whatever the configuration says now; the host end's qdiscs go with the host end. */
function del({ network, containerId, ifName }: DelRequest<BandwidthConfig>): void {
  removeIfb(openHost(), { network, containerId, ifName })
}

function check({ config, network, containerId, ifName, netns, prevResult }: CheckRequest<BandwidthConfig>): void {
  const { ingress, egress } = shapingOf(config)
  if (ingress === undefined && egress === undefined) return
  const host = openHost()
  const veth = hostEnd(host, prevResult, netns, ifName)
  const differences: string[] = []
  if (ingress !== undefined) differences.push(...compare(host, veth, ingress, veth.mtu))
  if (egress !== undefined) {
    const name = ifbName({ network, containerId, ifName })
    const ifb = host.links.find(name)
    if (ifb?.kind !== 'ifb') differences.push(`ifb ${name} is missing`)
    else {
      if (!ifb.up) differences.push(`ifb ${name} is down`)
      differences.push(...compare(host, ifb, egress, veth.mtu))
    }
    if (qdiscOf(host, veth, 'ingress')?.kind !== 'ingress') {
      differences.push(`${veth.name} has no ingress qdisc, so what leaves the container is not limited`)
    }
  }
  if (differences.length === 0) return
  throw new CniError(
    ErrorCode.NotAsConfigured,
    `limits of ${ifName} are not as ADD left them: ${differences.length} ${differences.length === 1 ? 'difference' : 'differences'}`,
    differences.join('; '),
  )
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

function gc({ network, valid }: GcRequest<BandwidthConfig>): void {
  if (valid === undefined) return
  const keep = new Set(valid.map(({ containerId, ifName }) => attachmentKey(network, containerId, ifName)))
  const failures = collectFailures()
  for (const remove of staleIfbs(openHost(), network, keep)) failures.attempt('cannot remove an ifb', remove)
  failures.report()
}

function status({ config }: StatusRequest<BandwidthConfig>): void {
  shapingOf(config)
}
