/**
 * Attachments that ended without a DEL of ours: another program's DEL, as the reference's after a rollback, or a crash
 * deleted the link, and what we made for it stayed; or an ADD or DEL was killed and the runtime never sent another. Each
 * DEL looks at a few other records for such ones, so that no node needs a GC for them. ADD does not look: that would make
 * it a tenth slower on a node of 30 pods, and as many DELs as ADDs come.
 */

import { messageOf } from '../cni/error.js'
import { getLink } from '../netlink/links/requests.js'
import type { Netlink } from '../netlink/netlink.js'
import { openHost } from '../netns/namespace.js'
import {
  attachmentKey,
  claimIfFree,
  type ListedRecord,
  type RecordsPlace,
  readRecord,
  someKeys,
} from '../store/record.js'
import { stat } from '../sys/file.js'
import { warn } from '../sys/log.js'
import { hostLinkName, keyInAlias } from './link-identity.js'
import { removeClaimed } from './removal.js'

/** A node of 110 pods is through after a handful of looks, and no DEL takes much longer for one. */
const MOST = 20
/** Where the directory of records is larger (bytes: some hundred records or more), only each eighth DEL looks. */
const LARGE = 4096
const ONE_IN = 8

export interface Sweep<T> {
  /** The attachment of the call: it is left out, and which records are looked at follows from it. */
  readonly own: string
  /** The host's end; undefined where the record knows none, which tells nothing. */
  linkOf(recorded: T): string | undefined
  /** Removes what was made for an attachment whose link is gone. `finished`: its ADD had succeeded, and no DEL had begun. */
  remove(attachment: Gone, recorded: T, finished: boolean): void
}

export interface Gone {
  readonly key: string
  readonly containerId: string
  readonly ifName: string
}

/** Never fails: the call that it is a part of has done its own work. */
export function removeAbandoned<T>(place: RecordsPlace, sweep: Sweep<T>): void {
  try {
    if (!isDue(place, sweep.own)) return
    const keys = someKeys(place, sweep.own, MOST).filter((key) => !isSeen(hostLinkName(key)))
    if (keys.length > 0) removeAmong(place, keys, sweep)
  } catch (error) {
    warn(`cannot look for attachments whose links are gone: ${messageOf(error)}`)
  }
}

/**
 * Whether the kernel shows settings of a link of that name. Twenty such looks cost less than one netlink message of a link,
 * which holds the kernel's lock for all links. Where they are not shown, the kernel is asked.
 */
function isSeen(link: string): boolean {
  return stat(`/proc/sys/net/ipv4/conf/${link}`) !== undefined
}

/** A thousand names cost more to list than the look itself; the keys are hashes, so that their digits choose at random. */
function isDue({ stateDir, network, plugin }: RecordsPlace, own: string): boolean {
  const { size = 0 } = stat(`${stateDir}/${network}/${plugin}`) ?? {}
  return size <= LARGE || Number.parseInt(own.slice(8, 16), 16) % ONE_IN === 0
}

function removeAmong<T>(place: RecordsPlace, keys: readonly string[], { linkOf, remove }: Sweep<T>): void {
  const host = openHost()
  try {
    const isMissing = missingLinks(host)
    // Most records need not be opened: the link has the name that `bridge` gives it first.
    for (const key of missing(host, keys, (one) => hostLinkName(one))) {
      const listed = readRecord<T>(place, key)
      const link = linkOfLegible(place, listed, linkOf)
      if (link === undefined || !isMissing(key, link)) continue
      try {
        withdraw(place, listed, host, { linkOf, remove })
      } catch (error) {
        warn(`cannot remove what is left of ${listed.containerId}/${listed.ifName}: ${messageOf(error)}`)
      }
    }
  } finally {
    host.close()
  }
}

/** Those whose link there is not, asked of the kernel in one go. */
function missing(host: Netlink, keys: readonly string[], nameOf: (key: string) => string): string[] {
  const failures = host.batch(keys.map((key) => getLink(nameOf(key))))
  return failures.flatMap(({ index, error }) => (error.code === 'ENODEV' ? [keys[index] as string] : []))
}

/** Whether there is no link of that name, and none with the attachment's alias: somebody may have renamed it. */
function missingLinks(host: Netlink): (key: string, link: string) => boolean {
  let aliases: ReadonlySet<string | undefined> | undefined
  return (key, link) => {
    if (host.links.find(link) !== undefined) return false
    aliases ??= new Set(host.links.list({ kind: 'veth' }).map(({ alias }) => keyInAlias(alias)))
    return !aliases.has(key)
  }
}

/** Undefined for one that is damaged, of an earlier boot, or not written by us for this place. */
function linkOfLegible<T>(
  { network }: RecordsPlace,
  { key, sameBoot, content, containerId, ifName }: ListedRecord<T>,
  linkOf: (recorded: T) => string | undefined,
): string | undefined {
  if (!sameBoot || content === undefined) return undefined
  const link = attachmentKey(network, containerId, ifName) === key ? linkOf(content) : undefined
  return link === '' ? undefined : link
}

/**
 * Whoever makes or removes an attachment holds its record: one that is free and not `ready` is of a call that was killed.
 * An ADD may have begun since the record was read, and it may have finished: then the link is there.
 */
function withdraw<T>(
  place: RecordsPlace,
  gone: Gone,
  host: Netlink,
  { linkOf, remove }: Pick<Sweep<T>, 'linkOf' | 'remove'>,
): void {
  const { containerId, ifName } = gone
  const claimed = claimIfFree<T>({ ...place, containerId, ifName })
  if (claimed === undefined) return
  const { earlier } = claimed
  const link = earlier === undefined ? undefined : linkOf(earlier.content)
  if (link === undefined || host.links.find(link) !== undefined) {
    claimed.release()
    return
  }
  removeClaimed(claimed, (recorded) => {
    if (recorded !== undefined) remove(gone, recorded, earlier?.state === 'ready')
  })
}
