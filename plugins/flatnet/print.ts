/** stdout of the command. */

import { writeAll } from '../../lib/sys/file.js'
import { encodeUtf8 } from '../../lib/sys/text.js'

/** Writes the text and returns the exit status of success. */
export function print(text: string): 0 {
  writeAll(1, encodeUtf8(text), 'stdout')
  return 0
}
