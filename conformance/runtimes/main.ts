/**
 * The programs that really call plugins, with ours and with the reference's.
 *   main.js [cnitool|libcni|multus|containerd|flannel ...] [--plugins flatnet|reference]
 *
 * Each program runs with each set of plugins in namespaces of its own, where a node is made anew; a line a claim, and at
 * the end `N passed, N failed`. A claim that the reference is known not to meet is `# known` and in neither number.
 */

import { spawn } from 'node:child_process'
import { type Claims, claims, type Tally } from './claims.js'
import { cnitool } from './cnitool.js'
import { containerd } from './containerd.js'
import { flannel } from './flannel.js'
import { makeNode } from './lab.js'
import { libcni } from './libcni.js'
import { multus } from './multus.js'
import { type PluginSet, SETS } from './plugin-sets.js'
import { hideTheMachine, PRIVATELY } from './private.js'

type Runtime = (set: PluginSet, claims: Claims) => void

const RUNTIMES: Record<string, Runtime> = { cnitool, libcni, multus, containerd, flannel }

const INSIDE = '--inside'
const TALLY = 'tally '

/** One program with one set, in the namespaces that `outside` made. */
function inside(runtime: string, setName: string): number {
  const set = SETS.find(({ name }) => name === setName)
  const drive = RUNTIMES[runtime]
  if (set === undefined || drive === undefined) throw new Error(`No such run: ${runtime} ${setName}`)
  hideTheMachine()
  makeNode()
  const found = claims(set)
  found.claim(`${runtime} runs to its end`, () => drive(set, found))
  console.log(TALLY + JSON.stringify(found.tally))
  return found.tally.failed > 0 ? 1 : 0
}

function outside(runtime: string, set: PluginSet): Promise<Tally> {
  console.log(`# ${runtime} with ${set.name}`)
  const program = [...PRIVATELY, process.execPath, process.argv[1] ?? '', INSIDE, runtime, set.name]
  const child = spawn(program[0] ?? '', program.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] })
  let tally: Tally | undefined
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line.startsWith(TALLY)) tally = JSON.parse(line.slice(TALLY.length)) as Tally
      else console.log(line)
    }
  })
  return new Promise((done) => {
    child.on('close', (status) => {
      if (tally === undefined) console.log(`not ok - ${runtime} with ${set.name} ended with status ${status}`)
      done(tally ?? { passed: 0, failed: 1, known: 0 })
    })
  })
}

async function main(args: string[]): Promise<number> {
  // Servers that we started are still running; they end with us.
  if (args[0] === INSIDE) process.exit(inside(args[1] ?? '', args[2] ?? ''))
  const at = args.indexOf('--plugins')
  const [, only] = at < 0 ? [] : args.splice(at, 2)
  const runtimes = args.length > 0 ? args : Object.keys(RUNTIMES)
  const sets = SETS.filter(({ name }) => only === undefined || name === only)
  const strange = runtimes.find((name) => RUNTIMES[name] === undefined)
  if (strange !== undefined || sets.length === 0) {
    console.error(`usage: main.js [${Object.keys(RUNTIMES).join('|')} ...] [--plugins flatnet|reference]`)
    return 2
  }
  if (process.getuid?.() !== 0) {
    console.error('The real callers need root: they start containers')
    return 1
  }
  const total: Tally = { passed: 0, failed: 0, known: 0 }
  for (const runtime of runtimes) {
    for (const set of sets) {
      const tally = await outside(runtime, set)
      total.passed += tally.passed
      total.failed += tally.failed
      total.known += tally.known
    }
  }
  if (total.known > 0) console.log(`# ${total.known} known of the reference`)
  console.log(`${total.passed} passed, ${total.failed} failed`)
  return total.failed > 0 ? 1 : 0
}

process.exitCode = await main(process.argv.slice(2))
