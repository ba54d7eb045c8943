/** Runs points in parallel, each in a worker's private namespaces. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Point } from './plan.js'
import type { Message, Order, Report } from './worker.js'

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url))

/** Bytes beyond which a worker is replaced: the kernel copies the table of its pages for every process it starts. */
const LARGE = 160 << 20

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
  const prefix = privately()
  try {
    await Promise.all(queues.map((queue, i) => serve(queue, join(scratch, String(i)), prefix, bin, each)))
  } finally {
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
    worker ??= await startWorker(prefix, scratch)
    const { report, resident } = await run(worker, point, bin)
    if (worker.exitCode !== null || worker.signalCode !== null) worker = undefined
    else if (resident > LARGE) {
      worker.disconnect()
      worker = undefined
    }
    each(point, report)
  }
  worker?.disconnect()
}

async function startWorker(prefix: readonly string[], scratch: string): Promise<ChildProcess> {
  const command = [...prefix.slice(1), process.execPath, WORKER, scratch]
  const worker = spawn(prefix[0] ?? '', command, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  await new Promise<void>((resolve, reject) => {
    worker.once('message', () => resolve())
    worker.once('exit', (code) => reject(new Error(`a worker ended with status ${code} before its first case`)))
  })
  worker.removeAllListeners('exit')
  return worker
}

function run(worker: ChildProcess, point: Point, bin: string): Promise<Message> {
  const seconds = point.case.timeout ?? 300
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
    const late: Report = { verdict: 'fail', reason: `not done within ${seconds} s`, milliseconds: seconds * 1000 }
    const ended = () => resolve({ report: late, resident: 0 })
    const timer = setTimeout(() => worker.kill('SIGKILL'), seconds * 1000)
    worker.once('exit', ended)
    worker.once('message', (message: Message) => {
      clearTimeout(timer)
      worker.off('exit', ended)
      resolve(message)
    })
    worker.send(order)
  })
}
