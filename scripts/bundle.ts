/**
 * Bundles the suite with ncc into one script whose value is its exports, drops what nobody calls, and
 * packs it behind the engine: `bin/flatnet`, and a hard link to it for each plugin. What calls write to is
 * learnt by running some, and lies side by side in the executable's image: see lib/engine/src/arena.rs.
 */

import { execFileSync, spawnSync } from 'node:child_process'
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { eachMapping, TraceMap } from '@jridgewell/trace-mapping'
import { minify } from 'terser'
import { pluginFolders } from './plugin-folders.js'

/** lib/cni/release.ts declares it. */
const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

const ENGINE = 'lib/engine/target/release'

type Ncc = (input: string, options: Record<string, unknown>) => Promise<{ code: string; map: string }>
const ncc = createRequire(import.meta.url)('@vercel/ncc') as Ncc

/** The bundle's ES exports as the value of a script, on the same lines. */
function asScript(code: string): string {
  const exported: string[] = []
  const body = code.replace(/^export \{(.*)\};$/gm, (_, names: string) => {
    for (const pair of names.split(',')) {
      const [local = '', alias = local] = pair.split(' as ').map((name) => name.trim())
      exported.push(`${alias}: ${local}`)
    }
    return ''
  })
  if (exported.length === 0 || body.includes('__esModule')) throw new Error('the bundle exports nothing')
  const missing = /require"\)\("[^"]*"/.exec(body)
  if (missing !== null) throw new Error(`a module is missing: ${missing[0]}`)
  return `(function () { 'use strict'; ${body.trimEnd()}\nreturn { ${exported.join(', ')} } })()\n`
}

/** Bundle line to TypeScript line, in the text format of lib/sys/stack.ts. */
function lineMap(map: string): string {
  const trace = new TraceMap(map)
  const lines: string[] = []
  eachMapping(trace, ({ generatedLine, source, originalLine }) => {
    if (source === null || lines[generatedLine] !== undefined) return
    lines[generatedLine] = `${trace.resolvedSources.indexOf(source)} ${originalLine}`
  })
  const files = trace.sources.map((source) => (source ?? '').replace(/^.*?(?=(?:lib|plugins|ipam)\/)/, ''))
  return [
    files.join('\t'),
    ...Array.from({ length: Math.max(0, lines.length - 1) }, (_, at) => lines[at + 1] ?? ''),
  ].join('\n')
}

/** What the engine and `flatnet` look for in a plugin; each has some of them. */
const EXPORTS = ['main', 'delegate', 'sync', 'schema']

function exportsOf(folder: string): string[] {
  const source = readFileSync(`${folder}/main.ts`, 'utf8')
  return EXPORTS.filter((name) => new RegExp(`^export\\b[^=(;]*\\b${name}\\b`, 'm').test(source))
}

/** One entry for the whole suite: what plugins share is in it once. */
function entry(): string {
  const plugins = pluginFolders().map(({ name, folder }, at) => ({
    name,
    exports: exportsOf(folder).map((exported) => ({ exported, local: `${exported}${at}` })),
    path: `../../${folder}/main.ts`,
  }))
  const list = (items: string[]) => `{ ${items.join(', ')} }`
  return [
    ...plugins.map(
      ({ exports, path }) => `import ${list(exports.map((e) => `${e.exported} as ${e.local}`))} from '${path}'`,
    ),
    `export const plugins = ${list(
      plugins.map(({ name, exports }) => `'${name}': ${list(exports.map((e) => `${e.exported}: ${e.local}`))}`),
    )}`,
    '',
  ].join('\n')
}

mkdirSync('build/bundle', { recursive: true })
writeFileSync('build/bundle/entry.js', entry())
const { code, map } = await ncc(`${process.cwd()}/build/bundle/entry.js`, {
  cache: false,
  sourceMap: true,
  sourceMapRegister: false,
  transpileOnly: true,
  quiet: true,
  target: 'es2022',
})
// Leave out what nobody calls. Function names and line breaks stay, for stack traces; `expression`
// keeps the value of the script, its exports.
const small = await minify(asScript(code.replace(/^\/\/# sourceMappingURL=.*$/m, '')), {
  ecma: 2020,
  compress: { passes: 3, expression: true, global_defs: { FLATNET_VERSION: version } },
  mangle: true,
  keep_fnames: true,
  format: { beautify: true, indent_level: 0 },
  sourceMap: { content: map },
})
writeFileSync('build/bundle/flatnet.js', small.code ?? '')
writeFileSync('build/bundle/flatnet.map', lineMap(String(small.map)))

const names = pluginFolders().map(({ name }) => name)

/** Makes `folder`/flatnet and a hard link to it for each plugin in `bin`. */
function pack(layout: string, folder: string, bin: string): void {
  mkdirSync(bin, { recursive: true })
  const executable = `${folder}/flatnet`
  const bundle = ['build/bundle/flatnet.js', 'build/bundle/flatnet.map']
  execFileSync(`${ENGINE}/flatnet-pack`, [layout, `${ENGINE}/flatnet-engine`, executable, ...bundle, ...names], {
    stdio: ['inherit', layout === 'spread' ? 'ignore' : 'inherit', 'inherit'],
  })
  for (const old of readdirSync(bin)) if (`${bin}/${old}` !== executable) rmSync(`${bin}/${old}`)
  for (const name of new Set([...names, 'flatnet'])) {
    if (`${bin}/${name}` !== executable) linkSync(executable, `${bin}/${name}`)
  }
}

/** The path of a profile of what calls write to, for an image that has it side by side. */
function train(): string {
  const [folder, profile] = ['build/train', 'build/bundle/profile']
  pack('spread', folder, folder)
  writeFileSync(profile, '')
  const { status } = spawnSync('scripts/train.sh', [`${ENGINE}/flatnet-pack`, folder, profile], { stdio: 'inherit' })
  if (status !== 0) console.error('not trained: an ADD will take some 0.5 ms longer')
  rmSync(folder, { recursive: true })
  return profile
}

pack(train(), 'build', 'bin')
console.log(`bin/: ${names.length} names, one inode, ${(statSync('build/flatnet').size / 2 ** 20).toFixed(2)} MiB`)
