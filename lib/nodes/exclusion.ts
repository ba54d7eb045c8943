/** What the table of nodes means to masquerading: the set of nodes of `inet flatnet-masq`, where the network has one. */

import type { Prefix } from '../ip/prefix.js'
import { excludeNodes, nodesStamp, wrongExclusion } from '../ruleset/masquerade.js'
import { withRulesetIfAny } from '../ruleset/settle.js'
import { excludedBy, readExcluded, writeExcluded } from './excluded.js'
import type { Settings } from './settings.js'
import { stateDirectory } from './state.js'
import type { Node } from './table.js'

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
