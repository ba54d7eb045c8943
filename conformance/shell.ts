/**
 * A shell that stays where it was started and is asked many times, synchronously: a question costs the processes it
 * names and no `nsenter` and shell besides, and no copy of this process.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Output {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Two FIFOs and two files, used by one shell after the other. */
interface Channel {
  readonly commands: string
  readonly done: string
  readonly stdout: string
  readonly stderr: string
}

const free: Channel[] = []

export class Shell {
  readonly #channel: Channel
  readonly #child: ChildProcess
  readonly #commands: number
  readonly #done: number
  readonly #byte = Buffer.alloc(64)

  /** `prefix` is what brings a program to the place: `nsenter --net=…`; it must end by executing its arguments. */
  constructor(prefix: readonly [string, ...string[]]) {
    const channel = free.pop() ?? makeChannel()
    this.#channel = channel
    // A FIFO opened for both waits for no other side, and is there for the other side's opening.
    this.#commands = openSync(channel.commands, 'r+')
    const stdin = openSync(channel.commands, 'r')
    const both = openSync(channel.done, 'r+')
    const done = openSync(channel.done, 'w')
    this.#done = openSync(channel.done, 'r')
    const [program, ...args] = prefix
    this.#child = spawn(program, [...args, 'sh'], { stdio: [stdin, 'ignore', 'inherit', done] })
    // Its end is noticed where an answer is waited for.
    this.#child.on('error', () => undefined)
    for (const fd of [stdin, both, done]) closeSync(fd)
  }

  /** Runs a program; its output whatever its status. */
  try(command: readonly string[]): Output {
    return this.#ask(command.map(quote).join(' '))
  }

  /** Lines that end with the first that fails. */
  script(text: string): Output {
    return this.#ask(`(set -e; eval ${quote(text)})`)
  }

  /** Ends the shell, and its hold on the place it is in. */
  end(): void {
    this.#child.kill('SIGKILL')
    while (isAlive(this.#child.pid)) pause(0.2)
    closeSync(this.#commands)
    closeSync(this.#done)
    free.push(this.#channel)
  }

  #ask(command: string): Output {
    const { stdout, stderr } = this.#channel
    writeSync(this.#commands, `${command} </dev/null >${stdout} 2>${stderr} 3>&-; echo $? >&3\n`)
    const length = readSync(this.#done, this.#byte)
    if (length === 0) throw new Error(`a shell has ended that was to run: ${command}`)
    const status = Number(this.#byte.toString('latin1', 0, length))
    return { status, stdout: readFileSync(stdout, 'utf8'), stderr: readFileSync(stderr, 'utf8') }
  }
}

const PAUSE = new Int32Array(new SharedArrayBuffer(4))

/** Does nothing, and lets nothing else of this process be done. */
export function pause(milliseconds: number): void {
  Atomics.wait(PAUSE, 0, 0, milliseconds)
}

/** A process that waits to be collected has left its namespaces. */
function isAlive(pid: number | undefined): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return !'ZX'.includes(status.charAt(status.lastIndexOf(')') + 2))
  } catch {
    return false
  }
}

let folder: string | undefined
let made = 0

/** Where the FIFOs of this process are kept, which is removed by whoever made it. */
export function keepShellsIn(directory: string): void {
  folder = directory
}

function makeChannel(): Channel {
  folder ??= mkdtempSync(join(tmpdir(), 'shells-'))
  const name = join(folder, String(++made))
  const [commands, done] = [`${name}.commands`, `${name}.done`]
  if (spawnSync('mkfifo', [commands, done]).status !== 0) throw new Error(`cannot make FIFOs in ${folder}`)
  return { commands, done, stdout: `${name}.stdout`, stderr: `${name}.stderr` }
}

/** A word of the shell's. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
