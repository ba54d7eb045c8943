/** How a host veth is known to be an attachment's: its name (lib/attachment/link-identity.ts), its MAC, its alias. */

import { keyInAlias } from '../attachment/link-identity.js'
import { podName } from '../cni/args.js'
import type { Link } from '../netlink/links/link.js'

/** IFALIASZ less its NUL, include/uapi/linux/if.h. */
const LONGEST_ALIAS = 255

/**
 * The MAC that a host veth is born with. It tells whose the link is before it has an alias; and beginning
 * with fe it is above any other, so a bridge that takes the lowest MAC of its ports does not take it.
 */
export function hostLinkMac(key: string): string {
  let mac = 'fe'
  for (let at = 0; at < 10; at += 2) mac += `:${key.slice(at, at + 2)}`
  return mac
}

/** The key, for us; then what an operator looks for, in visible ASCII: `ip link` prints an alias as it is. */
export function hostLinkAlias(
  key: string,
  network: string,
  containerId: string,
  ifName: string,
  args: ReadonlyMap<string, string>,
): string {
  const pod = podName(args)
  const alias = `${key} ${network}/${containerId} ${encodeURIComponent(ifName)}${pod === '' ? '' : ` ${pod}`}`
  return alias.slice(0, LONGEST_ALIAS)
}

/** What `hostLinkAlias` wrote; undefined for another alias, or one that was cut before the name of the link. */
export function readAlias(
  alias: string | undefined,
):
  | { readonly key: string; readonly network: string; readonly containerId: string; readonly ifName: string }
  | undefined {
  const key = keyInAlias(alias)
  if (alias === undefined || key === undefined) return undefined
  const [, attachment = '', encoded = ''] = alias.split(' ')
  const ifName = decoded(encoded)
  const slash = attachment.indexOf('/')
  if (slash <= 0 || ifName === '') return undefined
  return { key, network: attachment.slice(0, slash), containerId: attachment.slice(slash + 1), ifName }
}

/** An interface's name has no `%` of its own. `''` for what was cut within an escape. */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return ''
  }
}

export function belongsTo(key: string, link: Link): boolean {
  return link.kind === 'veth' && (link.mac === hostLinkMac(key) || keyInAlias(link.alias) === key)
}
