/** A line on the terminal that says how far a run is. */

import type { Outcome } from './outcome.js'

export interface Progress {
  /** Whether stdout is a terminal. */
  readonly shown: boolean
  show(outcomes: readonly Outcome[]): void
  clear(): void
}

export function startProgress(total: number): Progress {
  const { stdout } = process
  if (!stdout.isTTY) return { shown: false, show: () => undefined, clear: () => undefined }
  return {
    shown: true,
    show(outcomes) {
      const last = outcomes.at(-1)
      const failed = outcomes.filter(({ verdict }) => verdict === 'fail').length
      const text = `${outcomes.length} of ${total}${failed === 0 ? '' : `, ${failed} failed`}  ${last?.plugin} ${last?.id}`
      stdout.write(text.slice(0, stdout.columns - 1))
    },
    clear: () => stdout.write('\r\u001b[K'),
  }
}
