/** What was measured, kept by a label, and the medians of it. */

import type { Cost } from './launcher.js'

export class Samples {
  readonly #costs = new Map<string, Cost[]>()

  add(label: string, cost: Cost): void {
    const costs = this.#costs.get(label)
    if (costs === undefined) this.#costs.set(label, [cost])
    else costs.push(cost)
  }

  /** Milliseconds; NaN where nothing was measured. */
  ms(label: string): number {
    return median((this.#costs.get(label) ?? []).map(({ ms }) => ms))
  }

  /** As `ms`, less what as many processes cost that do nothing, which `noop` is the label of. */
  beyondNoop(label: string): number {
    const processes = this.#costs.get(label)?.[0]?.processes ?? 1
    return this.ms(label) - processes * this.ms('noop')
  }

  /** The highest peak in KiB. */
  rss(label: string): number {
    return Math.max(...(this.#costs.get(label) ?? []).map(({ rss }) => rss))
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}
