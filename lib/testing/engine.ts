/** A module of ours on the real engine, for tests of what needs system calls but is no plugin. */

import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'

type Ncc = (input: string, options: Record<string, unknown>) => Promise<{ code: string }>

/**
 * Bundles a compiled module that exports `main` and packs it behind the engine, as `directory/name`. With FLATNET_PACKED,
 * a directory, that has been done and the result is there (scripts/vm/pack-driver.ts).
 */
export async function packForEngine(module: string, directory: string, name: string): Promise<string> {
  const packed = process.env['FLATNET_PACKED']
  if (packed !== undefined) return resolve(packed, name)
  const ncc = createRequire(import.meta.url)('@vercel/ncc') as Ncc
  const { code } = await ncc(module, { cache: false, quiet: true, target: 'es2022' })
  const [bundle, map, executable] = ['bundle.js', 'map', name].map((file) => join(directory, file)) as [
    string,
    string,
    string,
  ]
  const local = /^export \{ (\w+) as main \};$/m.exec(code)?.[1]
  if (local === undefined) throw new Error(`${module} exports no main`)
  const body = code.replace(/^export \{.*\};$/m, '')
  writeFileSync(
    bundle,
    `(function () { 'use strict'; ${body}\nreturn { plugins: { '${name}': { main: ${local} } } } })()\n`,
  )
  writeFileSync(map, '')
  const engine = resolve('lib/engine/target/release')
  execFileSync(`${engine}/flatnet-pack`, ['dense', `${engine}/flatnet-engine`, executable, bundle, map, name])
  return executable
}
