/**
 * Bundles every plugin with ncc, turns each bundle into a script whose value is its exports, and packs
 * them behind the host: `bin/flatnet` and a hard link to it for each plugin.
 */

import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { eachMapping, TraceMap } from '@jridgewell/trace-mapping'
import { pluginFolders } from './plugin-folders.js'

const HOST = 'lib/host/target/release'

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

mkdirSync('build/bundle', { recursive: true })
const packed: string[] = []
for (const { name, folder } of pluginFolders()) {
  const { code, map } = await ncc(`${process.cwd()}/${folder}/main.ts`, {
    cache: false,
    sourceMap: true,
    sourceMapRegister: false,
    transpileOnly: true,
    quiet: true,
    target: 'es2022',
  })
  writeFileSync(`build/bundle/${name}.js`, asScript(code.replace(/^\/\/# sourceMappingURL=.*$/m, '')))
  writeFileSync(`build/bundle/${name}.map`, lineMap(map))
  packed.push(name, `build/bundle/${name}.js`, `build/bundle/${name}.map`)
}

mkdirSync('bin', { recursive: true })
execFileSync(`${HOST}/flatnet-pack`, [`${HOST}/flatnet-host`, 'build/flatnet', ...packed], { stdio: 'inherit' })
for (const old of readdirSync('bin')) rmSync(`bin/${old}`)
linkSync('build/flatnet', 'bin/flatnet')
for (const { name } of pluginFolders()) linkSync('build/flatnet', `bin/${name}`)
const size = readFileSync('build/flatnet').length
console.log(`bin/: ${pluginFolders().length} plugins, one inode, ${(size / 2 ** 20).toFixed(2)} MiB`)
