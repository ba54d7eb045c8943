/** Shell scripts inside a namespace: for tests that run thousands of small programs. */

import { spawn } from 'node:child_process'
import type { Netns } from './netns.js'

/** Runs a script; its stdout. Rejects where its last command fails. */
export function shell(host: Netns, script: string): Promise<string> {
  const child = spawn('nsenter', [`--net=${host.path}`, '--', 'sh'], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin' },
  })
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
    })
  }
  // As one command, so that nothing inside reads the rest of it.
  child.stdin.end(`{ ${script}\n} </dev/null\n`)
  return new Promise((done, fail) => {
    child.on('error', fail)
    child.on('close', (code) => {
      if (code === 0) done(output.stdout)
      else fail(new Error(`sh: exit ${code}\n${output.stdout}\n${output.stderr}`))
    })
  })
}

/** One word of a command. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** Runs jobs in order, so many at a time. */
export function inLanes<T>(lanes: number, jobs: readonly ((lane: number) => Promise<T>)[]): Promise<T>[] {
  const last: Promise<unknown>[] = Array.from({ length: lanes }, () => Promise.resolve())
  return jobs.map((job, at) => {
    const lane = at % lanes
    const outcome = (last[lane] as Promise<unknown>).then(() => job(lane))
    last[lane] = outcome.catch(() => undefined)
    return outcome
  })
}
