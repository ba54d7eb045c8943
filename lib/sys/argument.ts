/** Files that a person names on a command line. */

import { monotonic } from './clock.js'
import { SysError } from './errno.js'
import { close, open, read } from './file.js'
import { wait } from './socket.js'

/** Bytes that such a file may have. */
export const ARGUMENT_LIMIT = 16 << 20

/** Milliseconds for another program to write to a pipe, from its first byte to its last. */
export const ARGUMENT_PATIENCE = 10_000

/**
 * The whole of a file; a pipe will do. Throws EFBIG past `ARGUMENT_LIMIT`, and ETIMEDOUT where a pipe is not written to its
 * end in `ARGUMENT_PATIENCE`.
 */
export function readArgument(path: string): Uint8Array {
  const deadline = monotonic() + ARGUMENT_PATIENCE
  const fd = open(path)
  try {
    let content: Uint8Array = new Uint8Array(4096)
    for (let length = 0; ; ) {
      // A FIFO that nobody has opened to write yet gives no end of file to poll(2), though it does to read(2).
      if (!waitReadable(fd, deadline)) throw new SysError('read', path, 110)
      const n = read(fd, content.subarray(length), path)
      if (n === 0) return content.subarray(0, length)
      length += n
      if (length > ARGUMENT_LIMIT) throw new SysError('read', path, 27)
      if (length === content.length) content = enlarged(content)
    }
  } finally {
    close(fd)
  }
}

/** A signal that interrupts the wait is raised at the next system call. */
function waitReadable(fd: number, deadline: number): boolean {
  for (;;) {
    const left = deadline - monotonic()
    if (left <= 0) return false
    if (wait([{ fd, events: 1 }], left).length > 0) return true
  }
}

function enlarged(content: Uint8Array): Uint8Array {
  const larger = new Uint8Array(Math.min(content.length * 4, ARGUMENT_LIMIT + 1))
  larger.set(content)
  return larger
}
