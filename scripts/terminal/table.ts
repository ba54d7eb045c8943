/** Rows under a heading, for a terminal or for Markdown. */

import { padEnd, padStart, paint, width } from './style.js'

export interface Column {
  readonly heading: string
  readonly align?: 'left' | 'right'
}

type Row = readonly string[]

function widths(columns: readonly Column[], rows: readonly Row[]): number[] {
  return columns.map(({ heading }, at) => Math.max(width(heading), ...rows.map((row) => width(row[at] ?? ''))))
}

function aligned(columns: readonly Column[], rows: readonly Row[], row: Row): string[] {
  const room = widths(columns, rows)
  return columns.map(({ align }, at) => (align === 'right' ? padStart : padEnd)(row[at] ?? '', room[at] ?? 0))
}

export function terminalTable(columns: readonly Column[], rows: readonly Row[], indent = '  '): string {
  const line = (row: Row) => `${indent}${aligned(columns, rows, row).join('  ')}`.trimEnd()
  const headings = columns.map(({ heading }) => paint('dim', heading))
  return [line(headings), ...rows.map(line)].join('\n')
}

export function markdownTable(columns: readonly Column[], rows: readonly Row[]): string {
  const line = (row: Row) => `| ${aligned(columns, rows, row).join(' | ')} |`
  const rule = widths(columns, rows).map((room, at) =>
    columns[at]?.align === 'right' ? `${'-'.repeat(room - 1)}:` : '-'.repeat(room),
  )
  return [line(columns.map(({ heading }) => heading)), line(rule), ...rows.map(line)].join('\n')
}
