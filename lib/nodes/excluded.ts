/**
 * The pod CIDRs and node addresses of a network's table, as a file beside its stamp: what pods reach under their own
 * addresses. Whoever masquerades the network's pods has to leave them out.
 */

import { formatPrefix, hostPrefix, type Prefix, parsePrefix } from '../ip/prefix.js'
import { replaceFile } from '../store/atomic.js'
import { readText } from '../sys/file.js'
import { encodeUtf8 } from '../sys/text.js'
import type { Node } from './table.js'

const FILE = 'excluded'

export function excludedBy(nodes: readonly Node[]): Prefix[] {
  return nodes.flatMap(({ podCIDRs, addresses }) => [...podCIDRs, ...addresses.map(hostPrefix)])
}

/** `directory` is a network's of one plugin (lib/nodes/state). */
export function writeExcluded(directory: string, prefixes: readonly Prefix[]): void {
  const text = prefixes.map((prefix) => `${formatPrefix(prefix)}\n`).join('')
  const path = `${directory}/${FILE}`
  if (readText(path) !== text) replaceFile(path, encodeUtf8(text))
}

/** Of the plugin that applied the network's table; empty where none did. */
export function readExcluded(stateDir: string, network: string): Prefix[] {
  const text = ['vxlan', 'host-gw'].map((mode) => readText(`${stateDir}/${network}/${mode}/${FILE}`) ?? '').join('')
  return text.split('\n').flatMap((line) => (line === '' ? [] : (parsePrefix(line) ?? [])))
}
