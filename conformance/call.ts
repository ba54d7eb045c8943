/** One call of a plugin as a runtime makes it: environment, stdin, and the answer. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { type Json, parse } from './json.js'
import { Netns } from './netns.js'
import type { Output } from './shell.js'

export type Command = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS' | 'VERSION'

export interface CallOptions {
  /** Sent as stdin. */
  readonly config?: Json
  /** Raw stdin instead of `config`. */
  readonly stdin?: string | Buffer
  /** A namespace or a path; `''` for none. */
  readonly netns?: Netns | string
  readonly containerId?: string
  readonly ifName?: string
  /** CNI_ARGS. */
  readonly args?: string
  /** CNI_PATH. */
  readonly path?: string
  /** Laid over the environment; `undefined` removes a variable. */
  readonly env?: Record<string, string | undefined>
  /** Shell lines before the plugin is executed in the shell's place: `exec >&-`, `ulimit -n 32`, `cd /`. */
  readonly shell?: string
  /** Where the plugin runs; default the case's host. */
  readonly host?: Netns
  /** Default the plugin under test. */
  readonly executable?: string
  /** Milliseconds; default 20 s. */
  readonly timeout?: number
}

export interface Answer extends Output {
  /** stdout parsed; undefined where it is empty or no JSON. */
  readonly json: Json
  /** Verb and what else tells this call from others, for messages. */
  readonly what: string
  readonly timedOut: boolean
  /** The signal that ended it. */
  readonly signal: string | null
}

export interface Running {
  readonly child: ChildProcess
  readonly done: Promise<Answer>
}

export interface Invocation {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Record<string, string>
  readonly input: string | Buffer
  readonly timeout: number
  readonly what: string
}

const NSENTER = ['/usr/bin/nsenter', '/bin/nsenter'].find((path) => existsSync(path)) ?? 'nsenter'

/** What `nsenter` is to be started with. The plugin gets exactly `env`, and no `PATH` unless it is there. */
export function invocation(
  command: string,
  executable: string,
  host: Pick<Netns, 'path'>,
  options: CallOptions,
): Invocation {
  const { netns = '', containerId = '', ifName = '', args = '', path = '', shell, timeout = 20_000 } = options
  const all: Record<string, string | undefined> = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: netns instanceof Netns ? netns.path : netns,
    CNI_IFNAME: ifName,
    CNI_ARGS: args,
    CNI_PATH: path,
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ...options.env,
  }
  const env = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Record<
    string,
    string
  >
  const program = options.executable ?? executable
  const inside = shell === undefined ? [program] : ['/bin/sh', '-c', `${shell}\nexec "$0"`, program]
  return {
    command: NSENTER,
    args: [`--net=${(options.host ?? host).path}`, '--', ...inside],
    env,
    input: options.stdin ?? (options.config === undefined ? '' : JSON.stringify(options.config)),
    timeout,
    what: `${command} ${program.slice(program.lastIndexOf('/') + 1)} ${containerId} ${ifName}`.trim(),
  }
}

export function callNow({ command, args, env, input, timeout, what }: Invocation): Answer {
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    input,
    env,
    timeout,
    killSignal: 'SIGKILL',
    encoding: 'utf8',
    maxBuffer: 256 << 20,
  })
  // A plugin that does not read its stdin is none of our business here.
  const broken = error !== undefined && (error as NodeJS.ErrnoException).code !== 'EPIPE' ? String(error) : ''
  return answer(what, status, signal, stdout ?? '', `${stderr ?? ''}${broken}`)
}

/** Starts a call and does not wait. */
export function callLater({ command, args, env, input, timeout, what }: Invocation): Running {
  const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
  const done = new Promise<Answer>((resolve, reject) => {
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
    child.stdin.on('error', () => undefined)
    const timer = setTimeout(() => child.kill('SIGKILL'), timeout)
    child.on('error', reject)
    child.on('close', (status, signal) => {
      clearTimeout(timer)
      resolve(answer(what, status, signal, Buffer.concat(stdout).toString(), Buffer.concat(stderr).toString()))
    })
    child.stdin.end(input)
  })
  return { child, done }
}

function answer(what: string, status: number | null, signal: string | null, stdout: string, stderr: string): Answer {
  return { what, status: status ?? 128, signal, stdout, stderr, json: parse(stdout), timedOut: signal === 'SIGKILL' }
}
