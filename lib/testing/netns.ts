/**
 * Private network namespaces for tests, and programs run inside them. The machine's own network is
 * never touched: the test runner has put us into namespaces of our own already.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, mkdirSync, openSync, rmSync } from 'node:fs'

/** Whose end removes what was made: a test of tap, or a program with a list of its own. */
export interface Owner {
  teardown(action: () => void): unknown
}

export interface Output {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly input?: string | Buffer
  readonly env?: Record<string, string>
  /** Milliseconds; default two minutes, which only a busy machine needs. */
  readonly timeout?: number
}

/** Why a test that needs root must be skipped; false where it need not. */
export function needs(what: 'root'): string | false {
  return spawnSync('unshare', ['--net', 'true']).status === 0 ? false : `needs ${what} or a user namespace`
}

export class Netns {
  readonly path: string
  readonly #background: ChildProcess[] = []

  private constructor(readonly name: string) {
    this.path = `/run/netns/${name}`
  }

  /**
   * A fresh namespace with `lo` up (containers: `loopback: false`), removed when `t` ends. Without a search for
   * `duplicates` IPv6 addresses are in use at once.
   */
  static create(t: Owner, name = 'ns', { loopback = true, duplicates = true } = {}): Netns {
    const netns = new Netns(`${name}-${randomBytes(6).toString('hex')}`)
    mkdirSync('/run/netns', { recursive: true })
    closeSync(openSync(netns.path, 'w'))
    const first = [
      ...(loopback ? ['ip link set lo up'] : []),
      ...(duplicates ? [] : ['all', 'default'].map((link) => `echo 0 >/proc/sys/net/ipv6/conf/${link}/accept_dad`)),
    ]
    const command = first.length === 0 ? ['true'] : ['sh', '-ec', first.join('; ')]
    const made = spawnSync('unshare', [`--net=${netns.path}`, ...command])
    if (made.status !== 0) throw new Error(`cannot make a network namespace: ${made.stderr}`)
    t.teardown(() => netns.remove())
    return netns
  }

  /** Runs a program inside; its output whatever its status. */
  try(command: readonly string[], { input, env, timeout = 120_000 }: RunOptions = {}): Output {
    const { status, signal, stdout, stderr, error } = spawnSync('nsenter', [`--net=${this.path}`, '--', ...command], {
      input: input ?? '',
      timeout,
      encoding: 'utf8',
      maxBuffer: 64 << 20,
      ...(env === undefined ? {} : { env }),
    })
    const code = status ?? (signal === null ? 1 : 128)
    return { status: code, stdout: stdout ?? '', stderr: `${stderr ?? ''}${error === undefined ? '' : String(error)}` }
  }

  /** Runs a program inside that must succeed; its stdout. */
  run(...command: string[]): string {
    const { status, stdout, stderr } = this.try(command)
    if (status !== 0) throw new Error(`${this.name}$ ${command.join(' ')}\nexit ${status}\n${stdout}${stderr}`)
    return stdout
  }

  /** Lines for `ip -batch`. */
  batch(...lines: string[]): void {
    const { status, stderr } = this.try(['ip', '-batch', '-'], { input: `${lines.join('\n')}\n` })
    if (status !== 0) throw new Error(`${this.name}$ ip -batch\n${lines.join('\n')}\n${stderr}`)
  }

  /** `ip -j -d …` as it prints it. */
  // biome-ignore lint/suspicious/noExplicitAny: the shape is iproute2's own
  ip(...args: string[]): any[] {
    const text = this.run('ip', '-j', '-d', ...args)
    return text.trim() === '' ? [] : (JSON.parse(text) as unknown[])
  }

  /** Whether `address` answers; at most `seconds` (default 10) for one packet. */
  ping(
    address: string,
    { seconds = 10, size, from }: { seconds?: number; size?: number; from?: string } = {},
  ): boolean {
    const extra = [
      ...(size === undefined ? [] : ['-M', 'do', '-s', String(size)]),
      ...(from === undefined ? [] : ['-I', from]),
    ]
    return this.try(['ping', '-n', '-c', '1', '-W', String(seconds), ...extra, address]).status === 0
  }

  /** Starts a program inside that ends with the test at the latest. */
  start(command: readonly string[], { env }: { env?: Record<string, string> } = {}): ChildProcess {
    const child = spawn('nsenter', [`--net=${this.path}`, '--', ...command], {
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(env === undefined ? {} : { env }),
    })
    this.#background.push(child)
    return child
  }

  /** Unmounts the namespace and leaves the plain file behind, as a runtime's crash does. */
  unmount(): void {
    spawnSync('umount', ['-l', this.path])
  }

  remove(): void {
    for (const child of this.#background) child.kill('SIGKILL')
    spawnSync('umount', ['-l', this.path])
    rmSync(this.path, { force: true })
  }
}
