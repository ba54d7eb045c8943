/** Puts back what ADD has changed, in the very namespace and on the very link that it changed. */

import type { Attachment } from '../../lib/attachment/chained.js'
import { messageOf } from '../../lib/cni/error.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { openNetlink } from '../../lib/netlink/netlink.js'
import { inContainerIfPresent } from '../../lib/netns/namespace.js'
import { isErrno } from '../../lib/sys/errno.js'
import { warn } from '../../lib/sys/log.js'
import { preferSysctl, readLongSysctl } from '../../lib/sysctl/sysctl.js'
import type { LinkSettings } from './config.js'
import { isIn, type Tuned } from './record.js'
import type { Sysctl } from './wanted.js'

/** For DEL and GC. Settings of the whole namespace stay: another attachment of the container may have asked for them too. */
export function putBackLink({ netns }: Pick<Attachment, 'netns'>, recorded: Tuned): void {
  putBack(netns, recorded, recorded.linkSysctls)
}

/** For ADD. */
export function putBackAll({ netns }: Attachment, recorded: Tuned): void {
  putBack(netns, recorded, [...recorded.linkSysctls, ...recorded.sysctls])
}

/** The path of the call may be another one than ADD's, or lead to another container by now. */
function putBack(netns: string, recorded: Tuned, sysctls: readonly Sysctl[]): void {
  for (const path of new Set([netns, recorded.netns])) {
    if (inContainerIfPresent(path, () => putBackHere(recorded, sysctls)) === true) return
  }
}

/** False where ADD was in another namespace. */
function putBackHere(recorded: Tuned, sysctls: readonly Sysctl[]): boolean {
  const container = openNetlink()
  try {
    if (!isIn(container, recorded)) return false
    changeIfPresent(container, recorded.index, recorded.before)
    for (const sysctl of sysctls) putBackSysctl(sysctl)
    return true
  } finally {
    container.close()
  }
}

/** What is so already needs no write: /proc/sys may be read-only. */
function putBackSysctl({ path, value }: Sysctl): void {
  // With a newline, because the kernel takes a write of no bytes for none.
  if (preferSysctl(path, `${value}\n`) !== 'refused' || readLongSysctl(path) === value) return
  warn(`cannot put sysctl ${path} back to ${value}`)
}

/**
 * Absent is done. A value that the kernel does not take any more, as an MTU above that of a parent which was lowered since,
 * or a MAC that another link has by now, stays away with a warning: it would fail each DEL.
 */
export function changeIfPresent(container: Netlink, index: number, settings: LinkSettings): void {
  const all = Object.entries(settings)
  if (index === 0 || all.length === 0 || change(container, index, settings) === undefined) return
  // The others are put back all the same.
  for (const [key, value] of all) {
    const refusal = change(container, index, { [key]: value })
    if (refusal !== undefined) warn(`cannot put ${key} of the container's link back to ${value}: ${messageOf(refusal)}`)
  }
}

/** Returns why the kernel does not take a value. */
function change(container: Netlink, index: number, settings: LinkSettings): unknown {
  try {
    container.links.change(index, settings)
  } catch (error) {
    if (isErrno(error, 'EINVAL', 'ERANGE', 'EADDRINUSE', 'EADDRNOTAVAIL', 'EBUSY', 'EOPNOTSUPP')) return error
    if (!isErrno(error, 'ENODEV')) throw error
  }
  return undefined
}
