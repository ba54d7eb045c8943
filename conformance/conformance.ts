/** A whole run: which plugins, which cases, how it went. */

import { accessSync, constants, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { callNow, invocation } from './call.js'
import { loadCases } from './cases.js'
import { type Descriptor, readDescriptor } from './descriptor.js'
import { missingFeatures } from './features.js'
import { type Candidate, plan } from './plan.js'
import { PLUGINS } from './plugins.js'
import { isRoot, runPoints } from './run.js'
import { VERSIONS } from './version.js'

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
  const bin = resolve(options.bin)
  const cases = (await loadCases())
    .filter(({ level }) => options.profile === 'interop' || level !== 'DF')
    .filter(({ id }) => options.only.length === 0 || options.only.some((start) => id.startsWith(start)))
  const candidates = choose(bin, options.plugins).map((plugin) => ({ plugin, versions: advertised(bin, plugin) }))
  const points = plan(cases, candidates, { missing: missingFeatures(), root: isRoot })
  console.log(`TAP version 14\n1..${points.length}`)
  let number = 0
  let failed = false
  await runPoints(points, bin, options.jobs ?? availableParallelism(), (point, { verdict, reason }) => {
    const { id, claim, level } = point.case
    const skip = verdict === 'skipped' ? ` # SKIP ${reason}` : ''
    const name = `${point.candidate.plugin.type} ${point.version} ${id} ${claim}`
    console.log(`${verdict === 'fail' ? 'not ok' : 'ok'} ${++number} - ${name}${skip}`)
    if (verdict === 'fail') {
      console.log(`  ---\n  level: ${level}\n  reason: |\n${(reason ?? '').replaceAll(/^/gm, '    ')}\n  ...`)
      failed ||= level === 'MUST'
    }
  })
  return failed ? 1 : 0
}

function choose(bin: string, names: readonly string[]): Descriptor[] {
  if (names.length === 0) {
    const there = PLUGINS.filter(({ type }) => isExecutable(join(bin, type)))
    if (there.length === 0) throw new Error(`no plugin the suite knows is in ${bin}: describe yours with --plugin FILE`)
    return there
  }
  return names.map((name) => {
    const plugin = name.endsWith('.json')
      ? readDescriptor(JSON.parse(readFileSync(name, 'utf8')))
      : PLUGINS.find(({ type }) => type === name)
    if (plugin === undefined) throw new Error(`${name} is not known: describe it in ${basename(name)}.json`)
    if (!isExecutable(join(bin, plugin.type))) throw new Error(`${plugin.type} is not in ${bin}`)
    return plugin
  })
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The released versions that VERSION lists; all of them where it lists none. */
function advertised(bin: string, plugin: Descriptor): Candidate['versions'] {
  const self = { path: '/proc/self/ns/net' }
  const options = { config: { cniVersion: '1.0.0' }, path: bin }
  const { json } = callNow(invocation('VERSION', join(bin, plugin.type), self, options))
  const list = VERSIONS.filter((version) => json?.supportedVersions?.includes?.(version))
  return list.length === 0 ? VERSIONS : list
}
