/** Clocks and identity of this boot. */

import { door } from './door.js'
import { isErrno } from './errno.js'
import { close, open, read } from './file.js'

function clock(id: number): number {
  const time = new Uint8Array(16) // struct timespec
  door().sys.clock_gettime(id, time)
  const view = new DataView(time.buffer)
  return (view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32) * 1000 + view.getUint32(8, true) / 1e6
}

/** Milliseconds on a clock that only goes forward. */
export function monotonic(): number {
  return clock(1)
}

/** Milliseconds since 1970; it may jump. For people to read, never to decide by. */
export function wallClock(): number {
  return clock(0)
}

/** Sleeps; a signal may end it early. */
export function sleep(milliseconds: number): void {
  const time = new Uint8Array(16)
  const view = new DataView(time.buffer)
  view.setUint32(0, Math.floor(milliseconds / 1000), true)
  view.setUint32(8, Math.floor((milliseconds % 1000) * 1e6), true)
  door().sys.clock_nanosleep(1, 0, time, null)
}

let boot: string | undefined

/** The kernel's random id of this boot (proc(5), random/boot_id), 36 characters; `''` without /proc. */
export function bootId(): string {
  boot ??= readBootId()
  return boot
}

/** One read: every ADD pays for it. */
function readBootId(): string {
  const path = '/proc/sys/kernel/random/boot_id'
  const bytes = new Uint8Array(64)
  try {
    const fd = open(path)
    try {
      return (door().decode(bytes, 0, read(fd, bytes, path)) ?? '').trim()
    } finally {
      close(fd)
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return ''
    throw error
  }
}
