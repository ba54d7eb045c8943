/**
 * What undoes the steps of a transaction. A step is announced before it is taken, because a signal may
 * be raised between the kernel's work and our knowing of it: so an undo must not mind that there is
 * nothing to undo, and must not touch what this call did not make.
 */

import { messageOf } from '../cni/error.js'
import { warn } from '../sys/log.js'

export interface Rollback {
  /** `what` reads after "cannot undo": `the veth pair`. */
  push(what: string, undo: () => void): void
  /** Everything went well: forgets the steps. */
  keep(): void
  /** Undoes the steps, last first, past failures, which are warnings: the first error is the one to report. */
  undo(): void
}

export function rollback(): Rollback {
  let steps: { readonly what: string; readonly undo: () => void }[] = []
  return {
    push(what, undo) {
      steps.push({ what, undo })
    },
    keep() {
      steps = []
    },
    undo() {
      for (let step = steps.pop(); step !== undefined; step = steps.pop()) undoStep(step.what, step.undo)
    },
  }
}

/** A stop signal is raised once in the life of a process, and may be in the midst of this: then the step is begun again. */
function undoStep(what: string, undo: () => void): void {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      undo()
      return
    } catch (error) {
      if ((error as { name?: unknown }).name === 'Interrupted') continue
      warn(`cannot undo ${what}: ${messageOf(error)}`)
      return
    }
  }
}

/** Runs `work` as a transaction: whatever it throws is thrown on after its steps were undone. */
export function transaction<T>(work: (steps: Rollback) => T): T {
  const steps = rollback()
  try {
    return work(steps)
  } catch (error) {
    steps.undo()
    throw error
  }
}
