/** ADD as a transaction: the record is written before the first change, and every step says how it is undone. */

import { type Claim, claimOrCreate, type Earlier, type RecordPlace } from '../store/record.js'
import { type Rollback, rollback } from '../store/rollback.js'

export interface Transaction<T, R> {
  /** What the record says before anything is done. */
  readonly planned: T
  /** Whether what an earlier call left stays, with what its record says. Default: not. */
  keeps?(earlier: Earlier<T>): boolean
  /** Undoes what an earlier call left. Where it throws, the record stays as that call wrote it. */
  settle(earlier: Earlier<T>): void
  /** Does the work, announces each step to `steps`, and writes the record as `ready`. */
  work(claim: Claim<T>, steps: Rollback): R
}

/**
 * Runs `work` on an attachment that no other call works on meanwhile. Where it throws, its steps are undone and the
 * record goes; the record stays only where an undo failed, for DEL to try again.
 */
export function transaction<T, R>(place: RecordPlace, all: Transaction<T, R>): R {
  const { planned, work } = all
  const claim = claimOrCreate<T>(place, planned)
  settleEarlier(claim, all)
  const steps = rollback()
  try {
    const result = work(claim, steps)
    claim.release()
    return result
  } catch (error) {
    if (steps.undo()) steps.push('the record of the attachment', () => claim.remove())
    else claim.release()
    steps.undo()
    throw error
  }
}

function settleEarlier<T, R>(claim: Claim<T>, { planned, keeps, settle }: Transaction<T, R>): void {
  if (claim.earlier === undefined) return
  try {
    if (keeps?.(claim.earlier) === true) {
      claim.write('adding', claim.earlier.content)
      return
    }
    settle(claim.earlier)
    claim.write('adding', planned)
  } catch (error) {
    claim.release()
    throw error
  }
}
