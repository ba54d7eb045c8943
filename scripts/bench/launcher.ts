/** Starts programs through `time.c`, a small static parent, in one node's network namespace. */

import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'

export interface Cost {
  /** Milliseconds from before the fork to after the wait. */
  readonly ms: number
  /** Peak resident memory in KiB, of the process or of one it waited for. */
  readonly rss: number
  /** Started here, each of which costs what any process costs. */
  readonly processes: number
}

export interface Program {
  readonly executable: string
  /** Files. */
  readonly stdin: string
  readonly stdout: string
  readonly env: Readonly<Record<string, string>>
}

export class Launcher {
  readonly #child: ChildProcess
  readonly #answers: AsyncIterator<string>
  readonly #lines: Interface

  constructor(netnsPath: string) {
    this.#child = spawn('nsenter', [`--net=${netnsPath}`, '--', 'build/bench/time'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    if (this.#child.stdout === null) throw new Error('the launcher has no stdout')
    this.#lines = createInterface(this.#child.stdout)
    this.#answers = this.#lines[Symbol.asyncIterator]()
  }

  /** Runs one program that must succeed. */
  async run({ executable, stdin, stdout, env }: Program): Promise<Cost> {
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`)
    this.#child.stdin?.write(`${[executable, stdin, stdout, ...variables].join('\t')}\n`)
    const { value, done } = await this.#answers.next()
    if (done === true) throw new Error('the launcher ended')
    const [nanoseconds, rss, status] = String(value).split(' ').map(Number)
    if (status !== 0) throw new Failed(executable, env['CNI_COMMAND'], stdout, status ?? -1)
    return { ms: (nanoseconds ?? Number.NaN) / 1e6, rss: rss ?? Number.NaN, processes: 1 }
  }

  close(): void {
    this.#child.stdin?.end()
    this.#lines.close()
  }
}

export class Failed extends Error {
  constructor(
    readonly executable: string,
    readonly command: string | undefined,
    /** The file with what it printed. */
    readonly stdout: string,
    /** As wait(2) gives it. */
    readonly waitStatus: number,
  ) {
    super(`${executable} ${command ?? ''}: wait status ${waitStatus}`)
  }
}
