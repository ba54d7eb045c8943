/**
 * Reports of several sets of plugins side by side, as the page docs/conformance.md:
 *   scorecard.js flatnet=flatnet.json 'reference v1.9.1=reference.json' …
 */

import { readFileSync } from 'node:fs'
import { type Counts, countBy, type Outcome, VERDICTS, worst } from './outcome.js'
import type { Scorecard } from './report.js'
import { REQUIREMENTS, UNTESTED } from './requirements.js'

export interface Column {
  readonly name: string
  readonly report: Pick<Scorecard, 'date' | 'kernel' | 'plugins' | 'outcomes'>
}

const AREAS: Record<string, string> = {
  CFG: 'configuration',
  ENV: 'environment',
  IO: 'streams and status',
  VER: 'VERSION',
  ADD: 'ADD',
  DEL: 'DEL',
  CHK: 'CHECK',
  GC: 'GC',
  STA: 'STATUS',
  ERR: 'errors',
  RES: 'results',
  CNV: 'conversion between versions',
  PRV: 'prevResult',
  DLG: 'delegation',
  IPM: 'IPAM',
  CON: 'many at once',
  CAP: 'runtimeConfig',
  ARG: 'args',
  CAR: 'CNI_ARGS',
  DNS: 'dns',
  IFC: 'interfaces of a result',
  RTE: 'routes',
  RTM: 'what runtimes do',
  ROB: 'robustness',
}

/** The page, without the text around it. */
export function scorecard(columns: readonly Column[]): string {
  return [
    `Run on ${[...new Set(columns.map(({ report }) => report.date))].join(', ')}.`,
    '',
    '## By set of plugins',
    '',
    'Points are cases at a version of a plugin. A requirement is kept where none of its points fails or is waived.',
    '',
    ...table(
      ['', 'requirements', 'kept', 'points', ...VERDICTS],
      columns.map(({ name, report: { outcomes } }) => [name, ...totals(outcomes)]),
    ),
    '',
    '## By plugin',
    '',
    ...table(
      ['', 'plugin', 'requirements', 'kept', 'points', ...VERDICTS],
      columns.flatMap(({ name, report: { plugins, outcomes } }) =>
        Object.keys(plugins).map((plugin) => [
          name,
          plugin,
          ...totals(outcomes.filter((outcome) => outcome.plugin === plugin)),
        ]),
      ),
    ),
    '',
    '## By area',
    '',
    'Requirements kept, of those that bind a plugin of the set.',
    '',
    ...table(
      ['', 'area', ...columns.map(({ name }) => name)],
      Object.entries(AREAS).map(([area, title]) => [
        area,
        title,
        ...columns.map(({ report: { outcomes } }) => {
          const own = outcomes.filter(({ requirement }) => requirement.startsWith(`${area}-`))
          const { requirements, kept } = keeping(own)
          return `${kept} of ${requirements}`
        }),
      ]),
    ),
    '',
    '## Deviations',
    '',
    ...deviations(columns),
    '',
    '## Without a case',
    '',
    `Of ${REQUIREMENTS.length} requirements in the list ${Object.keys(UNTESTED).length} have no case.`,
    '',
    ...table(
      ['why', 'requirements'],
      [...grouped(Object.entries(UNTESTED))].map(([reason, ids]) => [reason, ids.join(' ')]),
    ),
  ].join('\n')
}

function keeping(outcomes: readonly Outcome[]): { requirements: number; kept: number } {
  const counts = [...countBy(outcomes, ({ requirement }) => requirement).values()]
  return {
    requirements: counts.length,
    kept: counts.filter((each) => ['pass', 'skipped'].includes(worst(each))).length,
  }
}

function totals(outcomes: readonly Outcome[]): string[] {
  const { requirements, kept } = keeping(outcomes)
  const none: Counts = { pass: 0, fail: 0, waived: 0, skipped: 0 }
  const counts = countBy(outcomes, () => '').get('') ?? none
  return [requirements, kept, outcomes.length, ...VERDICTS.map((verdict) => counts[verdict])].map(String)
}

/** Every case that fails or is waived anywhere: which plugins of which set, and why. */
function deviations(columns: readonly Column[]): string[] {
  const found = columns.flatMap(({ name, report: { outcomes } }) =>
    outcomes
      .filter(({ verdict }) => verdict === 'fail' || verdict === 'waived')
      .map((outcome) => ({ ...outcome, name, what: sentence(outcome) })),
  )
  if (found.length === 0) return ['None.']
  const rows = [...new Set(found.map(({ id, what }) => `${id}\n${what}`))].sort().map((key) => {
    const same = found.filter(({ id, what }) => `${id}\n${what}` === key)
    const [first] = same
    const where = columns.map(({ name }) =>
      [...new Set(same.filter((one) => one.name === name).map(({ plugin }) => plugin))].join(' '),
    )
    return [first?.id ?? '', first?.level ?? '', first?.what ?? '', ...where]
  })
  return table(['case', 'level', 'what they do', ...columns.map(({ name }) => name)], rows)
}

function sentence({ verdict, reason = '' }: Outcome): string {
  return verdict === 'waived' ? reason : `**fails**: ${(reason.split('\n')[0] ?? '').slice(0, 120)}`
}

function grouped(pairs: readonly (readonly [id: string, reason: string])[]): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const [id, reason] of pairs) groups.set(reason, [...(groups.get(reason) ?? []), id])
  return groups
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)]
}

if (process.argv[1]?.endsWith('scorecard.js') === true) {
  const columns = process.argv.slice(2).map((argument) => {
    const at = argument.indexOf('=')
    return { name: argument.slice(0, at), report: JSON.parse(readFileSync(argument.slice(at + 1), 'utf8')) }
  })
  console.log(scorecard(columns))
}
