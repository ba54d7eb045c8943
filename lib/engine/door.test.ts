/** The door has two halves, in Rust and in TypeScript, that no compiler compares: what one opens the other must know. */

import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'

const rust = readFileSync('lib/engine/src/door.rs', 'utf8')
const typescript = readFileSync('lib/sys/door.ts', 'utf8')

/** What stands between two texts, the first of each. */
function between(text: string, start: string, end: string): string {
  const from = text.indexOf(start)
  const to = text.indexOf(end, from + start.length)
  if (from === -1 || to === -1) throw new Error(`"${start}" … "${end}" is not there any more`)
  return text.slice(from + start.length, to)
}

function all(text: string, pattern: RegExp): string[][] {
  return [...text.matchAll(pattern)].map((match) => match.slice(1))
}

const calls = all(between(rust, 'static CALLS', '];'), /\(c"(\w+)", SYS_(\w+)\)/g) as [string, string][]
const constants = all(between(rust, 'static CONSTANTS', '];'), /\(c"(\w+)", (\w+)\)/g) as [string, string][]
const natives = all(between(rust, 'static OTHERS', '];'), /\(c"(\w+)", \w+\)/g).flat()
const typedCalls = all(between(typescript, 'readonly sys: {', ']: Call'), /'(\w+)'/g).flat()
const typedConstants = all(between(typescript, 'readonly k: {', '}'), /readonly (\w+):/g).flat()
const typedNatives = all(between(typescript, 'readonly plugin: string', '\n}\n'), /^ {2}(\w+)\(/gm).flat()

t.test('Rust and TypeScript have the same system calls, constants and functions', async (t) => {
  t.ok(calls.length > 30 && constants.length > 0 && natives.length > 5, 'the tables are read')
  t.same(
    typedCalls,
    calls.map(([name]) => name),
  )
  t.same(
    typedConstants,
    constants.map(([name]) => name),
  )
  t.same(typedNatives.toSorted(), natives.toSorted())
})

t.test('a name of the table means the number of that name', async (t) => {
  for (const [name, number] of calls) t.equal(name, number)
  for (const [name, constant] of constants) t.equal(name, constant)
})

t.test('the tables are sorted, and lib/sys uses every entry', async (t) => {
  for (const names of [typedCalls, natives]) t.same(names, names.toSorted())
  const users = readdirSync('lib/sys').map((file) =>
    file === 'door.ts' ? '' : readFileSync(`lib/sys/${file}`, 'utf8'),
  )
  const used = (what: string) => users.some((text) => new RegExp(`door\\(\\)\\.${what}\\b`).test(text))
  const every = [...typedCalls.map((name) => `sys.${name}`), ...typedConstants.map((name) => `k.${name}`), ...natives]
  t.same(
    every.filter((what) => !used(what)),
    [],
  )
})
