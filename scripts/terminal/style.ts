/** Colour where somebody looks (a terminal, and no NO_COLOR), plain text everywhere else. */

const SGR = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 } as const

export type Colour = keyof typeof SGR

export const coloured =
  process.env['NO_COLOR'] === undefined && process.env['TERM'] !== 'dumb' && process.stdout.isTTY === true

export function paint(colour: Colour, text: string): string {
  return coloured && text !== '' ? `\u001b[${SGR[colour]}m${text}\u001b[0m` : text
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: what paint() adds
const PAINT = /\u001b\[\d+m/g

/** Columns that `text` takes, colours not counted. */
export function width(text: string): number {
  return [...text.replace(PAINT, '')].length
}

export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - width(text)))
}

export function padStart(text: string, columns: number): string {
  return ' '.repeat(Math.max(0, columns - width(text))) + text
}
