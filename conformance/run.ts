/** Runs points in parallel, each in a worker's private namespaces. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Point } from './plan.js'
import type { Message, Order, Report } from './worker.js'

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url))

export const isRoot = process.getuid?.() === 0

/** The command that puts a program into private namespaces. */
export function privately(): string[] {
  const user = isRoot ? [] : ['--user', '--map-root-user']
  const command = ['unshare', ...user, '--net', '--mount', '--propagation', 'private', '--']
  if (spawnSync('unshare', [...command.slice(1), 'true']).status !== 0) {
    throw new Error('This kernel gives no namespaces to this user: run it as root')
  }
  return command
}

/** How many cases at a time: what was asked for, or as many as there are processors. */
export function jobsOf(asked: number | undefined): number {
  const jobs = asked ?? availableParallelism()
  if (!Number.isInteger(jobs) || jobs < 1) throw new Error('--jobs is a whole number, at least 1')
  return jobs
}

/** `each` is called once for every point, in the order in which they end. */
export async function runPoints(
  points: readonly Point[],
  bin: string,
  jobs: number,
  each: (point: Point, report: Report) => void,
): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'conformance-'))
  const busy = points.filter((point) => point.case.idle !== true)
  const idle = points.filter((point) => point.case.idle === true)
  const queues = [...Array.from({ length: Math.min(jobs, busy.length) }, () => busy), idle]
  try {
    const prefix = privately()
    await Promise.all(queues.map((queue, i) => serve(queue, join(scratch, String(i)), prefix, bin, each)))
  } finally {
    // What the others have not begun is not begun any more where one cannot go on.
    for (const queue of queues) queue.length = 0
    rmSync(scratch, { recursive: true, force: true })
  }
}

async function serve(
  waiting: Point[],
  scratch: string,
  prefix: readonly string[],
  bin: string,
  each: (point: Point, report: Report) => void,
): Promise<void> {
  mkdirSync(scratch)
  let worker: ChildProcess | undefined
  for (let point = waiting.shift(); point !== undefined; point = waiting.shift()) {
    if (point.skipped !== undefined) {
      each(point, { verdict: 'skipped', reason: point.skipped, milliseconds: 0 })
      continue
    }
    if (worker === undefined || hasEnded(worker)) worker = await startWorker(prefix, scratch)
    const { report, spent } = await ask(worker, point, bin)
    if (spent) {
      if (worker.connected) worker.disconnect()
      worker = undefined
    }
    each(point, report)
  }
  if (worker?.connected === true) worker.disconnect()
}

async function startWorker(prefix: readonly string[], scratch: string): Promise<ChildProcess> {
  const command = [...prefix.slice(1), process.execPath, WORKER, scratch]
  const worker = spawn(prefix[0] ?? '', command, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  await new Promise<void>((resolve, reject) => {
    worker.once('message', () => resolve())
    worker.once('error', reject)
    worker.once('exit', (...how) => reject(new Error(`a worker ended with ${ending(...how)} before its first case`)))
  })
  worker.removeAllListeners('exit')
  return worker
}

/** Has a worker run a point's case; one that ends without an answer has failed it. */
export function ask(worker: ChildProcess, point: Point, bin: string): Promise<Message> {
  const seconds = point.case.timeout ?? 300
  const begin = performance.now()
  const order: Order = {
    id: point.case.id,
    subject: {
      plugin: point.candidate.plugin,
      bin: point.candidate.bin ?? bin,
      version: point.version,
      versions: point.candidate.versions,
    },
  }
  return new Promise((resolve) => {
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      worker.kill('SIGKILL')
    }, seconds * 1000)
    const answered = (message: Message) => {
      clearTimeout(timer)
      worker.off('exit', ended).off('message', answered)
      resolve(message)
    }
    const ended = (...how: Ending) => {
      const reason = isLate ? `not done within ${seconds} s` : `the worker ended with ${ending(...how)}`
      const milliseconds = Math.round(performance.now() - begin)
      answered({ report: { verdict: 'fail', reason, milliseconds }, spent: true })
    }
    worker.on('exit', ended).on('message', answered)
    // That the order does not arrive is told by the worker's end.
    worker.send(order, () => undefined)
  })
}

type Ending = [status: number | null, signal: NodeJS.Signals | null]

function ending(status: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `status ${status}` : `signal ${signal}`
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}
