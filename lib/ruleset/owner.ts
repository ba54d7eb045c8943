/**
 * Whose an element is: its comment begins with the attachment's key, then the network's, then the host link, then what
 * people read. `0123456789abcdef 01234567 veth1a2b podnet/ab12…/eth0 default/web-0`
 * A `+` behind the key says that another attachment of the container waits for what this one has.
 */

import { COMMENT_LIMIT } from '../netlink/nftables/user-data.js'
import { attachmentKey } from '../store/key.js'
import { plain, sha256Hex } from '../sys/text.js'

export interface Owner {
  readonly network: string
  readonly containerId: string
  readonly ifName: string
  /** `namespace/name`, where the runtime said so. */
  readonly pod?: string
  /** The attachment's end on the host; while it exists, so does the attachment. */
  readonly link?: string
  /** Another attachment of the container waits for what this one has. */
  readonly hasHeir?: boolean
}

export function ownerKey({ network, containerId, ifName }: Owner): string {
  return attachmentKey(network, containerId, ifName)
}

/** 8 hex digits for a network, in comments and in the names of its sets and chains. */
export function networkTag(network: string): string {
  return sha256Hex(network).slice(0, 8)
}

/** The comment of everything this owner has. */
export function tagOf(owner: Owner): string {
  const { network, containerId, ifName, pod = '', link = '', hasHeir = false } = owner
  const id = containerId.length > 16 ? containerId.slice(0, 12) : containerId
  const text = `${network}/${id}/${ifName}${pod === '' ? '' : ` ${pod}`}`
  return printable(
    `${ownerKey(owner)}${hasHeir ? HEIR : ''} ${networkTag(network)} ${link === '' ? '-' : link} ${text}`,
  )
}

const HEIR = '+'

/** A comment of `tagOf`, which also says that there is an heir. */
export function withHeir(comment: string): string {
  const end = comment.indexOf(' ')
  return parseTag(comment).hasHeir ? comment : printable(`${comment.slice(0, end)}${HEIR}${comment.slice(end)}`)
}

/** nft prints comments between quotes and has no escapes. */
export function printable(text: string): string {
  return plain(text.slice(0, COMMENT_LIMIT))
}

export interface Tag {
  readonly key: string
  readonly network: string
  /** `''` where the attachment has none on this host. */
  readonly link: string
  /** For people. */
  readonly text: string
  readonly hasHeir: boolean
}

export function parseTag(comment: string): Tag {
  const [first = '', network = '', link = '', ...text] = comment.split(' ')
  const hasHeir = first.endsWith(HEIR)
  const key = hasHeir ? first.slice(0, -1) : first
  return { key, network, link: link === '-' ? '' : link, text: text.join(' '), hasHeir }
}

/** Whether the attachment is one of this container. The text has the identifier cut, but the key is made from all of it. */
export function isOfContainer({ key, text }: Tag, containerId: string): boolean {
  const [network = '', , ifName = ''] = (text.split(' ')[0] ?? '').split('/')
  return attachmentKey(network, containerId, ifName) === key
}
