/** Cases from the scenarios: pairs of what is allowed, each fault once, contradictions, and as many more as are wanted. */

import { type Factor, type Probe, type Scenario, type Step, toText, type Value } from './factor.js'
import { anyRow, coverPairs, type Table } from './pairwise.js'
import type { Random } from './random.js'

export interface Case {
  readonly scenario: Scenario['name']
  /** What was chosen besides the usual, `factor: value`. */
  readonly title: string
  /** `factor=value`, all of them. */
  readonly values: ReadonlySet<string>
  /** The code that flatnet must refuse a fault among them with, 0 where it does not; undefined where there is none. */
  readonly code: number | undefined
  readonly plugins: readonly Plugin[]
  readonly env: Readonly<Record<string, string>>
  readonly setup: readonly string[]
  readonly macs: readonly string[]
  readonly steps: readonly Step[]
  readonly probes: readonly Probe[]
}

export interface Plugin {
  readonly type: string
  readonly text: string
  /** Sent as it is, without a previous result. */
  readonly whole: boolean
}

export interface Plan {
  readonly cases: readonly Case[]
  /** Pairs of allowed values that the rows for them have, of those that can be. */
  readonly met: number
  readonly possible: number
}

/** Indices into each factor's values, and the code of what is wrong with them. */
interface Line {
  readonly scenario: Scenario
  readonly row: readonly number[]
  readonly code?: number
}

export interface Options {
  /** Absent: as many as it takes to have every pair and every fault. */
  readonly count?: number
  /** Values that Debian's 1.1.1 does not know. */
  readonly recent: boolean
}

/** How many of a smaller number a scenario gets. */
const WEIGHTS: Readonly<Record<Scenario['name'], number>> = {
  bridge: 34,
  'host-local': 26,
  portmap: 15,
  bandwidth: 10,
  firewall: 9,
  loopback: 6,
}

export function generate(scenarios: readonly Scenario[], random: Random, { count, recent }: Options): Plan {
  const known = scenarios.map((scenario) => ordered(scenario, recent))
  const all = known.reduce((sum, { name }) => sum + WEIGHTS[name], 0)
  const lines: Line[] = []
  let met = 0
  let possible = 0
  for (const scenario of known) {
    const share = count === undefined ? undefined : Math.max(1, Math.round((count * WEIGHTS[scenario.name]) / all))
    // Half of it is allowed, if both are plenty.
    const cover = coverPairs(tableOf(scenario), random, share === undefined ? undefined : Math.ceil(share / 2))
    met += cover.met
    possible += cover.possible
    const good = cover.rows.map((row): Line => ({ scenario, row }))
    const own = [...faults(scenario), ...contradictions(scenario)]
    const bad = (share === undefined ? own : random.shuffle(own).slice(0, share - good.length)).map((one) =>
      one(random),
    )
    lines.push(...good, ...bad)
    for (let n = good.length + bad.length; n < (share ?? 0); n++) lines.push(another(scenario, random, n % 2 === 0))
  }
  return { cases: lines.map(caseOf), met, possible }
}

const isUsual = ({ kind, slow }: Value): boolean => kind !== 'bad' && slow !== true

/** What may be anywhere before what needs a row of its own. */
function ordered(scenario: Scenario, recent: boolean): Scenario {
  const factors = scenario.factors.map(({ name, values }) => {
    const known = values.filter((one) => recent || one.recent !== true)
    return { name, values: [...known.filter(isUsual), ...known.filter((one) => !isUsual(one))] }
  })
  return { ...scenario, factors }
}

function tableOf({ factors, forbids }: Scenario): Table {
  const places = new Map(factors.map(({ name }, at) => [name, at]))
  return {
    sizes: factors.map(({ values }) => values.filter(isUsual).length),
    forbids: (row) =>
      forbids((name) => {
        const at = places.get(name)
        const chosen = at === undefined ? undefined : row[at]
        return chosen === undefined ? undefined : factors[at as number]?.values[chosen]?.id
      }),
  }
}

/** Each value that needs a row of its own, among others that are fine. */
function faults(scenario: Scenario): ((random: Random) => Line)[] {
  return scenario.factors.flatMap(({ values }, at) =>
    values.flatMap((value, index) =>
      isUsual(value) ? [] : [(random: Random) => withFault(scenario, random, at, index)],
    ),
  )
}

function withFault(scenario: Scenario, random: Random, at: number, index: number): Line {
  const seed = scenario.factors.map((_, other) => (other === at ? index : undefined))
  const row = anyRow(tableOf(scenario), random, seed)
  const { name, values } = scenario.factors[at] as Factor
  const value = values[index] as Value
  if (row === undefined) throw new Error(`${scenario.name}: nothing fits ${name}=${value.id}`)
  return { scenario, row, ...(value.kind === 'bad' ? { code: value.code ?? 7 } : {}) }
}

/** Values that are fine, but not with each other; the rest is as usual. */
function contradictions(scenario: Scenario): (() => Line)[] {
  return scenario.together.flatMap(({ values, code }) => {
    const row = scenario.factors.map(({ name, values: known }) => {
      const id = values[name]
      return id === undefined ? 0 : known.findIndex((value) => value.id === id)
    })
    const names = scenario.factors.map(({ name }) => name)
    const unknown = Object.keys(values).filter((name) => !names.includes(name))
    if (unknown.length > 0) throw new Error(`${scenario.name} has no ${unknown}`)
    return row.includes(-1) ? [] : [() => ({ scenario, row, code })]
  })
}

/** Beyond what has to be: anything. */
function another(scenario: Scenario, random: Random, isFaulty: boolean): Line {
  const wanted = random.shuffle(faults(scenario))[0]
  if (isFaulty && wanted !== undefined) return wanted(random)
  const row = anyRow(
    tableOf(scenario),
    random,
    scenario.factors.map(() => undefined),
  )
  if (row === undefined) throw new Error(`${scenario.name}: nothing fits`)
  return { scenario, row }
}

function caseOf({ scenario, row, code }: Line): Case {
  const chosen = scenario.factors.map((factor, at) => ({ factor, value: factor.values[row[at] as number] as Value }))
  const draft = scenario.draft()
  for (const { value } of chosen) value.apply(draft)
  const { rewrite = (text: string) => text, stdin } = draft
  const plugins = scenario.plugins(draft).map(
    (config): Plugin => ({
      type: config.type,
      text: stdin ?? rewrite(toText(config)),
      whole: stdin !== undefined,
    }),
  )
  const special = chosen.filter(({ factor, value }) => value !== factor.values[0])
  return {
    scenario: scenario.name,
    title: special.map(({ factor, value }) => `${factor.name}: ${value.id}`).join('; '),
    values: new Set(chosen.map(({ factor, value }) => `${factor.name}=${value.id}`)),
    code,
    plugins,
    env: { ...draft.env, CNI_ARGS: draft.cniArgs.join(';') },
    setup: draft.setup,
    macs: draft.macs,
    steps: draft.steps,
    probes: draft.probes,
  }
}
