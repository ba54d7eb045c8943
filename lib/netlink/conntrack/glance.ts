/**
 * A quick look at the connections that the kernel follows, to know whether any is worth asking for: for a list over
 * netlink the kernel locks every bucket of its table, 5 ms where that is large, though nothing is in it.
 */

import type { Family } from '../../ip/address.js'
import { SysError } from '../../sys/errno.js'
import { readKernelText } from '../../sys/file.js'

/** So many at the most: the kernel finds its place again for every page of text. */
const FEW = 200
/** A line has some 200 characters; more have come meanwhile where there is more than this. */
const LIMIT = FEW * 1000
/** What the kernel gives at once, at least: what does not go on behind it has been seen as it was at one time. */
const PAGE = 4096
const LINE = 400

/**
 * All of them, a line each; undefined where they are many, or the kernel does not tell (CONFIG_NF_CONNTRACK_PROCFS). A
 * longer text is read twice: one that ends between two pages may hide another that moves into its place.
 */
export function glance(count: number): string | undefined {
  if (count > FEW) return undefined
  try {
    const text = read()
    return text === undefined || text.length < PAGE - LINE ? text : `${text}${read()}`
  } catch (error) {
    if (!(error instanceof SysError)) throw error
    return undefined
  }
}

function read(): string | undefined {
  return readKernelText('/proc/thread-self/net/nf_conntrack', LIMIT)
}

/** Whether a line is of this family and protocol (IANA's number), with the port as destination of one of its directions. */
export function mentions(text: string, family: Family, protocol: number, port: number): boolean {
  const wanted = `dport=${port} `
  for (let at = text.indexOf(wanted); at !== -1; at = text.indexOf(wanted, at + 1)) {
    // ipv4     2 udp      17 29 src=192.0.2.1 dst=192.0.2.1 sport=51613 dport=53 [UNREPLIED] src=…
    const words = text
      .slice(text.lastIndexOf('\n', at) + 1, at)
      .split(' ')
      .filter((word) => word !== '')
    if (words[0] === `ipv${family}` && words[3] === String(protocol)) return true
  }
  return false
}
