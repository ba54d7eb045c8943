/**
 * Runs calls of lib/store on the engine: JSON lines in, JSON lines out. The first line is the RecordPlace;
 * then `[verb, ...arguments]` each. An answer is `{"value": …}` or `{"error": message, "code": …, "details": …}`.
 */

import { createFile, replaceFile } from '../store/atomic.js'
import { flockHolder } from '../store/holder.js'
import { type Claim, claim, claimOrCreate, listRecords, type RecordPlace, type RecordState } from '../store/record.js'
import { sleep } from '../sys/clock.js'
import { open, readAll, writeAll } from '../sys/file.js'
import { lockFile } from '../sys/lock.js'
import { decodeUtf8, encodeUtf8 } from '../sys/text.js'

function print(answer: unknown): void {
  writeAll(1, encodeUtf8(`${JSON.stringify(answer)}\n`))
}

export function main(): number {
  const [first = '{}', ...calls] = (decodeUtf8(readAll(0, 1 << 20)) ?? '').split('\n').filter((line) => line !== '')
  const place = JSON.parse(first) as RecordPlace
  let held: Claim<unknown> | undefined
  const verbs: Record<string, (...args: never[]) => unknown> = {
    claimOrCreate: (initial: unknown) => {
      held = claimOrCreate(place, initial)
      return held.earlier ?? null
    },
    claimOrCreateFilled: (size: number) => {
      held = claimOrCreate(place, ' '.repeat(size))
      return held.earlier?.state ?? null
    },
    claim: () => {
      held = claim(place)
      return held === undefined ? 'none' : (held.earlier ?? null)
    },
    writeFilled: (size: number) => held?.write('ready', ' '.repeat(size)),
    write: (state: RecordState, content: unknown) => held?.write(state, content),
    remove: () => held?.remove(),
    release: () => held?.release(),
    list: () => listRecords(place),
    sleep: (milliseconds: number) => sleep(milliseconds),
    replaceFile: (path: string, text: string) => replaceFile(path, encodeUtf8(text)),
    createFile: (path: string, text: string) => createFile(path, encodeUtf8(text)),
    flock: (path: string) => {
      const fd = open(path, { create: true })
      return lockFile(fd, 50) ? 'taken' : flockHolder(fd)
    },
  }
  for (const line of calls) {
    const [verb = '', ...args] = JSON.parse(line) as [string, ...never[]]
    try {
      print({ value: verbs[verb]?.(...args) ?? null })
    } catch (error) {
      const { message, code, details } = error as { message: string; code?: unknown; details?: string }
      print({ error: message, code, details })
    }
  }
  return 0
}
