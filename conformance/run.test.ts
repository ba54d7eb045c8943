import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Point } from './plan.js'
import { ask, jobsOf } from './run.js'

const plugin = { type: 'x', kind: 'chained' as const, config: {} }
const one = { id: 'X-01', section: 'S', level: 'MUST' as const, duty: ['P' as const], claim: 'It holds', run: () => {} }

/** A worker that does this when it is given an order. */
function workerThat(does: string) {
  const script = `process.once('message', () => { ${does} })`
  return spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
}

function point(timeout?: number): Point {
  const limit = timeout === undefined ? {} : { timeout }
  return { case: { ...one, ...limit }, candidate: { plugin, versions: ['1.0.0'] }, version: '1.0.0' }
}

t.test('a worker that ends is told from one that hangs', async (t) => {
  const table: [does: string, timeout: number | undefined, reason: string][] = [
    ['process.exit(3)', undefined, 'the worker ended with status 3'],
    ["process.kill(process.pid, 'SIGKILL')", undefined, 'the worker ended with signal SIGKILL'],
    ['setInterval(() => {}, 1000)', 0.3, 'not done within 0.3 s'],
  ]
  for (const [does, timeout, reason] of table) {
    const { report, spent } = await ask(workerThat(does), point(timeout), 'bin')
    t.match(report, { verdict: 'fail', reason })
    t.ok(spent)
  }
})

t.test('nothing of a worker that ended keeps the run from its end', async (t) => {
  const begin = performance.now()
  const run = `const { ask } = await import(${JSON.stringify(new URL('./run.js', import.meta.url).href)})
const { spawn } = await import('node:child_process')
const worker = spawn('sleep', ['0.1'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
await ask(worker, ${JSON.stringify(point(20))}, 'bin')`
  t.equal(spawnSync(process.execPath, ['--input-type=module', '-e', run], { stdio: 'inherit' }).status, 0)
  t.ok(performance.now() - begin < 10_000)
})

t.test('cases at a time are a whole number, at least one', async (t) => {
  for (const jobs of [0, -1, 1.5, Number.NaN]) t.throws(() => jobsOf(jobs), /--jobs/)
  t.equal(jobsOf(3), 3)
  t.ok(jobsOf(undefined) >= 1)
})

t.test('a run of nothing is no success', async (t) => {
  const bin = mkdtempSync(join(tmpdir(), 'plugins-'))
  t.teardown(() => rmSync(bin, { recursive: true }))
  writeFileSync(join(bin, 'bridge'), '#!/bin/sh\n', { mode: 0o755 })
  const main = fileURLToPath(new URL('./main.js', import.meta.url))
  const table: [args: string[], said: RegExp][] = [
    [['--only', 'IPM', '--plugin', 'bridge'], /nothing to run/],
    [['--only', 'ENV,NONE', '--plugin', 'bridge'], /no case is called NONE/],
    [['--jobs', '0'], /--jobs/],
    [['--jobs', 'x'], /--jobs/],
  ]
  for (const [args, said] of table) {
    const { status, stderr } = spawnSync(process.execPath, [main, '--bin', bin, ...args], { encoding: 'utf8' })
    t.equal(status, 2, args.join(' '))
    t.match(stderr, said)
  }
})
