/**
 * The rule of the house, held by a machine: imports go down only.
 *
 *   plugins, ipam -> lib/* -> lib/sys      a plugin never imports another plugin
 *   nothing that ships touches node:*, process, Buffer, console or timers; only lib/sys knows the door
 */

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import ts from 'typescript'

/** Storeys of lib, lowest first: a room imports only from storeys below its own. */
const STOREYS: readonly (readonly string[])[] = [
  ['sys', 'ip'],
  ['store', 'netlink', 'ethernet'],
  ['sysctl', 'netns'],
  ['cni'],
  ['ruleset', 'attachment', 'dbus', 'ipam'],
  ['nodes'],
  ['interface'],
]

const PLATFORM = ['process.', 'Buffer.', 'console.', 'setTimeout(', 'setInterval(', 'new RegExp(', 'async ', 'await ']

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory())
      return ['engine', 'testing', 'target'].includes(entry.name) && folder === 'lib' ? [] : sources(path)
    return path.endsWith('.ts') && !path.endsWith('.test.ts') && !path.includes('.generated.') ? [path] : []
  })
}

/** `lib/netlink`, `plugins/bridge`. */
function room(path: string): string {
  return path.split('/').slice(0, 2).join('/')
}

function storey(name: string): number {
  return STOREYS.findIndex((rooms) => rooms.includes(name.replace('lib/', '')))
}

function refusal(from: string, to: string): string | undefined {
  const [a, b] = [room(from), room(to)]
  if (a === b) return undefined
  if (!b.startsWith('lib/')) return 'only lib may be imported'
  if (storey(b) === -1) return `${b} has no storey in scripts/check-imports.ts`
  if (!a.startsWith('lib/')) return undefined
  // The shape of an error is everybody's.
  return storey(b) < storey(a) || to === 'lib/cni/error.ts' ? undefined : 'imports go down only'
}

const faults: string[] = []
for (const file of ['lib', 'plugins', 'ipam'].flatMap(sources)) {
  const text = readFileSync(file, 'utf8')
  for (const { fileName: path } of ts.preProcessFile(text, true, false).importedFiles) {
    if (!path.startsWith('.')) {
      faults.push(`${file}: imports "${path}": what ships has no packages and no node:*`)
      continue
    }
    const target = normalize(join(dirname(file), path)).replace(/\.js$/, '.ts')
    if (target.includes('lib/testing')) faults.push(`${file}: lib/testing is for tests`)
    const why = refusal(file, target)
    if (why !== undefined) faults.push(`${file}: imports ${target}: ${why}`)
    if (path.endsWith('sys/door.js') && room(file) !== 'lib/sys') faults.push(`${file}: only lib/sys touches the door`)
  }
  const code = text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\/\/.*$/gm, '')
    .replace(/(['"`])(?:\\.|(?!\1)[^\\])*\1/g, "''")
  for (const word of PLATFORM) {
    if (new RegExp(`(?<![\\w.])${word.replace(/[.(]/g, '\\$&')}`).test(code))
      faults.push(`${file}: uses ${word.trim()}`)
  }
}
if (faults.length > 0) {
  console.error(faults.join('\n'))
  process.exit(1)
}
