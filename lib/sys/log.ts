/** The one logger: lines on stderr, never on stdout, and never a reason to fail. */

import { door } from './door.js'

/** One line for the operator. */
export function warn(message: string): void {
  const { plugin } = door()
  const who = plugin === 'flatnet' ? plugin : `flatnet ${plugin}`
  const line = door().encode(`${who}: ${message}\n`)
  door().sys.write(2, line, line.length)
}
