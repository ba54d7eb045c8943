/** The ifb of an attachment: what leaves the container is redirected to it, because only what leaves a link is shaped. */

import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { networkTag, type Owner, ownerKey, parseTag, tagOf } from '../../lib/ruleset/owner.js'
import { isErrno } from '../../lib/sys/errno.js'
import { sha512Hex } from '../../lib/sys/text.js'

const PREFIX = 'bwp'

export function ifbName(owner: Owner): string {
  return `${PREFIX}${ownerKey(owner).slice(0, 12)}`
}

/** Creates it, or takes the one an earlier ADD left. */
export function ensureIfb(host: Netlink, owner: Owner, mtu: number): Link {
  const name = ifbName(owner)
  const alias = tagOf(owner)
  try {
    return host.links.create({ kind: 'ifb', name, mtu, alias, up: true })
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error
  }
  const found = host.links.get(name)
  if (found.kind !== 'ifb') {
    throw new CniError(
      ErrorCode.AlreadyExists,
      `cannot create ifb ${name}: a link of that name is there already`,
      `it is of kind ${found.kind ?? 'hardware'}: ip link show ${name}`,
    )
  }
  host.links.change(found.index, { mtu, alias, up: true })
  return found
}

/** Deletes it, and the one that the reference plugin made for the same container; absent is done. */
export function removeIfb(host: Netlink, owner: Owner): void {
  remove(host, host.links.find(ifbName(owner)))
  // The reference's name leaves the interface out, so only what bears no mark of ours can be its own.
  const theirs = host.links.find(`${PREFIX}${sha512Hex(owner.network + owner.containerId).slice(0, 12)}`)
  if (theirs?.alias === undefined) remove(host, theirs)
}

function remove(host: Netlink, link: Link | undefined): void {
  if (link?.kind !== 'ifb') return
  try {
    host.links.delete(link.index)
  } catch (error) {
    if (!isErrno(error, 'ENODEV')) throw error
  }
}

/** Those of a network whose attachment is not kept, for GC. */
export function staleIfbs(host: Netlink, network: string, keep: ReadonlySet<string>): (() => void)[] {
  return host.links
    .list({ kind: 'ifb' })
    .filter(({ name, alias }) => {
      const tag = parseTag(alias ?? '')
      return name.startsWith(PREFIX) && tag.network === networkTag(network) && !keep.has(tag.key)
    })
    .map((link) => () => remove(host, link))
}
