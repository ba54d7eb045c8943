/** Where the reference plugins (Debian's 1.1.1 to v1.9) are known to deviate. */

import type { Waiver } from './waivers.js'

export const REFERENCE: readonly Waiver[] = []
