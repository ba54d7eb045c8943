/**
 * Where an error was raised, in TypeScript lines, for `FLATNET_DEBUG=1`.
 *
 * The bundle's line map is text: first line the source files, joined by tabs; then one line for each
 * bundle line, `file line` (index and number) or empty.
 */

import { door } from './door.js'

/** Prints the stack of `error` on stderr when debugging; otherwise does nothing. */
export function reportStack(error: unknown): void {
  if (door().env('FLATNET_DEBUG') !== '1') return
  const { name = 'Error', message = String(error), stack = '' } = (error ?? {}) as Partial<Error>
  const lines = stack.split('\n').filter((line) => line.trim() !== '')
  const text = door().encode(`${name}: ${message}\n${lines.map(mapped).join('\n')}\n`)
  door().sys.write(2, text, text.length)
}

/** `    at add (bridge:812:5)` with the place in the TypeScript source. */
function mapped(frame: string): string {
  const open = frame.lastIndexOf('(')
  const place = open === -1 ? frame.trim().slice(3) : frame.slice(open + 1, frame.lastIndexOf(')'))
  const [, line = ''] = place.split(':')
  const source = sourceOf(Number(line))
  return source === undefined
    ? frame
    : `${frame.slice(0, open === -1 ? frame.indexOf(place) : open + 1)}${source}${open === -1 ? '' : ')'}`
}

function sourceOf(line: number): string | undefined {
  const map = door().lineMap()?.split('\n')
  const files = map?.[0]?.split('\t')
  const [file, original] = map?.[line]?.split(' ') ?? []
  return file === undefined || file === '' ? undefined : `${files?.[Number(file)]}:${original}`
}
