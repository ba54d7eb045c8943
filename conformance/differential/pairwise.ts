/**
 * Rows in which every two values of two factors meet at least once, with few rows: each new row begins
 * with a pair that no row has, and takes for every other factor what makes the most new pairs.
 */

import type { Random } from './random.js'

export interface Table {
  /** How many values each factor has. */
  readonly sizes: readonly number[]
  /** Whether a row may not have these together; undefined where nothing is chosen yet. */
  forbids(row: readonly (number | undefined)[]): boolean
}

export interface Cover {
  /** For each factor the index of its value. */
  readonly rows: readonly number[][]
  /** Pairs that meet in them, of those that can. */
  readonly met: number
  readonly possible: number
}

type Partial = readonly (number | undefined)[]

/** `limit`: rows at most. */
export function coverPairs(table: Table, random: Random, limit = Number.POSITIVE_INFINITY): Cover {
  const CANDIDATES = 10
  const pairs = openPairs(table.sizes)
  const rows: number[][] = []
  let met = 0
  let impossible = 0
  for (const [a, x, b, y] of pairs.all) {
    if (!pairs.isOpen(a, x, b, y)) continue
    if (rows.length >= limit) break
    const seed: (number | undefined)[] = table.sizes.map(() => undefined)
    seed[a] = x
    seed[b] = y
    let best: { row: number[]; gain: number } | undefined
    for (let n = 0; n < CANDIDATES && !table.forbids(seed); n++) {
      const row = fill(table, random, seed, (row, at, value) => pairs.gain(row, at, value))
      const gain = row === undefined ? 0 : pairs.count(row)
      if (row !== undefined && gain > (best?.gain ?? 0)) best = { row, gain }
    }
    if (best === undefined) {
      impossible++
      continue
    }
    pairs.close(best.row)
    met += best.gain
    rows.push(best.row)
  }
  return { rows, met, possible: pairs.all.length - impossible }
}

/** A row without regard to pairs; undefined where none was found. */
export function anyRow(table: Table, random: Random, seed: Partial): number[] | undefined {
  const ATTEMPTS = 50
  for (let n = 0; n < ATTEMPTS; n++) {
    const row = table.forbids(seed) ? undefined : fill(table, random, seed, () => 0)
    if (row !== undefined) return row
  }
  return undefined
}

/** What is not chosen yet, factor by factor in any order, the value with the most gain first. */
function fill(
  { sizes, forbids }: Table,
  random: Random,
  seed: Partial,
  gain: (row: Partial, at: number, value: number) => number,
): number[] | undefined {
  const row = [...seed]
  for (const at of random.shuffle(sizes.map((_, index) => index))) {
    if (row[at] !== undefined) continue
    const values = random
      .shuffle(Array.from({ length: sizes[at] as number }, (_, value) => value))
      .map((value) => ({ value, gain: gain(row, at, value) }))
      .sort((a, b) => b.gain - a.gain)
    const fitting = values.find(({ value }) => !forbids(row.with(at, value)))
    if (fitting === undefined) return undefined
    row[at] = fitting.value
  }
  return row as number[]
}

/** The pairs that no row has yet, as a matrix over all values of all factors. */
function openPairs(sizes: readonly number[]) {
  const first = sizes.map((_, at) => sizes.slice(0, at).reduce((sum, size) => sum + size, 0))
  const width = sizes.reduce((sum, size) => sum + size, 0)
  const open = new Uint8Array(width * width)
  const all: (readonly [a: number, x: number, b: number, y: number])[] = []
  const place = (a: number, x: number, b: number, y: number) =>
    ((first[a] as number) + x) * width + (first[b] as number) + y
  for (let a = 0; a < sizes.length; a++) {
    for (let b = a + 1; b < sizes.length; b++) {
      for (let x = 0; x < (sizes[a] as number); x++) {
        for (let y = 0; y < (sizes[b] as number); y++) {
          all.push([a, x, b, y])
          open[place(a, x, b, y)] = 1
          open[place(b, y, a, x)] = 1
        }
      }
    }
  }
  const gain = (row: Partial, at: number, value: number) => {
    let sum = 0
    for (let other = 0; other < row.length; other++) {
      const chosen = row[other]
      if (chosen !== undefined && other !== at) sum += open[place(at, value, other, chosen)] as number
    }
    return sum
  }
  return {
    all,
    isOpen: (a: number, x: number, b: number, y: number) => open[place(a, x, b, y)] === 1,
    gain,
    count: (row: readonly number[]) => row.reduce((sum, value, at) => sum + gain(row, at, value), 0) / 2,
    close(row: readonly number[]) {
      for (const [a, x] of row.entries()) for (const [b, y] of row.entries()) if (a !== b) open[place(a, x, b, y)] = 0
    },
  }
}
