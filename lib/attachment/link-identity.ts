/** What the host's end of a pair of `bridge` tells of its attachment, by which every plugin finds it. */

import { randomBytes } from '../sys/process.js'
import { hex } from '../sys/text.js'

/** Two names that follow from the attachment's key, then random ones, for links that are in the way. */
export function hostLinkName(key: string, attempt = 0): string {
  const digits = attempt < 2 ? key.slice(attempt * 8, attempt * 8 + 8) : hex(randomBytes(4))
  return `veth${digits}`
}

/** The attachment's key at the beginning of an alias of ours. */
export function keyInAlias(alias: string | undefined): string | undefined {
  if (alias === undefined || alias[16] !== ' ') return undefined
  for (let at = 0; at < 16; at++) if (!'0123456789abcdef'.includes(alias[at] as string)) return undefined
  return alias.slice(0, 16)
}
