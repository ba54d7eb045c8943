/** All of the plugins that break one requirement each. */

import { ATTACHMENT } from './attachment.js'
import { CONFIGURATION } from './configuration.js'
import { DELEGATION } from './delegation.js'
import { LEFTOVERS } from './leftovers.js'
import type { Mutant } from './mutant.js'
import { PROTOCOL } from './protocol.js'
import { RESULTS } from './results.js'
import { RUNTIME } from './runtime.js'
import { UPKEEP } from './upkeep.js'

export const MUTANTS: readonly Mutant[] = [
  ...PROTOCOL,
  ...CONFIGURATION,
  ...ATTACHMENT,
  ...UPKEEP,
  ...LEFTOVERS,
  ...DELEGATION,
  ...RESULTS,
  ...RUNTIME,
]
