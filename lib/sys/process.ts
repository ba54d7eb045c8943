/** This process: its environment, its name, other processes it starts. */

import { monotonic, sleep } from './clock.js'
import { door } from './door.js'
import { checked, SysError } from './errno.js'
import { close, read } from './file.js'
import { warn } from './log.js'
import { wait } from './socket.js'

/** A variable's text; bytes where it is not UTF-8; undefined where it is not set. */
export function environment(name: string): string | Uint8Array | undefined {
  return door().env(name)
}

/** The plugin that the executable's name chose. */
export function pluginName(): string {
  return door().plugin
}

/** Every plugin in this executable. */
export function knownPlugins(): string[] {
  return door().plugins()
}

/** The exports of another plugin of this executable, evaluated in this process. */
export function loadPlugin(name: string): unknown {
  return door().load(name)
}

/** 16 bytes; copies of one build share it though not their inode. */
export function buildId(): Uint8Array {
  return door().buildId()
}

export function commandLine(): string[] {
  return door().arguments()
}

export function processId(): number {
  return door().sys.getpid()
}

export function effectiveUser(): number {
  return door().sys.geteuid()
}

/** `n` random bytes. */
export function randomBytes(n: number): Uint8Array {
  const bytes = new Uint8Array(n)
  checked(door().sys.getrandom(bytes, n, 0), 'getrandom')
  return bytes
}

/** The running kernel's release, as `uname -r` prints it. */
export function kernelRelease(): string {
  const names = new Uint8Array(390) // struct utsname: six fields of 65 bytes; release is the third
  if (door().sys.uname(names) < 0) return ''
  return door().decode(names, 130, names.indexOf(0, 130)) ?? ''
}

export interface Finished {
  /** Exit status, or 128 + signal. */
  readonly status: number
  readonly stdout: Uint8Array
}

/** Bytes of stdout that a process we run may print. */
export const OUTPUT_LIMIT = 16 << 20

/** Bytes of its stderr that are passed on; runtimes keep what they get in memory. */
const STDERR_LIMIT = 1 << 20

/**
 * Runs an executable with `setting` (NAME=value) replaced in our environment, feeds it `stdin`, collects stdout, and passes
 * stderr on up to 1 MiB. Throws ETIMEDOUT past the deadline and EFBIG past `OUTPUT_LIMIT`.
 * Whatever it throws, and a signal that stops us is thrown too, the process and what it started have been
 * killed before: what undoes it may run.
 */
export function run(path: string, setting: string, stdin: Uint8Array, milliseconds: number): Finished {
  const [inRead, inWrite] = pipe()
  const [outRead, outWrite] = pipe()
  const [errorRead, errorWrite] = pipe()
  const pid = spawnWritten(path, setting, [inRead, outWrite, errorWrite])
  try {
    close(inRead)
    close(outWrite)
    close(errorWrite)
    checked(pid, 'exec', path)
    return exchange({ path, pid, stdin, inWrite, outRead, errorRead }, monotonic() + milliseconds)
  } catch (error) {
    if (pid > 0) killGroup(pid)
    throw error
  } finally {
    close(outRead)
    close(errorRead)
  }
}

/** An executable that is just being installed in place is "text busy" for a moment. */
function spawnWritten(
  path: string,
  setting: string,
  [stdin, stdout, stderr]: readonly [number, number, number],
): number {
  const ETXTBSY = 26
  for (let tries = 100; ; tries--) {
    const pid = door().spawn(path, setting, stdin, stdout, stderr)
    if (pid !== -ETXTBSY || tries === 0) return pid
    sleep(20)
  }
}

interface Running {
  readonly path: string
  readonly pid: number
  readonly stdin: Uint8Array
  readonly inWrite: number
  readonly outRead: number
  readonly errorRead: number
}

/**
 * Feeds and drains at once, so that neither side blocks on a full pipe, until stdout has ended and the process too: what it
 * left running may keep stderr open. Closes `inWrite`.
 */
function exchange(running: Running, deadline: number): Finished {
  const { path, pid, stdin, inWrite, outRead, errorRead } = running
  const chunks: Uint8Array[] = []
  const passOn = stderrOf(path)
  const open = new Set([inWrite, outRead, errorRead])
  let received = 0
  let sent = 0
  /** Milliseconds between looks at a process that has closed its stdout: most end at once. */
  let pause = 0.05
  const finishInput = () => {
    if (open.delete(inWrite)) close(inWrite)
  }
  for (const fd of [inWrite, errorRead]) unblock(fd) // a reader that stalls must not stall us
  try {
    for (;;) {
      const left = deadline - monotonic()
      if (left <= 0) throw new SysError('wait for', path, 110)
      if (sent === stdin.length) finishInput()
      const status = open.has(outRead) ? undefined : reap(pid)
      if (status !== undefined) {
        while (open.has(errorRead) && passOn(errorRead) > 0);
        return { status, stdout: concatenate(chunks) }
      }
      if (!open.has(outRead)) pause = Math.min(pause * 2, 10)
      const interests = [...open].map((fd) => ({ fd, events: fd === inWrite ? 4 : 1 }))
      for (const { fd } of wait(interests, Math.min(left, open.has(outRead) ? 1000 : pause))) {
        if (fd === outRead) {
          const chunk = new Uint8Array(16384)
          const n = read(outRead, chunk)
          if (n === 0) open.delete(outRead)
          received += n
          if (received > OUTPUT_LIMIT) throw new SysError('read from', path, 27)
          chunks.push(chunk.subarray(0, n))
        } else if (fd === errorRead) {
          if (passOn(errorRead) === 0) open.delete(errorRead)
        } else {
          const n = door().sys.write(inWrite, stdin.subarray(sent), stdin.length - sent)
          if (n === -32) finishInput()
          else if (n >= 0) sent += n
        }
      }
    }
  } finally {
    finishInput()
  }
}

/** Passes on what there is of a process's stderr, up to the limit. The function returned says as read(2) how much there was. */
function stderrOf(path: string): (fd: number) => number {
  let passed = 0
  return (fd) => {
    const chunk = new Uint8Array(16384)
    const n = door().sys.read(fd, chunk, chunk.length)
    if (n <= 0) return n
    const part = chunk.subarray(0, Math.min(n, STDERR_LIMIT - passed))
    door().sys.write(2, part, part.length)
    if (passed < STDERR_LIMIT && passed + n > STDERR_LIMIT) {
      warn(`${path} printed more than ${STDERR_LIMIT >> 20} MiB on stderr: the rest is left out`)
    }
    passed += part.length
    return n
  }
}

/** Sets O_NONBLOCK. */
function unblock(fd: number): void {
  const F_SETFL = 4
  const O_NONBLOCK = 0o4000
  door().sys.fcntl(fd, F_SETFL, O_NONBLOCK)
}

/** Ends a process that `spawn` made, and those it started, which could go on with its work. */
function killGroup(pid: number): void {
  const SIGKILL = 9
  door().sys.kill(-pid, SIGKILL)
  while (door().sys.wait4(pid, new Uint8Array(4), 0, null) === -4);
}

function pipe(): [number, number] {
  const O_CLOEXEC = 0o2000000
  const ends = new Uint8Array(8)
  checked(door().sys.pipe2(ends, O_CLOEXEC), 'pipe')
  const view = new DataView(ends.buffer)
  return [view.getInt32(0, true), view.getInt32(4, true)]
}

/** The exit status, or 128 + signal. Undefined where the process has not ended. */
function reap(pid: number): number | undefined {
  const WNOHANG = 1
  const status = new Uint8Array(4)
  for (;;) {
    const result = door().sys.wait4(pid, status, WNOHANG, null)
    if (result === -4) continue
    if (checked(result, 'wait') === 0) return undefined
    const word = new DataView(status.buffer).getInt32(0, true)
    const signal = word & 0x7f
    return signal === 0 ? (word >> 8) & 0xff : 128 + signal
  }
}

function concatenate(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((n, chunk) => n + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    all.set(chunk, at)
    at += chunk.length
  }
  return all
}
