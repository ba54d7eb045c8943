/** What came of a run, in a form that reports are made of. */

import type { Level, Verdict } from './case.js'
import { requirementOf } from './case.js'
import type { Point } from './plan.js'
import type { Waiver } from './waivers.js'
import { waiverFor } from './waivers.js'
import type { Report } from './worker.js'

export interface Outcome {
  readonly id: string
  readonly requirement: string
  readonly section: string
  readonly level: Level
  readonly claim: string
  readonly plugin: string
  readonly version: string
  readonly verdict: Verdict
  /** Why it failed, was waived or skipped. */
  readonly reason?: string
  readonly milliseconds: number
}

export type Counts = Record<Verdict, number>

export const VERDICTS: readonly Verdict[] = ['pass', 'fail', 'waived', 'skipped']

export function outcomeOf(point: Point, report: Report, waivers: readonly Waiver[]): Outcome {
  const { id, section, level, claim } = point.case
  const plugin = point.candidate.plugin.type
  const waiver = report.verdict === 'fail' ? waiverFor(waivers, id, plugin) : undefined
  const reason = waiver?.reason ?? report.reason
  return {
    ...{ id, requirement: requirementOf(id), section, level, claim, plugin, version: point.version },
    verdict: waiver === undefined ? report.verdict : 'waived',
    ...(reason === undefined ? {} : { reason }),
    milliseconds: report.milliseconds,
  }
}

/** How many of each verdict, by a key of the outcome, in the order of first appearance. */
export function countBy(outcomes: readonly Outcome[], key: (outcome: Outcome) => string): Map<string, Counts> {
  const counts = new Map<string, Counts>()
  for (const outcome of outcomes) {
    const name = key(outcome)
    const count = counts.get(name) ?? { pass: 0, fail: 0, waived: 0, skipped: 0 }
    count[outcome.verdict]++
    counts.set(name, count)
  }
  return counts
}

/** A MUST that fails fails the run; where `strict`, a SHOULD does too. */
export function hasFailed(outcomes: readonly Outcome[], strict: boolean): boolean {
  return outcomes.some(
    ({ verdict, level }) => verdict === 'fail' && (level === 'MUST' || (strict && level === 'SHOULD')),
  )
}

/** The worst of a requirement's verdicts: one failure is a failure. */
export function worst(counts: Counts): Verdict {
  return (['fail', 'waived', 'pass', 'skipped'] as const).find((verdict) => counts[verdict] > 0) ?? 'skipped'
}
