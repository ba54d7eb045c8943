/** A whole run: which plugins, which cases, how it went. */

import { readdirSync } from 'node:fs'
import { release } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { callNow, invocation } from './call.js'
import type { Case } from './case.js'
import { loadCases } from './cases.js'
import { type Descriptor, readDescriptorFile } from './descriptor.js'
import { missingFeatures } from './features.js'
import { hasFailed, type Outcome, outcomeOf } from './outcome.js'
import { type Candidate, plan } from './plan.js'
import { PLUGINS } from './plugins.js'
import { startProgress } from './progress.js'
import { summary, tapLines, writeScorecard } from './report.js'
import { UNTESTED } from './requirements.js'
import { isRoot, jobsOf, privately, runPoints } from './run.js'
import { isExecutable, needTools } from './tools.js'
import { VERSIONS } from './version.js'
import { readWaivers } from './waivers.js'

export interface Options {
  readonly bin: string
  readonly plugins: readonly string[]
  readonly only: readonly string[]
  readonly strict: boolean
  readonly profile: 'spec' | 'interop'
  readonly waivers?: string | undefined
  readonly report?: string | undefined
  readonly jobs?: number | undefined
  readonly list: boolean
}

/** The exit status. */
export async function conformance(options: Options): Promise<number> {
  const all = await loadCases()
  if (options.list) {
    list(all)
    return 0
  }
  if (options.bin === '') throw new Error('--bin DIR is missing: the directory with the executables')
  const jobs = jobsOf(options.jobs)
  const bin = resolve(options.bin)
  const cases = pick(all, options)
  needTools()
  const candidates = choose(bin, options.plugins).map((plugin) => ({ plugin, versions: advertised(bin, plugin) }))
  const waivers = options.waivers === undefined ? [] : readWaivers(options.waivers)
  const points = plan(cases, candidates, { missing: missingFeatures(), root: isRoot })
  if (points.length === 0) throw new Error('nothing to run: none of these cases is for any of these plugins')
  const outcomes: Outcome[] = []
  const begin = performance.now()
  const progress = startProgress(points.length)
  console.log(`TAP version 14\n1..${points.length}`)
  await runPoints(points, bin, jobs, (point, report) => {
    const outcome = outcomeOf(point, report, waivers)
    outcomes.push(outcome)
    progress.clear()
    // On a terminal what holds only moves the progress on.
    if (!progress.shown || outcome.verdict === 'fail') console.log(tapLines(outcomes.length, outcome))
    progress.show(outcomes)
  })
  progress.clear()
  const seconds = (performance.now() - begin) / 1000
  for (const line of summary(outcomes, seconds)) console.log(`# ${line}`.trimEnd())
  if (options.report !== undefined) {
    const plugins = Object.fromEntries(candidates.map(({ plugin, versions }) => [plugin.type, versions]))
    const facts = { bin, date: new Date().toISOString().slice(0, 10), kernel: release(), seconds: Math.round(seconds) }
    writeScorecard(options.report, { ...facts, plugins, outcomes })
  }
  const unknown = points.length - outcomes.length
  if (unknown > 0) throw new Error(`of ${unknown} of ${points.length} cases nothing is known`)
  return hasFailed(outcomes, options.strict) ? 1 : 0
}

function pick(all: readonly Case[], { profile, only }: Pick<Options, 'profile' | 'only'>): Case[] {
  const cases = all.filter(({ level }) => profile === 'interop' || level !== 'DF')
  const none = only.filter((start) => !cases.some(({ id }) => id.startsWith(start)))
  if (none.length > 0) throw new Error(`no case is called ${none.join(' or ')}: --list has them all`)
  return only.length === 0 ? cases : cases.filter(({ id }) => only.some((start) => id.startsWith(start)))
}

function list(cases: readonly Case[]): void {
  for (const { id, level, duty, claim } of cases) console.log(`${id}\t${level}\t${duty.join(' ')}\t${claim}`)
  for (const [id, reason] of Object.entries(UNTESTED)) console.log(`${id}\tno case\t\t${reason}`)
}

function choose(bin: string, names: readonly string[]): Descriptor[] {
  if (names.length === 0) {
    const there = PLUGINS.filter(({ type }) => isExecutable(join(bin, type)))
    if (there.length === 0) {
      throw new Error(`no plugin the suite knows is in ${bin}: describe yours in a file, --plugin ./mine.json`)
    }
    const others = readdirSync(bin).filter((name) => !PLUGINS.some(({ type }) => type === name))
    if (others.length > 0) console.log(`# not tested, for want of a descriptor: ${others.join(' ')}`)
    return there
  }
  return names.map((name) => {
    const plugin = name.endsWith('.json') ? readDescriptorFile(name) : PLUGINS.find(({ type }) => type === name)
    if (plugin === undefined) {
      const known = PLUGINS.map(({ type }) => type).join(', ')
      throw new Error(`${name} is none of ${known}: describe it in a file, --plugin ./${basename(name)}.json`)
    }
    if (!isExecutable(join(bin, plugin.type))) throw new Error(`there is no executable ${plugin.type} in ${bin}`)
    return plugin
  })
}

/** The released versions that VERSION lists; all of them where it lists none. */
function advertised(bin: string, plugin: Descriptor): Candidate['versions'] {
  const self = { path: '/proc/self/ns/net' }
  const options = { config: { cniVersion: '1.0.0' }, path: bin }
  const call = invocation('VERSION', join(bin, plugin.type), self, options)
  // It should not touch anything, and is not to be trusted with that.
  const [command = '', ...args] = [...privately(), call.command, ...call.args]
  const { json } = callNow({ ...call, command, args })
  const list = VERSIONS.filter((version) => json?.supportedVersions?.includes?.(version))
  return list.length === 0 ? VERSIONS : list
}
