/**
 * What pods reach under their own addresses: the pod CIDRs and node addresses of a network's table. They are kept as a
 * file beside the network's stamp, for the plugin that masquerades its pods, and fill the set of nodes of
 * `inet flatnet-masq` where the network has one.
 */

import { formatPrefix, hostPrefix, type Prefix, parsePrefix } from '../ip/prefix.js'
import { excludeNodes, nodesStamp, wrongExclusion } from '../ruleset/masquerade.js'
import { withRulesetIfAny } from '../ruleset/settle.js'
import { replaceFile } from '../store/atomic.js'
import { readText } from '../sys/content.js'
import { encodeUtf8 } from '../sys/text.js'
import type { Node, Settings } from './model.js'
import { stateDirectory } from './stamp.js'

const FILE = 'excluded'

/** A node without pod CIDRs is left out: it has no way back to pods, so they reach it under their node's address. */
export function excludedBy(nodes: readonly Node[]): Prefix[] {
  const members = nodes.filter(({ podCIDRs }) => podCIDRs.length > 0)
  return members.flatMap(({ podCIDRs, addresses }) => [...podCIDRs, ...addresses.map(hostPrefix)])
}

/** `directory` is a network's of one plugin (lib/nodes/stamp). */
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

/** Which set was filled, told from one that somebody made anew; undefined where the network is not masqueraded. */
export type MasqueradeStamp = string | undefined

export interface Exclusion {
  readonly stamp: MasqueradeStamp
  /** What was changed, in words. */
  readonly changes: readonly string[]
}

/** For an application: the file for who masquerades later, and the set where somebody does now. */
export function applyExclusion(settings: Settings, nodes: readonly Node[]): Exclusion {
  const prefixes = excludedBy(nodes)
  writeExcluded(stateDirectory(settings), prefixes)
  return fill(settings, prefixes)
}

/** Fills the set from the file. */
export function refillExclusion(settings: Settings): MasqueradeStamp {
  return fill(settings, readExcluded(settings.stateDir, settings.network)).stamp
}

function fill({ network }: Settings, prefixes: readonly Prefix[]): Exclusion {
  let stamp: MasqueradeStamp
  const changes: string[] = []
  withRulesetIfAny((nft) => {
    const done = excludeNodes(nft, network, prefixes)
    stamp = done.stamp
    if (done.changed) changes.push(`~ masquerading spares ${prefixes.length} pod CIDRs and addresses of nodes`)
  })
  return { stamp, changes }
}

/** Whether the set is the one that was filled. */
export function isExcluded(network: string, stamp: MasqueradeStamp): boolean {
  let same = true
  withRulesetIfAny((nft) => {
    same = nodesStamp(nft, network) === stamp
  })
  return same
}

/** What CHECK finds amiss, as words. */
export function checkExclusion(network: string, nodes: readonly Node[]): string[] {
  const found: string[] = []
  withRulesetIfAny((nft) => found.push(...wrongExclusion(nft, network, excludedBy(nodes))))
  return found
}
