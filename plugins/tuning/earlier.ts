/**
 * A second ADD of an attachment: a list may have tuning twice, and both have one record. What was there before the first
 * stays in it, so that DEL puts back what was there before both.
 */

import type { Attachment } from '../../lib/attachment/chained.js'
import { openNetlink } from '../../lib/netlink/netlink.js'
import { inContainerIfPresent } from '../../lib/netns/namespace.js'
import { isIn, type Tuned } from './record.js'
import type { Sysctl } from './wanted.js'

/** Whether a record is of the very namespace and link that a call is for. */
export function isOf({ netns, ifName }: Attachment, recorded: Tuned): boolean {
  const found = inContainerIfPresent(netns, () => {
    const container = openNetlink()
    try {
      return isIn(container, recorded) && (container.links.find(ifName)?.index ?? 0) === recorded.index
    } finally {
      container.close()
    }
  })
  return found === true
}

/** `now`, but for what an earlier call has changed: that is as it was before that call. */
export function merged(now: Tuned, earlier: Tuned | undefined): Tuned {
  if (earlier === undefined) return now
  return {
    ...now,
    before: { ...now.before, ...earlier.before },
    linkSysctls: firstOfEach(earlier.linkSysctls, now.linkSysctls),
    sysctls: firstOfEach(earlier.sysctls, now.sysctls),
  }
}

function firstOfEach(first: readonly Sysctl[], second: readonly Sysctl[]): readonly Sysctl[] {
  const known = new Set(first.map(({ path }) => path))
  return [...first, ...second.filter(({ path }) => !known.has(path))]
}
