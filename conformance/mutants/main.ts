/**
 * Whether the suite can fail: each mutant must be caught by a case of the requirement it breaks, and by no
 * other than those it cannot help to break.
 *   main.js [directory of good plugins] [substring of a mutant's name or requirement]
 * What fails for a script that breaks nothing is no mutant's fault. The areas that take long (robustness,
 * concurrency, runtimes) are not run for mutants that do not belong to them.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Case, requirementOf } from '../case.js'
import { loadCases } from '../cases.js'
import { missingFeatures } from '../features.js'
import { type Candidate, type Point, plan } from '../plan.js'
import { PLUGINS } from '../plugins.js'
import { isRoot, runPoints } from '../run.js'
import { VERSIONS } from '../version.js'
import { MUTANTS, type Mutant } from './mutants.js'

interface Trial {
  readonly mutant: Mutant
  readonly failed: Set<string>
}

const [directory = 'bin', only = ''] = process.argv.slice(2)
const good = resolve(directory)
const scratch = mkdtempSync(join(tmpdir(), 'mutants-'))
const mutants = MUTANTS.filter(({ name, breaks }) => name.includes(only) || breaks.includes(only))
const harmless = [...new Set(mutants.map(({ plugin }) => plugin))].map(
  (plugin): Mutant => ({ name: 'breaks nothing', plugin, breaks: '', script: '' }),
)
const innocent = new Map<string, Set<string>>()
const cases = await loadCases()
const LONG = ['ROB', 'CON', 'RTM']
const circumstances = { missing: missingFeatures(), root: isRoot }
const trials = new Map<Point, Trial>()
const all: Trial[] = []

try {
  const points = [...harmless, ...mutants].flatMap((mutant, i) => {
    const trial = { mutant, failed: new Set<string>() }
    all.push(trial)
    const own = pointsOf(mutant, install(mutant, join(scratch, String(i))))
    for (const point of own) trials.set(point, trial)
    return own
  })
  console.log(`TAP version 14\n1..${mutants.length}`)
  const left = new Map(all.map((trial) => [trial, 0]))
  for (const trial of trials.values()) left.set(trial, (left.get(trial) ?? 0) + 1)
  let number = 0
  let ended: Trial[] = []
  await runPoints(points, good, availableParallelism(), (point, { verdict }) => {
    const trial = trials.get(point) as Trial
    if (verdict === 'fail') trial.failed.add(point.case.id)
    const rest = (left.get(trial) ?? 0) - 1
    left.set(trial, rest)
    if (rest > 0) return
    if (trial.mutant.breaks === '') innocent.set(trial.mutant.plugin, trial.failed)
    else ended.push(trial)
    for (const one of ended.filter(({ mutant }) => innocent.has(mutant.plugin))) console.log(judge(++number, one))
    ended = ended.filter(({ mutant }) => !innocent.has(mutant.plugin))
  })
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

/** The mutant as an executable beside links to nothing else; its directory. */
function install({ plugin, script }: Mutant, bin: string): string {
  mkdirSync(bin, { recursive: true })
  const executable = join(good, plugin)
  const text = `#!/bin/sh\ngood() { ${quote(executable)}; }\n${script}\nexec ${quote(executable)}\n`
  writeFileSync(join(bin, plugin), text, { mode: 0o755 })
  return bin
}

function quote(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`
}

/** Its own cases at all versions, and everything else about the plugin at the newest. */
function pointsOf({ plugin: type, breaks }: Mutant, bin: string): Point[] {
  const plugin = PLUGINS.find((one) => one.type === type)
  if (plugin === undefined) throw new Error(`no plugin ${type}`)
  const candidate: Candidate = { plugin, versions: VERSIONS, bin }
  const newest: Candidate = { plugin, versions: VERSIONS.slice(-1), bin }
  const belongs = ({ id }: Case) => requirementOf(id) === breaks
  const isLong = ({ id }: Case) => LONG.some((area) => id.startsWith(area))
  return [
    ...plan(cases.filter(belongs), [candidate], circumstances),
    ...plan(
      cases.filter((one) => !belongs(one) && !isLong(one)),
      [newest],
      circumstances,
    ).filter(({ skipped }) => skipped === undefined),
  ]
}

function judge(number: number, { mutant, failed }: Trial): string {
  const { name, plugin, breaks, also = [] } = mutant
  const caught = [...failed].some((id) => requirementOf(id) === breaks)
  const excused = innocent.get(plugin) ?? new Set()
  const stray = [...failed].filter(
    (id) => requirementOf(id) !== breaks && !excused.has(id) && !also.some((start) => id.startsWith(start)),
  )
  const ok = caught && stray.length === 0
  if (!ok) process.exitCode = 1
  const why = [
    ...(caught ? [] : [`  # ${breaks} does not catch it`]),
    ...(stray.length === 0 ? [] : [`  # also caught by ${stray.join(' ')}`]),
  ]
  return [`${ok ? 'ok' : 'not ok'} ${number} - ${breaks} catches ${plugin} that ${name}`, ...why].join('\n')
}
