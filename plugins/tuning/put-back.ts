/** Puts back what ADD has changed, in the very namespace and on the very link that it changed. */

import type { Attachment } from '../../lib/attachment/chained.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { openNetlink } from '../../lib/netlink/netlink.js'
import { inContainerIfPresent } from '../../lib/netns/namespace.js'
import { isErrno } from '../../lib/sys/errno.js'
import { warn } from '../../lib/sys/log.js'
import { preferSysctl } from '../../lib/sysctl/sysctl.js'
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
    for (const { path, value } of sysctls) {
      // With a newline, because the kernel takes a write of no bytes for none.
      if (preferSysctl(path, `${value}\n`) === 'refused') warn(`cannot put sysctl ${path} back to ${value}`)
    }
    return true
  } finally {
    container.close()
  }
}

/** Absent is done. */
export function changeIfPresent(container: Netlink, index: number, settings: LinkSettings): void {
  if (index === 0 || Object.keys(settings).length === 0) return
  try {
    container.links.change(index, settings)
  } catch (error) {
    if (!isErrno(error, 'ENODEV')) throw error
  }
}
