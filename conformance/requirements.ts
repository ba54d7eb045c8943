/** Every requirement of the list, and why some of them have no case. */

import type { Case } from './case.js'
import { requirementOf } from './case.js'

/** Areas of the list, with the number of their last requirement. */
const AREAS: Record<string, readonly number[]> = {
  CFG: range(1, 25),
  ENV: range(1, 23),
  IO: range(1, 10),
  VER: range(1, 9),
  ADD: range(1, 15),
  DEL: range(1, 14),
  CHK: range(1, 13),
  GC: range(1, 12),
  STA: range(1, 8),
  ERR: range(1, 10),
  RES: range(1, 12),
  CNV: range(1, 7),
  PRV: range(1, 10),
  DLG: range(1, 14),
  IPM: range(1, 5),
  CON: range(1, 6),
  RTX: range(1, 13),
  CAP: range(1, 15),
  ARG: range(1, 4),
  CAR: range(1, 6),
  DNS: range(1, 3),
  IFC: range(1, 4),
  RTE: range(1, 8),
  RTM: [...range(1, 15), ...range(20, 44)],
  TOOL: range(1, 13),
  ROB: range(1, 64),
}

export const REQUIREMENTS: readonly string[] = Object.entries(AREAS).flatMap(([area, numbers]) =>
  numbers.map((number) => `${area}-${String(number).padStart(2, '0')}`),
)

const RUNTIME = 'binds the runtime, not a plugin'

/** Requirements that a plugin cannot be tested for from outside, each with the reason. */
export const UNTESTED: Readonly<Record<string, string>> = {
  ...all(RUNTIME, ['CFG-01', ...ids('CFG', 5, 7), ...ids('CFG', 9, 16), 'CFG-18', 'CFG-24', 'ENV-22', 'VER-09']),
  ...all(RUNTIME, ['ERR-10', 'RES-12', 'CNV-07', ...ids('CON', 3, 6), ...ids('RTX', 1, 13), ...ids('TOOL', 1, 13)]),
  ...all('says what a caller does with the answers; the answers are in the IO cases', ['RTM-12']),
  ...all('says what a caller forgives; no text may be relied on', ['RTM-26']),
  ...all('is the sum of CAP-02 and CAP-13', ['RTM-21']),
  ...all('is the sum of CAP-07 and CAP-12', ['RTM-37']),
  ...all('says which network a caller asks; nothing for a plugin to do', ['RTM-38']),
  ...all('an outage that harms running containers cannot be brought about without knowing the plugin', ['STA-03']),
  ...all('needs the release before this one', ['ROB-42']),
}

/** Requirements that have neither a case nor a reason. */
export function forgotten(cases: readonly Case[]): string[] {
  const covered = new Set(cases.map(({ id }) => requirementOf(id)))
  return REQUIREMENTS.filter((id) => !covered.has(id) && UNTESTED[id] === undefined)
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

function ids(area: string, first: number, last: number): string[] {
  return range(first, last).map((number) => `${area}-${String(number).padStart(2, '0')}`)
}

function all(reason: string, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, reason]))
}
