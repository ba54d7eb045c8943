/**
 * Runs the compiled tests and closes with `N passed, N failed`.
 *   test.js [unit|netns] [substring of a file name]
 *
 * With FLATNET_LONG=1 the namespace tests try all of what they otherwise try a sample of. A file that has not ended
 * after 20 minutes hangs: on a quiet machine none takes two.
 *
 * Each file is a process that prints TAP. A namespace test runs in a network and a mount namespace of its own, with empty
 * /run/netns, /run/flatnet, /var/lib/cni and /etc/cni, so that nothing it does reaches the machine or another file.
 * Without root it runs in a user namespace, where the kernel allows one.
 */

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Parser } from 'tap-parser'
import { LONG } from '../lib/testing/long.js'
import { installReference } from '../lib/testing/reference.js'

const NODE = [process.execPath, '--enable-source-maps']

/** More than there are cores: half of a namespace test's time is waiting for the kernel. */
const NETNS_WORKERS = 4

/** Parts of the names of files that take long. They start first, the last of these before all, so that none runs alone at the end. */
const SLOW = [
  'masquerade',
  'faults',
  'firewall/firewall',
  'machine',
  'host-local.netns',
  'crash',
  'reference',
  'delegation',
]

/** Of each file, in milliseconds. */
const durations: [file: string, time: number][] = []
/** So many of the slowest files are named at the end: the whole must stay under ten minutes. */
const SLOWEST = 12

interface Counts {
  passed: number
  failed: number
  skipped: number
}

function testFiles(folder: string, netns: boolean, substring: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return testFiles(path, netns, substring)
      return path.endsWith('.test.js') && path.endsWith('.netns.test.js') === netns ? [path] : []
    })
    .filter((path) => hasSource(path) && path.includes(substring))
    .sort()
}

/** What was compiled from a file that is gone or has another name now is no test. */
function hasSource(path: string): boolean {
  return existsSync(path.replace('build/js/', '').replace(/\.js$/, '.ts'))
}

/** The command that puts a program into private namespaces; undefined where the kernel refuses. */
function privately(): string[] | undefined {
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']
  const command = ['unshare', ...user, '--net', '--mount', '--propagation', 'private']
  return spawnSync(command[0] ?? '', [...command.slice(1), 'true']).status === 0 ? command : undefined
}

const HIDE = ['/run/netns', '/run/flatnet', '/var/lib/cni', '/etc/cni']
  .map((path) => `mkdir -p ${path} 2>/dev/null; [ -d ${path} ] && mount -t tmpfs flatnet ${path};`)
  .join(' ')

/** Runs a program that prints TAP, and adds up what it says. */
async function runProgram(name: string, command: string[]): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  const started = Date.now()
  const child = spawn(command[0] ?? '', command.slice(1), {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TAP_TIMEOUT: '0' },
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), LONG ? 7_200_000 : 1_200_000)
  const parser = new Parser()
  const watch = (inner: Parser, path: string) => {
    const children = new Set<string>()
    inner.on('child', (deeper: Parser) => {
      children.add(deeper.name)
      watch(deeper, `${path} > ${deeper.name}`)
    })
    inner.on('assert', ({ ok, name, skip, todo, diag }: Assertion) => {
      // A subtest's own line repeats what its assertions said.
      if (children.has(name)) return
      if (skip) counts.skipped++
      else if (ok || todo) counts.passed++
      else {
        counts.failed++
        console.log(
          `not ok: ${path} > ${name}${diag === undefined ? '' : `\n${indent(JSON.stringify(diag, null, 2))}`}`,
        )
      }
    })
  }
  watch(parser, name)
  child.stdout.pipe(parser)
  const parsed = new Promise<{ ok: boolean }>((done) => parser.on('complete', done))
  const status = await new Promise<number>((done) => child.on('close', (code) => done(code ?? 1)))
  const { ok } = await parsed
  clearTimeout(timer)
  if ((status !== 0 || !ok) && counts.failed === 0) {
    counts.failed++
    console.log(`not ok: ${name} ended with status ${status}${ok ? '' : ', and its TAP is not whole'}`)
  }
  durations.push([name, Date.now() - started])
  return counts
}

/** Runs files in one process: loading tap takes a second of processor time. */
async function runTogether(name: string, files: string[]): Promise<void> {
  if (files.length > 0) add(await runProgram(name, [...NODE, 'build/js/scripts/test-together.js', ...files]))
}

/** Runs each file in a process of its own behind `prefix`; whichever worker is free takes the next. */
async function runEach(files: string[], prefix: string[], workers: number): Promise<void> {
  const queue = [...files]
  const work = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      add(await runProgram(file.replace('build/js/', ''), [...prefix, ...NODE, file]))
    }
  }
  await Promise.all(Array.from({ length: workers }, work))
}

interface Assertion {
  ok: boolean
  name: string
  skip: string | boolean
  todo: string | boolean
  diag?: unknown
}

function indent(text: string): string {
  return text
    .split('\n')
    .slice(0, 60)
    .map((line) => `    ${line}`)
    .join('\n')
}

const [which = 'all', substring = ''] = process.argv.slice(2)
const total: Counts = { passed: 0, failed: 0, skipped: 0 }
const add = ({ passed, failed, skipped }: Counts) => {
  total.passed += passed
  total.failed += failed
  total.skipped += skipped
}

if (which !== 'netns') {
  const files = testFiles('build/js', false, substring)
  const groups = [0, 1].map((group) => files.filter((_, at) => at % 2 === group))
  await Promise.all(groups.map((group, at) => runTogether(`unit tests, group ${at + 1}`, group)))
}
if (which !== 'unit') {
  const inside = privately()
  if (inside === undefined) {
    console.log('skipped: namespace tests need root or a kernel that allows user namespaces')
    total.skipped++
  } else {
    installReference()
    const prefix = [...inside, 'sh', '-c', `${HIDE} ip link set lo up; exec "$@"`, 'sh']
    const files = testFiles('build/js', true, substring)
    const slow = (file: string) => SLOW.findIndex((part) => file.includes(part))
    files.sort((a, b) => slow(b) - slow(a))
    await runEach(files, prefix, NETNS_WORKERS)
  }
}
for (const [file, time] of durations.sort(([, a], [, b]) => b - a).slice(0, SLOWEST)) {
  console.log(`# ${(time / 1000).toFixed(0).padStart(4)} s  ${file}`)
}
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`)
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0)
