/**
 * Attachments that come back when a table is made anew from their records. Between the reading of a record and the
 * making of the table a DEL may have begun, and may have looked for its elements before they came back.
 */

import { attachmentKey } from '../store/key.js'

interface Owned {
  readonly owner: { readonly network: string; readonly containerId: string; readonly ifName: string }
}

export interface Recall<T> {
  /** Reads the records. */
  others(): readonly T[]
  /** Those that `others` returned last and that are being removed by now. */
  gone(): T[]
}

export function recall<T extends Owned>(read: () => readonly T[]): Recall<T> {
  let recalled: readonly T[] = []
  return {
    others() {
      recalled = read()
      return recalled
    },
    gone() {
      if (recalled.length === 0) return []
      const present = new Set(read().map(keyOf))
      return recalled.filter((one) => !present.has(keyOf(one)))
    },
  }
}

function keyOf({ owner: { network, containerId, ifName } }: Owned): string {
  return attachmentKey(network, containerId, ifName)
}
