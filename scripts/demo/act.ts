/** One scene of the demo. */

import type { Stage } from './stage.js'

export interface Act {
  /** As the command line calls it. */
  readonly name: string
  readonly summary: string
  play(stage: Stage, options: { readonly pods: number }): void | Promise<void>
}
