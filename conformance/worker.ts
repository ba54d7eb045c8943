/** Runs cases in a private mount and network namespace, one at a time, as the runner sends them. */

import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Case, Failure, Skip, type Verdict } from './case.js'
import { loadCases } from './cases.js'
import { Context, STATE_DIRECTORIES, type Subject } from './context.js'
import { empty, hide, protectMachine, writtenLines } from './machine.js'
import { keepShellsIn } from './shell.js'

export interface Order {
  readonly id: string
  readonly subject: Subject
}

export interface Report {
  readonly verdict: Exclude<Verdict, 'waived'>
  /** Why it failed or was skipped. */
  readonly reason?: string
  readonly milliseconds: number
}

/** What a worker says of a case, and of itself. */
export interface Message {
  readonly report: Report
  /** It is to run no other case. */
  readonly spent: boolean
}

/** Bytes beyond which a worker is replaced: the kernel copies the table of its pages for every process it starts. */
const LARGE = 160 << 20

/** Argument: a directory to keep files in, not shared with other workers. */
async function main(scratch: string): Promise<void> {
  const cases = new Map((await loadCases()).map((one) => [one.id, one]))
  protectMachine(scratch)
  keepShellsIn(scratch)
  for (const path of ['/run/netns', ...STATE_DIRECTORIES]) hide(path)
  let number = 0
  let isBusy = false
  const answer = (report: Report, spent: boolean) => {
    if (!isBusy) return
    isBusy = false
    const message: Message = { report, spent }
    process.send?.(message)
  }
  // A promise nobody waits for: it may be of the case that runs, and nobody knows what it has left.
  process.on('uncaughtException', (error) => {
    if (!isBusy) throw error
    answer({ verdict: 'fail', reason: broken(error), milliseconds: 0 }, true)
  })
  process.on('message', async ({ id, subject }: Order) => {
    isBusy = true
    const one = cases.get(id)
    const report: Report =
      one === undefined
        ? { verdict: 'fail', reason: `no case ${id}`, milliseconds: 0 }
        : await runCase(one, subject, join(scratch, String(++number)))
    // What a case has written where nothing is emptied would be there in the next.
    answer(report, process.memoryUsage.rss() > LARGE || writtenLines().length > 0)
  })
  process.on('disconnect', () => process.exit(0))
  process.send?.('ready')
}

export async function runCase(one: Case, subject: Subject, directory: string): Promise<Report> {
  const begin = performance.now()
  const report = (verdict: Report['verdict'], reason?: string): Report => ({
    verdict,
    ...(reason === undefined ? {} : { reason }),
    milliseconds: Math.round(performance.now() - begin),
  })
  let context: Context | undefined
  try {
    for (const path of subject.plugin.state ?? []) hide(path)
    for (const path of [...STATE_DIRECTORIES, ...(subject.plugin.state ?? [])]) empty(path)
    mkdirSync(directory, { recursive: true })
    context = new Context(subject, directory)
    await one.run(context)
    return report('pass')
  } catch (error) {
    if (error instanceof Skip) return report('skipped', error.message)
    if (error instanceof Failure) return report('fail', error.message)
    return report('fail', broken(error))
  } finally {
    context?.end()
    rmSync(directory, { recursive: true, force: true })
  }
}

function broken(error: unknown): string {
  return `the case broke: ${error instanceof Error ? error.stack : error}`
}

const [, , scratch] = process.argv
if (process.send !== undefined && scratch !== undefined) await main(scratch)
