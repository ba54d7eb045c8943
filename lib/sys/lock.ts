/**
 * Advisory locks on open files, with a deadline. Both kinds end with the descriptor, so a process that
 * is killed leaves none behind.
 */

import { door } from './door.js'
import { SysError } from './errno.js'

/**
 * Takes flock(2) LOCK_EX, the lock the reference's host-local uses.
 * Returns false when `milliseconds` passed and someone else still holds it; 0 only tries.
 */
export function lockFile(fd: number, milliseconds: number): boolean {
  const LOCK_EX = 2
  const LOCK_NB = 4
  return withDeadline('flock', milliseconds, (wait) => door().sys.flock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB))
}

/**
 * Takes an open file description lock (F_OFD_SETLK) on the whole file: for files of our own. Its
 * holder can be asked for with `ofdHolder`-free means only: record it in the file.
 */
export function lockRange(fd: number, milliseconds: number, options: { readonly shared?: boolean } = {}): boolean {
  const F_OFD_SETLK = 37
  const F_OFD_SETLKW = 38
  const request = new Uint8Array(32) // struct flock: l_type 2, l_whence 2, l_start 8, l_len 8, l_pid 4
  new DataView(request.buffer).setInt16(0, options.shared === true ? 0 : 1, true)
  return withDeadline('lock', milliseconds, (wait) => door().sys.fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, request))
}

/**
 * Waiting happens in the kernel, first come first served; an interval timer breaks it off. The timer
 * repeats, because one tick alone could fall between arming it and entering the call.
 */
function withDeadline(call: string, milliseconds: number, attempt: (wait: boolean) => number): boolean {
  const at = attempt(false)
  if (at >= 0) return true
  if (at !== -11 && at !== -13) throw new SysError(call, '', -at)
  if (milliseconds <= 0) return false
  const deadline = now() + milliseconds
  setTimer(milliseconds, 20)
  try {
    for (;;) {
      const result = attempt(true)
      if (result >= 0) return true
      if (result !== -4) throw new SysError(call, '', -result)
      if (now() >= deadline) return false
    }
  } finally {
    setTimer(0, 0)
  }
}

function now(): number {
  const CLOCK_MONOTONIC = 1
  const time = new Uint8Array(16)
  door().sys.clock_gettime(CLOCK_MONOTONIC, time)
  const view = new DataView(time.buffer)
  return view.getUint32(0, true) * 1000 + view.getUint32(8, true) / 1e6
}

/** First tick after `first` milliseconds, then every `every`; 0 and 0 disarm. */
function setTimer(first: number, every: number): void {
  const ITIMER_REAL = 0
  const timer = new Uint8Array(32) // struct itimerval: it_interval, it_value, each seconds 8, microseconds 8
  const view = new DataView(timer.buffer)
  view.setUint32(0, Math.floor(every / 1000), true)
  view.setUint32(8, Math.floor(every % 1000) * 1000, true)
  view.setUint32(16, Math.floor(first / 1000), true)
  view.setUint32(24, Math.floor(first % 1000) * 1000, true)
  door().sys.setitimer(ITIMER_REAL, timer, null)
}
