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
  /** As `push`, for what later steps rest on: it stays where one of them could not be undone. */
  pushFoundation(what: string, undo: () => void): void
  /** Undoes the steps, last first, past failures, which are warnings. True where there were none. */
  undo(): boolean
}

export function rollback(): Rollback {
  const steps: { readonly what: string; readonly undo: () => void; readonly foundation: boolean }[] = []
  return {
    push(what, undo) {
      steps.push({ what, undo, foundation: false })
    },
    pushFoundation(what, undo) {
      steps.push({ what, undo, foundation: true })
    },
    undo() {
      let whole = true
      for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
        if (step.foundation && !whole) warn(`${step.what} is kept, because not all that rests on it is undone`)
        else if (!undone(step.what, step.undo)) whole = false
      }
      return whole
    },
  }
}

/** A stop signal is raised once in the life of a process, perhaps in the midst of this: then the step is begun again. */
function undone(what: string, undo: () => void): boolean {
  for (;;) {
    try {
      undo()
      return true
    } catch (error) {
      if ((error as { name?: unknown }).name === 'Interrupted') continue
      warn(`cannot undo ${what}: ${messageOf(error)}`)
      return false
    }
  }
}
