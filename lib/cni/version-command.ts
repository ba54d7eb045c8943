/** VERSION. https://www.cni.dev/docs/spec/#version-probe-plugin-version-support */

import { monotonic } from '../sys/clock.js'
import { read } from '../sys/file.js'
import { waitReadable } from '../sys/socket.js'
import { decodeUtf8 } from '../sys/text.js'
import type { Json } from './config.js'
import { NEWEST, VERSIONS } from './version.js'

/** Milliseconds for a runtime that holds stdin open and says nothing. */
const PATIENCE = 200

/** The answer, in the version asked for (ours where none was). */
export function answerVersion(): Json {
  return { cniVersion: askedVersion() ?? NEWEST, supportedVersions: [...VERSIONS] }
}

/** Reads until one JSON value is complete, stdin ends, or patience does. Nothing there is an error. */
function askedVersion(): string | undefined {
  const buffer = new Uint8Array(65536)
  const deadline = monotonic() + PATIENCE
  let length = 0
  try {
    for (;;) {
      const left = deadline - monotonic()
      if (left <= 0 || length === buffer.length || !waitReadable(0, left)) return undefined
      const n = read(0, buffer.subarray(length), 'stdin')
      if (n === 0) return undefined
      length += n
      const value = parse(buffer.subarray(0, length))
      if (value !== undefined) {
        const version = (value as { cniVersion?: unknown } | null)?.cniVersion
        return typeof version === 'string' && version !== '' ? version : undefined
      }
    }
  } catch {
    return undefined // a closed stdin asks for nothing
  }
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decodeUtf8(bytes) ?? '')
  } catch {
    return undefined
  }
}
