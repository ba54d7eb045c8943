/**
 * Strict reverse-path filters, where packets come in that peers send to this node's own addresses. Of one for a host port
 * the filter sees that it goes to a pod, and pods' packets to peers leave by the tunnel: it would be dropped. It bears a
 * mark that our rule leaves out (lib/ruleset/mapped-mark), which the filter looks at only where src_valid_mark is 1
 * (Documentation/networking/ip-sysctl.rst).
 */

import { warn } from '../sys/log.js'
import { preferSysctl, readSysctl } from '../sysctl/sysctl.js'

const STRICT = 1

/** The links of these whose filter is strict and blind for marks. */
export function blindFilters(links: readonly string[]): string[] {
  if (links.length === 0 || readSysctl(key('all', 'src_valid_mark')) === '1') return []
  const all = Number(readSysctl(key('all', 'rp_filter')) ?? 0)
  return links.filter((link) => {
    // The larger of both counts, and 2 is loose.
    if (Math.max(all, Number(readSysctl(key(link, 'rp_filter')) ?? 0)) !== STRICT) return false
    return readSysctl(key(link, 'src_valid_mark')) === '0'
  })
}

/** Makes them see marks; what was changed, a line each. */
export function openFilters(links: readonly string[]): string[] {
  return blindFilters(links).flatMap((link) => {
    const name = key(link, 'src_valid_mark')
    if (preferSysctl(name, '1') === 'set') return [`~ sysctl ${name} 1 (its rp_filter is strict)`]
    warn(`cannot set ${name} to 1: the strict reverse-path filter of ${link} drops other nodes' packets for host ports`)
    return []
  })
}

function key(link: string, name: string): string {
  return `net/ipv4/conf/${link}/${name}`
}
