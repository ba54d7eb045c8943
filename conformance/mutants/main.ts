/**
 * Whether the suite can fail: each mutant must be caught by a case of the requirement it breaks, and by no
 * other but those that its data names as related, with the reason.
 *   main.js [directory of good plugins] [picks: plugins, beginnings of requirements, words of names, with commas]
 *   [--all] [--jobs 4]
 * First the cases are run on scripts that break nothing, and all must pass. Without --all the areas that take
 * long (robustness, concurrency, runtimes) and the slowest quarter of the other cases are run only for the mutants
 * they belong to.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import { type Case, requirementOf } from '../case.js'
import { loadCases } from '../cases.js'
import { missingFeatures } from '../features.js'
import { type Point, plan } from '../plan.js'
import { PLUGINS } from '../plugins.js'
import { isRoot, runPoints } from '../run.js'
import { VERSIONS } from '../version.js'
import { type Mutant, PRELUDE } from './mutant.js'
import { MUTANTS } from './mutants.js'
import { judge, type Trial } from './trial.js'

const LONG = ['ROB', 'CON', 'RTM']
const NEWEST = VERSIONS.at(-1) ?? ''

const options = yargs(hideBin(process.argv))
  .option('all', { type: 'boolean', default: false })
  .option('jobs', { type: 'number', default: availableParallelism() })
  .strictOptions()
  .parseSync()
const { all: everything, jobs } = options
const [directory = 'bin', picks = ''] = options._.map(String)
const good = resolve(directory)
const mutants = MUTANTS.filter(({ name, breaks, plugin }) =>
  picks.split(',').some((pick) => name.includes(pick) || breaks.startsWith(pick) || plugin === pick),
)
const scratch = mkdtempSync(join(tmpdir(), 'mutants-'))
const cases = await loadCases()
const circumstances = { missing: missingFeatures(), root: isRoot }
const begin = performance.now()

try {
  if (mutants.length === 0) throw new Error(`no mutant is called ${picks}`)
  console.log(`TAP version 14\n1..${mutants.length + 1}`)
  const [unfit, slow] = await baseline()
  const number = mutants.length + 1
  const failed = await tryMutants(unfit, slow)
  const seconds = Math.round((performance.now() - begin) / 1000)
  const areas = new Set(mutants.map(({ breaks }) => breaks.replace(/-.*/, '')))
  console.log(`# ${mutants.length} mutants in ${areas.size} areas (${[...areas].join(' ')}), ${seconds} s`)
  if (failed === 0 && unfit.size === 0) console.log('# mutants caught: all, each by its own case')
  else console.log(`# mutants caught as they should be: ${number - 1 - failed} of ${number - 1}`)
  if (failed > 0 || unfit.size > 0) process.exitCode = 1
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

/** The points at which a script that breaks nothing fails, and the cases that are slow for a plugin. */
async function baseline(): Promise<[Set<string>, Set<string>]> {
  const bins = new Map<string, string>()
  const points = new Map<string, Point>()
  for (const mutant of mutants) {
    const { plugin } = mutant
    const bin = bins.get(plugin) ?? install(plugin, '', join(scratch, plugin))
    bins.set(plugin, bin)
    for (const point of pointsOf(mutant, bin, new Set())) points.set(nameOf(point), point)
  }
  const times = new Map<string, number>()
  const failed = await run([...points.values()], (point, milliseconds) => {
    const key = `${point.candidate.plugin.type} ${point.case.id}`
    times.set(key, Math.max(times.get(key) ?? 0, milliseconds))
  })
  const again = await run(failed.map(([point]) => point))
  const unfit = new Set(again.map(([point]) => nameOf(point)))
  console.log(`${unfit.size === 0 ? 'ok' : 'not ok'} 1 - ${points.size} cases pass where nothing is broken`)
  for (const [point, reason] of again) console.log(`  # ${nameOf(point)}: ${reason.split('\n')[0]}`)
  const slowest = [...bins.keys()].flatMap((plugin) => {
    const own = [...times].filter(([key]) => key.startsWith(`${plugin} `)).sort((a, b) => b[1] - a[1])
    return own.slice(0, Math.floor(own.length / 4)).map(([key]) => key)
  })
  return [unfit, new Set(slowest)]
}

/** Runs and judges all mutants; how many were not caught as they should be. */
async function tryMutants(unfit: ReadonlySet<string>, slow: ReadonlySet<string>): Promise<number> {
  const trials = mutants.map((mutant, i): Trial => ({ number: i + 2, mutant, ran: new Set(), failed: new Map() }))
  const owners = new Map<Point, Trial>()
  const left = new Map<Trial, number>()
  for (const trial of trials) {
    const { mutant, number } = trial
    const own = pointsOf(mutant, install(mutant.plugin, mutant.script, join(scratch, String(number))), slow)
    for (const point of own) if (!unfit.has(nameOf(point))) owners.set(point, trial)
    left.set(trial, [...owners.values()].filter((one) => one === trial).length)
  }
  let bad = 0
  const doubtful: [Point, Trial][] = []
  const say = (trial: Trial) => {
    const { ok, lines } = judge(trial)
    if (!ok) bad++
    console.log(lines.join('\n'))
  }
  await runPoints([...owners.keys()], good, jobs, (point, { verdict, reason = '' }) => {
    const trial = owners.get(point) as Trial
    const { id } = point.case
    if (verdict !== 'skipped') trial.ran.add(requirementOf(id))
    if (verdict === 'fail') {
      trial.failed.set(id, reason)
      const { breaks, also = {} } = trial.mutant
      if (requirementOf(id) !== breaks && !(requirementOf(id) in also)) doubtful.push([point, trial])
    }
    left.set(trial, (left.get(trial) ?? 0) - 1)
    if (left.get(trial) === 0 && !doubtful.some(([, one]) => one === trial)) say(trial)
  })
  // What fails and should not is asked once more: a busy machine is no mutant's fault.
  const strays = new Map(doubtful)
  for (const [point, trial] of doubtful) trial.failed.delete(point.case.id)
  for (const [point, reason] of await run([...strays.keys()])) strays.get(point)?.failed.set(point.case.id, reason)
  for (const trial of new Set(strays.values())) say(trial)
  return bad
}

async function run(
  points: readonly Point[],
  took: (point: Point, milliseconds: number) => void = () => undefined,
): Promise<[Point, string][]> {
  const failed: [Point, string][] = []
  await runPoints(points, good, jobs, (point, { verdict, reason = '', milliseconds }) => {
    if (verdict === 'fail') failed.push([point, reason])
    took(point, milliseconds)
  })
  return failed
}

/** The script as an executable, alone in a directory: that directory. */
function install(plugin: string, script: string, bin: string): string {
  mkdirSync(bin, { recursive: true })
  const executable = quote(join(good, plugin))
  // Other shells lose the variables whose names are no names of variables.
  const text = `#!/bin/bash\nunder=\ngood() { $under ${executable}; }\n${PRELUDE}\n${script}\nexec $under ${executable}\n`
  writeFileSync(join(bin, plugin), text, { mode: 0o755 })
  return bin
}

function quote(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`
}

/** Its own and the related cases at all versions, every other case once, at the newest version it can be asked at. */
function pointsOf(
  { plugin: type, breaks, also = {}, version = NEWEST }: Mutant,
  bin: string,
  slow: ReadonlySet<string>,
): Point[] {
  const plugin = PLUGINS.find((one) => one.type === type)
  if (plugin === undefined) throw new Error(`no plugin ${type}`)
  const belongs = ({ id }: Case) => requirementOf(id) === breaks || requirementOf(id) in also
  const others = cases.filter((one) => {
    const isLong = LONG.some((area) => one.id.startsWith(area)) || slow.has(`${type} ${one.id}`)
    return requirementOf(one.id) in also || (!belongs(one) && (everything || !isLong))
  })
  const versions = VERSIONS.slice(0, (VERSIONS as readonly string[]).indexOf(version) + 1)
  const once = new Map(plan(others, [{ plugin, versions, bin }], circumstances).map((point) => [point.case, point]))
  const points = [
    ...plan(cases.filter(belongs), [{ plugin, versions: VERSIONS, bin }], circumstances),
    ...[...once.values()].filter(({ skipped }) => skipped === undefined),
  ]
  return [...new Map(points.map((point) => [nameOf(point), point])).values()]
}

function nameOf({ candidate, case: { id }, version }: Point): string {
  return `${candidate.plugin.type} ${id} ${version}`
}
