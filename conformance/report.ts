/** What a run prints and writes: TAP, a table, JSON and HTML. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Verdict } from './case.js'
import { type Counts, countBy, type Outcome, VERDICTS, worst } from './outcome.js'
import { UNTESTED } from './requirements.js'

/** One line of TAP, and what is to be said of a failure. */
export function tapLines(number: number, outcome: Outcome): string {
  const { id, plugin, version, claim, verdict, reason = '', level } = outcome
  const name = `${number} - ${plugin} ${version} ${id} ${claim}`.replaceAll('#', '\\#')
  const firstLine = reason.split('\n')[0] ?? ''
  if (verdict === 'pass') return `ok ${name}`
  if (verdict === 'skipped') return `ok ${name} # SKIP ${firstLine}`
  if (verdict === 'waived') return `not ok ${name} # TODO waived: ${firstLine}`
  return `not ok ${name}\n  ---\n  level: ${level}\n  reason: |\n${reason.replaceAll(/^/gm, '    ')}\n  ...`
}

/** The table at the end: by plugin, by level, and each requirement that is not simply kept. */
export function summary(outcomes: readonly Outcome[], seconds: number): string[] {
  const rows: string[][] = [['', ...VERDICTS]]
  const add = (counts: Map<string, Counts>) => {
    for (const [name, count] of counts) rows.push([name, ...VERDICTS.map((verdict) => String(count[verdict]))])
  }
  add(countBy(outcomes, ({ plugin }) => plugin))
  add(countBy(outcomes, ({ level }) => level))
  add(countBy(outcomes, () => 'all'))
  const lines = table(rows)
  const byRequirement = [...countBy(outcomes, ({ requirement }) => requirement)]
  const having = (verdict: Verdict) => byRequirement.filter(([, counts]) => worst(counts) === verdict).length
  const skipped = having('skipped') === 0 ? '' : `, ${having('skipped')} that could not be asked`
  lines.push('', `${byRequirement.length} requirements, ${having('pass')} kept${skipped}, in ${Math.round(seconds)} s`)
  const notable = byRequirement.filter(([, counts]) => ['fail', 'waived'].includes(worst(counts)))
  if (notable.length > 0) {
    const marks = notable.map(([id, counts]) => {
      const [first] = outcomes.filter(({ requirement, verdict }) => requirement === id && verdict === worst(counts))
      const plugins = new Set(
        outcomes.filter((one) => one.id === first?.id && one.verdict === first.verdict).map((one) => one.plugin),
      )
      return [worst(counts), id, first?.level ?? '', [...plugins].join(' '), first?.claim ?? '']
    })
    lines.push('', ...table(marks))
  }
  return lines
}

function table(rows: readonly (readonly string[])[]): string[] {
  const last = (rows[0]?.length ?? 0) - 1
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, i) => (i === last ? cell : cell.padEnd((widths[i] ?? 0) + 2)))
      .join('')
      .trimEnd(),
  )
}

export interface Scorecard {
  readonly bin: string
  readonly date: string
  readonly kernel: string
  readonly seconds: number
  readonly plugins: Record<string, readonly string[]>
  readonly outcomes: readonly Outcome[]
  readonly untested: Readonly<Record<string, string>>
}

/** Writes the scorecard to `path` and, as a page, beside it. */
export function writeScorecard(path: string, scorecard: Omit<Scorecard, 'untested'>): void {
  const whole: Scorecard = { ...scorecard, untested: UNTESTED }
  const base = path.replace(/\.(json|html)$/, '')
  mkdirSync(dirname(base), { recursive: true })
  writeFileSync(`${base}.json`, `${JSON.stringify(whole, null, 1)}\n`)
  writeFileSync(`${base}.html`, page(whole))
}

const STYLE = `body{font:15px/1.4 system-ui,sans-serif;margin:2rem;max-width:75rem}table{border-collapse:collapse}
td,th{padding:.2rem .6rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}th{position:sticky;top:0;background:#fff}
.pass{color:#18794e}.fail{color:#c62828;font-weight:600}.waived{color:#9a6700}.skipped{color:#888}.c{text-align:center}
details{max-width:60rem}pre{white-space:pre-wrap;margin:.2rem 0}`

const SIGNS: Record<string, string> = { pass: '✓', fail: '✗', waived: '≈', skipped: '–' }

/** A row for each requirement, a column for each plugin; what failed can be opened. */
export function page({ bin, date, kernel, seconds, plugins, outcomes, untested }: Scorecard): string {
  const names = Object.keys(plugins)
  const requirements = [...new Set(outcomes.map(({ requirement }) => requirement))].sort()
  const rows = requirements.map((id) => {
    const own = outcomes.filter(({ requirement }) => requirement === id)
    const [first] = own
    const cells = names.map((plugin) => {
      const here = own.filter((one) => one.plugin === plugin)
      const [, counts] = [...countBy(here, () => '')][0] ?? []
      if (counts === undefined) return '<td></td>'
      const verdict = worst(counts)
      return `<td class="c ${verdict}" title="${verdict}">${SIGNS[verdict]}</td>`
    })
    const told = own.filter(({ verdict }) => verdict === 'fail' || verdict === 'waived' || verdict === 'skipped')
    const details = told.map(
      (one) =>
        `<pre><b class="${one.verdict}">${one.plugin} ${one.version} ${one.id}</b> ${escaped(one.reason ?? '')}</pre>`,
    )
    const more =
      told.length === 0 ? '' : `<details><summary>${told.length} to look at</summary>${details.join('')}</details>`
    const claims = [...new Set(own.map(({ claim }) => claim))].map(escaped).join('<br>')
    return `<tr id="${id}"><td>${id}</td><td>${first?.level}</td><td>${escaped(first?.section ?? '')}</td><td>${claims}${more}</td>${cells.join('')}</tr>`
  })
  const total = [...countBy(outcomes, () => '')][0]?.[1] ?? { pass: 0, fail: 0, waived: 0, skipped: 0 }
  const totals = VERDICTS.map((verdict) => `<span class="${verdict}">${total[verdict]} ${verdict}</span>`).join(', ')
  const not = Object.entries(untested).map(([id, reason]) => `<tr><td>${id}</td><td>${escaped(reason)}</td></tr>`)
  return `<!doctype html><meta charset="utf-8"><title>CNI conformance</title><style>${STYLE}</style>
<h1>CNI conformance of ${escaped(bin)}</h1>
<p>${totals}. ${escaped(date)}, kernel ${escaped(kernel)}, ${Math.round(seconds)} s.</p>
<table><tr><th>requirement<th>level<th>section<th>claim${names.map((name) => `<th class="c">${escaped(name)}`).join('')}</tr>
${rows.join('\n')}
</table>
<h2>Not tested from outside</h2>
<table>${not.join('\n')}</table>
`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
