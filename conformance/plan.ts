/** Which case is run against which plugin at which version, and what is skipped at once. */

import type { Case } from './case.js'
import { type Descriptor, hasOwnAddresses } from './descriptor.js'
import type { Feature } from './features.js'
import { atLeast } from './version.js'

export interface Candidate {
  readonly plugin: Descriptor
  readonly versions: readonly string[]
  /** Directory of its executable, where that is not the run's. */
  readonly bin?: string
}

export interface Point {
  readonly case: Case
  readonly candidate: Candidate
  readonly version: string
  /** Why it is not run. */
  readonly skipped?: string
}

export interface Circumstances {
  readonly missing: ReadonlyMap<Feature, string>
  readonly root: boolean
}

/** Whether the requirement binds this plugin at all. */
export function binds({ duty, needs = {} }: Case, plugin: Descriptor): boolean {
  const bound = duty.some((who) => {
    if (who === 'P') return true
    if (who === 'DL') return plugin.delegates !== undefined
    return plugin.kind === (who === 'IF' ? 'interface' : who === 'CH' ? 'chained' : 'ipam')
  })
  if (!bound) return false
  if (needs.kinds !== undefined && !needs.kinds.includes(plugin.kind)) return false
  if (needs.link === true && (plugin.kind !== 'interface' || plugin.ifName !== undefined)) return false
  if (needs.capabilities?.some((name) => plugin.capabilities?.[name] === undefined)) return false
  if (needs.leases === true && !hasOwnAddresses(plugin)) return false
  return !needs.descriptor?.some((member) => plugin[member as keyof Descriptor] === undefined)
}

export function plan(cases: readonly Case[], candidates: readonly Candidate[], circumstances: Circumstances): Point[] {
  return candidates.flatMap((candidate) =>
    cases.filter((one) => binds(one, candidate.plugin)).flatMap((one) => points(one, candidate, circumstances)),
  )
}

function points(one: Case, candidate: Candidate, { missing, root }: Circumstances): Point[] {
  const { since = '0.1.0', until = '999.0.0', kernel = [] } = one.needs ?? {}
  const oldest = candidate.plugin.since ?? since
  const inRange = candidate.versions.filter(
    (version) => atLeast(version, since) && atLeast(version, oldest) && atLeast(until, version),
  )
  const newest = inRange.at(-1)
  const at = (version: string, skipped?: string): Point => ({
    case: one,
    candidate,
    version,
    ...(skipped === undefined ? {} : { skipped }),
  })
  if (newest === undefined) return [at(since, `no version between ${since} and ${until} is advertised`)]
  const lacking = [...kernel, ...(candidate.plugin.needs ?? [])].find((feature) => missing.has(feature))
  if (lacking !== undefined) return [at(newest, `kernel lacks ${lacking}: ${missing.get(lacking)}`)]
  if (one.needs?.root === true && !root) return [at(newest, 'needs root outside a user namespace')]
  return (one.versions === 'each' ? inRange : [newest]).map((version) => at(version))
}
