/**
 * Runs the compiled tests with tap and closes with `N passed, N failed`.
 *   test.js [unit|netns] [substring of a file name]
 *
 * With FLATNET_LONG=1 the namespace tests try all of what they otherwise try a sample of. A file that has not ended
 * after 20 minutes hangs: on a quiet machine none takes two.
 *
 * Namespace tests run in two shares, each file by file inside a network and a mount namespace made here, with empty
 * /run/netns, /run/flatnet, /var/lib/cni and /etc/cni, so that nothing they do reaches the machine. Without root
 * they run in a user namespace, where the kernel allows one.
 */

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Parser } from 'tap-parser'
import { LONG } from '../lib/testing/long.js'
import { installReference } from '../lib/testing/reference.js'

/** Of the namespace tests, at a time: much of theirs is waiting for the kernel. */
const SHARES = 2

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

async function runTests(files: string[], prefix: string[], timeout: number, jobs: number): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  if (files.length === 0) return counts
  const tap = ['node_modules/.bin/tap', 'run', '--reporter=tap', '--disable-coverage', '--allow-empty-coverage']
  const command = [...prefix, ...tap, `--timeout=${timeout}`, `--jobs=${jobs}`, ...files]
  const child = spawn(command[0] ?? '', command.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] })
  const parser = new Parser()
  const watch = (inner: Parser, path: string) => {
    inner.on('child', (deeper: Parser) => watch(deeper, path === '' ? deeper.name : `${path} > ${deeper.name}`))
    inner.on('assert', ({ ok, name, skip, todo, diag, time = 0 }: Assertion) => {
      if (inner === parser) durations.push([name, time])
      // A subtest's own line repeats what its assertions said.
      if (inner.name !== undefined && children.has(`${path}/${name}`)) return
      if (skip) counts.skipped++
      else if (ok || todo) counts.passed++
      else {
        counts.failed++
        console.log(
          `not ok: ${path} > ${name}${diag === undefined ? '' : `\n${indent(JSON.stringify(diag, null, 2))}`}`,
        )
      }
    })
    inner.on('child', (deeper: Parser) => children.add(`${path}/${deeper.name}`))
  }
  const children = new Set<string>()
  watch(parser, '')
  child.stdout.pipe(parser)
  const status = await new Promise<number>((done) => child.on('close', (code) => done(code ?? 1)))
  if (status !== 0 && counts.failed === 0) {
    counts.failed++
    console.log(`not ok: tap ended with status ${status}`)
  }
  return counts
}

interface Assertion {
  ok: boolean
  name: string
  skip: string | boolean
  todo: string | boolean
  /** Milliseconds. */
  time?: number
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

if (which !== 'netns') add(await runTests(testFiles('build/js', false, substring), [], 600, 2))
if (which !== 'unit') {
  const inside = privately()
  if (inside === undefined) {
    console.log('skipped: namespace tests need root or a kernel that allows user namespaces')
    total.skipped++
  } else {
    installReference()
    const prefix = [...inside, 'sh', '-c', `${HIDE} ip link set lo up; exec "$@"`, 'sh']
    const files = testFiles('build/js', true, substring)
    const shares = Array.from({ length: SHARES }, (_, at) => files.filter((_, file) => file % SHARES === at))
    const counts = await Promise.all(shares.map((share) => runTests(share, prefix, LONG ? 7200 : 1200, 1)))
    for (const one of counts) add(one)
  }
}
for (const [file, time] of durations.sort(([, a], [, b]) => b - a).slice(0, SLOWEST)) {
  console.log(`# ${(time / 1000).toFixed(0).padStart(4)} s  ${file.replace('build/js/', '')}`)
}
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`)
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0)
