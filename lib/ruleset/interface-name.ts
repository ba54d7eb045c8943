/** Names of interfaces as the kernel limits them. */

import { encodeUtf8 } from '../sys/text.js'

const IFNAMSIZ = 16

/** Whether an interface could have this name, as far as its length goes. */
export function isInterfaceName(name: string): boolean {
  return name !== '' && encodeUtf8(name).length < IFNAMSIZ
}
