/** A difference that is accepted, why, and where exactly. */

import { where } from '../../../lib/testing/reference-rules.js'
import type { Difference } from '../compare.js'

export interface Rule {
  readonly name: string
  readonly reason: string
  covers: When
}

export type When = (difference: Difference) => boolean

export { where }

export const any =
  (...conditions: readonly When[]): When =>
  (difference) =>
    conditions.some((condition) => condition(difference))

export const all =
  (...conditions: readonly When[]): When =>
  (difference) =>
    conditions.every((condition) => condition(difference))

/** Where the case has one of these values of a factor. */
export const having =
  (factor: string, ...ids: readonly string[]): When =>
  (difference) =>
    difference.has(factor, ...ids)

/** Where the case is of one of these scenarios. */
export const of =
  (...scenarios: readonly string[]): When =>
  ({ what }) =>
    scenarios.includes(what.scenario)

export const not =
  (condition: When): When =>
  (difference) =>
    !condition(difference)

/** After these calls: AGAIN, OTHER, CHECK. */
export const after =
  (...calls: readonly string[]): When =>
  ({ call }) =>
    calls.includes(call.split('#')[0] ?? '')

/** A call that one of them refuses, and what that leads to. */
export const outcome = (ours: RegExp | null, theirs: RegExp | null): When =>
  any(
    where(/^\w+ status$/, ours ?? /^0$/, theirs ?? /^0$/),
    where(
      /^\w+ (error code|failing plugin|output)$/,
      ours === null ? null : undefined,
      theirs === null ? null : undefined,
    ),
  )

/** A CHECK, DEL or STATUS that succeeds, where the reference's fails. */
export const onlyOursSucceeds = (call: string): When => all(({ key }) => key.startsWith(call), outcome(null, /^[^0]/))

/** Flatnet's first ADD does what the reference refuses: then all that comes of it is a difference. */
export function succeeds(name: string, reason: string, when: When): Rule {
  return { name, reason, covers: all(when, ({ status }) => status[0] === '0' && status[1] !== '0') }
}

/** Flatnet's first ADD refuses what the reference does; with the code of the case. */
export function refuses(name: string, reason: string, when: When): Rule {
  const isRefused: When = ({ status, what, seen }) =>
    status[0] !== '0' &&
    status[1] === '0' &&
    what.code !== undefined &&
    seen.ours.get('ADD error code') === String(what.code)
  return { name, reason, covers: all(when, isRefused) }
}

/** As `refuses`, without a code that the case has named. */
export function refusesWith(code: number, name: string, reason: string, when: When): Rule {
  const isRefused: When = ({ status, seen }) =>
    status[0] !== '0' && status[1] === '0' && seen.ours.get('ADD error code') === String(code)
  return { name, reason, covers: all(when, isRefused) }
}
