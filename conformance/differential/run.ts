/** All cases through both programs, so many at a time; what differs is looked at again before it counts. */

import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Reference } from '../../lib/testing/reference.js'
import { inLanes } from '../../lib/testing/shell.js'
import { type Difference, differences, seenIn } from './compare.js'
import { type Case, generate, type Plan } from './generate.js'
import { live } from './life.js'
import { randomOf } from './random.js'
import { RULES } from './rules/all.js'
import type { Rule } from './rules/rule.js'
import { scenariosFor } from './scenarios.js'

export interface Wanted {
  readonly seed: number
  /** Absent: all. */
  readonly count?: number | undefined
  /** Names of scenarios, or words of a title. */
  readonly only?: readonly string[] | undefined
  /** Our executables. */
  readonly bin: string
  readonly other: Reference
  /** To work in. */
  readonly directory: string
  readonly jobs: number
  /** The kernel may have been seen before it was done, or a packet lost to a busy machine: looks before it counts. */
  readonly attempts: number
  /** Without packets, whose way takes time that a busy machine may not have; default true. */
  readonly packets?: boolean | undefined
  /** Hears of each case as it is done. */
  readonly say?: (judged: Judged) => void
}

export interface Judged {
  readonly what: Case
  /** Not under any rule. */
  readonly unknown: readonly Difference[]
  /** How often a first look was wrong. */
  readonly repeated: number
  /** The case could not be run. */
  readonly broken?: string
}

export interface Outcome {
  readonly plan: Plan
  readonly judged: readonly Judged[]
  /** How many differences a rule covered, and in how many cases. */
  readonly used: ReadonlyMap<Rule, { differences: number; cases: number }>
  readonly rules: readonly Rule[]
  readonly seconds: number
}

export async function compareAll(wanted: Wanted): Promise<Outcome> {
  const begin = performance.now()
  const recent = wanted.other.version === '1.9.1'
  const { count, only = [] } = wanted
  const plan = generate(scenariosFor({ vlans: filtersVlans() }), randomOf(wanted.seed), {
    recent,
    ...(count === undefined ? {} : { count }),
  })
  const cases = plan.cases
    .filter(
      ({ scenario, title }) => only.length === 0 || only.some((word) => word === scenario || title.includes(word)),
    )
    .map((what) => (wanted.packets === false ? { ...what, probes: [] } : what))
  const used = new Map<Rule, { differences: number; cases: number }>()
  const judged = await Promise.all(
    inLanes(
      wanted.jobs,
      cases.map((what) => async (lane: number) => {
        const judged = await judge(what, wanted, join(wanted.directory, `lane-${lane}`), used)
        wanted.say?.(judged)
        return judged
      }),
    ),
  )
  return { plan: { ...plan, cases }, judged, used, rules: RULES, seconds: (performance.now() - begin) / 1000 }
}

async function judge(what: Case, wanted: Wanted, directory: string, used: Outcome['used']): Promise<Judged> {
  for (let repeated = 0; ; repeated++) {
    try {
      const found = await compareOne(what, wanted, directory)
      const unknown = found.filter((difference) => !RULES.some((rule) => rule.covers(difference)))
      if (unknown.length > 0 && repeated < wanted.attempts - 1) continue
      note(found, used as Map<Rule, { differences: number; cases: number }>)
      return { what, unknown, repeated }
    } catch (error) {
      if (repeated >= wanted.attempts - 1) return { what, unknown: [], repeated, broken: String(error) }
    }
  }
}

async function compareOne(what: Case, { bin, other }: Wanted, directory: string): Promise<Difference[]> {
  const seen = []
  for (const executables of [bin, other.directory]) {
    rmSync(directory, { recursive: true, force: true })
    seen.push(seenIn(await live(what, executables, directory), what))
  }
  const [ours = new Map(), theirs = new Map()] = seen
  return differences(what, ours, theirs)
}

function note(found: readonly Difference[], used: Map<Rule, { differences: number; cases: number }>): void {
  for (const rule of RULES) {
    const covered = found.filter((difference) => rule.covers(difference)).length
    if (covered === 0) continue
    const before = used.get(rule) ?? { differences: 0, cases: 0 }
    used.set(rule, { differences: before.differences + covered, cases: before.cases + 1 })
  }
}

function filtersVlans(): boolean {
  const make = 'ip link add b type bridge vlan_filtering 1 && bridge vlan add vid 7 dev b self'
  return spawnSync('unshare', ['--net', 'sh', '-c', make]).status === 0
}
