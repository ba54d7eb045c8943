/** What a run came to, for people. */

import { type Difference, WORDS } from './compare.js'
import type { Judged, Outcome } from './run.js'

/** Prints it; whether all is known. */
export function report(outcome: Outcome, options: { readonly seed: number }): boolean {
  const { judged, used, rules, seconds, plan } = outcome
  console.log('\nAccepted differences:')
  for (const rule of rules) {
    const { differences = 0, cases = 0 } = used.get(rule) ?? {}
    console.log(`${String(differences).padStart(7)} in ${String(cases).padStart(4)}  ${rule.name}: ${rule.reason}`)
  }
  const unused = rules.filter((rule) => !used.has(rule))
  if (unused.length > 0) console.log(`\nUnused: ${unused.map(({ name }) => name).join('; ')}`)
  const bad = judged.filter(({ unknown, broken }) => unknown.length > 0 || broken !== undefined)
  const again = judged.reduce((sum, { repeated }) => sum + repeated, 0)
  console.log(
    `\nseed ${options.seed}: ${judged.length} configurations, ${plan.met} of ${plan.possible} pairs; ` +
      `${bad.length} with unknown differences; ${again} looked at again; ${seconds.toFixed(0)} s`,
  )
  return bad.length === 0
}

/** A case that has unknown differences; nothing of another. */
export function printCase({ what, unknown, broken }: Judged, verbose: boolean): void {
  if (unknown.length === 0 && broken === undefined) return
  console.log(`\n${what.scenario}: ${what.title === '' ? 'as usual' : what.title}`)
  if (verbose) for (const { text } of what.plugins) console.log(`  ${text}`)
  if (broken !== undefined) console.log(`  broken: ${broken}`)
  for (const one of verbose ? unknown : unknown.slice(0, 12)) console.log(`  ${describe(one)}`)
  if (!verbose && unknown.length > 12) console.log(`  and ${unknown.length - 12} more`)
}

/** One line of a difference, with what the programs said where one of them failed. */
export function describe({ call, key, ours, theirs, seen }: Difference): string {
  const said = [seen.ours, seen.theirs].map((flat) => flat.get(`${call}${WORDS}`))
  const words = / (status|error code)$/.test(key) ? ` (${said.map((text) => text ?? 'no error').join(' | ')})` : ''
  return `${key.startsWith(call) ? '' : `${call}: `}${key}: ${ours ?? 'nothing'}, not ${theirs ?? 'nothing'}${words}`
}
