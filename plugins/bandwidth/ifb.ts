/** The ifb of an attachment: what leaves the container is redirected to it, because only what leaves a link is shaped. */

import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { networkTag, type Owner, ownerKey, parseTag, tagOf } from '../../lib/ruleset/owner.js'
import { isErrno } from '../../lib/sys/errno.js'
import { sha512Hex } from '../../lib/sys/text.js'

const PREFIX = 'bwp'
/** Of the attachment's key, in the name. */
const NAME_DIGITS = 12

export function ifbName(key: string): string {
  return `${PREFIX}${key.slice(0, NAME_DIGITS)}`
}

/**
 * The kernel takes an alias only of a link that exists, so one whose ADD was killed in between has none: then its
 * hardware address says which network made it, and that we did. It keeps udev from giving it another, too.
 */
function ifbMac(name: string, tag: string): string {
  const key = name.slice(PREFIX.length)
  return ['02', tag.slice(0, 2), tag.slice(2, 4), tag.slice(4, 6), key.slice(0, 2), key.slice(2, 4)].join(':')
}

/**
 * Creates it, or takes the one an earlier ADD left. Without an IPv6 address: a node would have one for each pod, and
 * whatever asks for a node's addresses would go through all.
 */
export function ensureIfb(host: Netlink, owner: Owner, mtu: number): Link {
  const name = ifbName(ownerKey(owner))
  const alias = tagOf(owner)
  try {
    const mac = ifbMac(name, networkTag(owner.network))
    return host.links.create({ kind: 'ifb', name, mtu, mac, alias, addressGenerationMode: 'none', up: true })
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
  host.links.change(found.index, { mtu, alias, addressGenerationMode: 'none', up: true })
  return found
}

/** Deletes it; absent is done. The beginning of a key will do, as `staleIfbs` returns it. */
export function removeIfb(host: Netlink, key: string): void {
  remove(host, host.links.find(ifbName(key)))
}

/** Deletes the one that the reference plugin made for the container. */
export function removeReferenceIfb(host: Netlink, network: string, containerId: string): void {
  // The reference's name leaves the interface out, so only what bears no mark of ours can be its own.
  const theirs = host.links.find(`${PREFIX}${sha512Hex(network + containerId).slice(0, 12)}`)
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

/** The beginnings of the keys of a network's attachments that have an ifb and are not kept: for GC. */
export function staleIfbs(host: Netlink, network: string, keep: ReadonlySet<string>): string[] {
  const own = networkTag(network)
  const kept = new Set([...keep].map(ifbName))
  return host.links
    .list({ kind: 'ifb' })
    .filter(({ name, alias, mac }) => {
      if (!name.startsWith(PREFIX) || kept.has(name)) return false
      return alias === undefined ? mac === ifbMac(name, own) : parseTag(alias).network === own
    })
    .map(({ name }) => name.slice(PREFIX.length))
}
