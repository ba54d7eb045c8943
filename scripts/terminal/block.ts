/** Rectangles of text: lines of equal width that can be framed and set side by side. */

import { padEnd, paint, width } from './style.js'

export type Block = readonly string[]

export function block(lines: readonly string[], atLeast = 0): Block {
  const columns = Math.max(atLeast, ...lines.map(width))
  return lines.map((line) => padEnd(line, columns))
}

export function columnsOf(text: Block): number {
  return width(text[0] ?? '')
}

/** Where lines leave a frame, as columns of it. */
export interface Joints {
  readonly above?: readonly number[]
  readonly below?: readonly number[]
}

/** In a frame with a title; joints are where a line from outside meets it. */
export function framed(title: string, inside: readonly string[], { above = [], below = [] }: Joints = {}): Block {
  const text = block(inside, width(title) + 2)
  const columns = columnsOf(text) + 2
  const rule = (from: number, to: number, joints: readonly number[], joint: string) =>
    Array.from({ length: to - from }, (_, at) => (joints.includes(from + at) ? joint : '─')).join('')
  const start = 3 + width(title) + 2
  const side = paint('dim', '│')
  return [
    `${paint('dim', '┌─')} ${paint('bold', title)} ${paint('dim', `${rule(start - 1, columns + 1, above, '┴')}┐`)}`,
    ...text.map((line) => `${side} ${line} ${side}`),
    paint('dim', `└${rule(1, columns + 1, below, '┬')}┘`),
  ]
}

/** Tops aligned, shorter ones filled up. */
export function beside(blocks: readonly Block[], gap: number): Block {
  const height = Math.max(...blocks.map((text) => text.length))
  return Array.from({ length: height }, (_, row) =>
    blocks.map((text) => text[row] ?? ' '.repeat(columnsOf(text))).join(' '.repeat(gap)),
  )
}

/** The middle column of each of the blocks when they stand side by side. */
export function middles(blocks: readonly Block[], gap: number): number[] {
  let left = 0
  return blocks.map((text) => {
    const middle = left + (columnsOf(text) >> 1)
    left += columnsOf(text) + gap
    return middle
  })
}

/** A line with each text centred on its column. */
export function centred(texts: readonly string[], columns: readonly number[]): string {
  return texts.reduce((line, text, at) => padEnd(line, (columns[at] ?? 0) - (width(text) >> 1)) + text, '')
}

/** A line with a stroke in each of the columns. */
export function strokes(columns: readonly number[]): string {
  return paint(
    'dim',
    centred(
      Array.from(columns, () => '│'),
      columns,
    ),
  )
}
