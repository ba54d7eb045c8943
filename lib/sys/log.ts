/** The one logger: lines on stderr, never on stdout, and never a reason to fail. */

import { door } from './door.js'
import { visible } from './text.js'

/** One line for the operator. */
export function warn(message: string): void {
  const { plugin } = door()
  const who = plugin === 'flatnet' ? plugin : `flatnet ${plugin}`
  say(`${who}: ${visible(message)}\n`)
}

/** Text for stderr as it is. */
export function say(text: string): void {
  const bytes = door().encode(text)
  door().sys.write(2, bytes, bytes.length)
}
