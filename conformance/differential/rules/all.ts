/** Where flatnet differs from the reference, and why: a difference under none of these fails. */

import { ADDRESSES } from './addresses.js'
import { BRIDGE } from './bridge.js'
import { CHAINED } from './chained.js'
import { COMMON } from './common.js'
import { LOOPBACK } from './loopback.js'
import type { Rule } from './rule.js'

export const RULES: readonly Rule[] = [...COMMON, ...LOOPBACK, ...ADDRESSES, ...BRIDGE, ...CHAINED]
