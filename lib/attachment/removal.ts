/** DEL: what the record says was made is removed, then the record. */

import { CniError, ErrorCode, messageOf, toCniError } from '../cni/error.js'
import { type Claim, claim, hasRecord, type RecordPlace } from '../store/record.js'
import { isErrno, SysError } from '../sys/errno.js'

/**
 * Whether an ADD has begun since DEL found no record. It holds its record, so what it makes may come behind what DEL has
 * removed already.
 */
export type AddHasBegun = () => boolean

/**
 * Calls `remove` with the content of the record, or with undefined where there is none; then the record goes. Where
 * `remove` throws, the record stays for the next DEL. Code 106 where the record itself cannot be removed, after the rest.
 */
export function removeAttachment<T>(
  place: RecordPlace,
  remove: (recorded: T | undefined, addHasBegun: AddHasBegun) => void,
): void {
  let claimed: Claim<T> | undefined
  try {
    claimed = claim<T>(place)
  } catch (error) {
    if (!isErrno(error, 'EACCES', 'EPERM', 'EROFS')) throw error
    // The rest can be done without it.
    remove(undefined, never)
    throw leftBehind(error)
  }
  if (claimed !== undefined) {
    removeClaimed(claimed, remove)
    return
  }
  let begun = false
  remove(undefined, () => {
    begun = hasRecord(place)
    return begun
  })
  // An ADD that began after we had looked may have lost a part of its work to us: it is undone as a whole.
  const later = claim<T>(place)
  if (later !== undefined) removeClaimed(later, remove)
  else if (begun) remove(undefined, never) // it has failed and undone itself
}

const never: AddHasBegun = () => false

/** For a record that is claimed already. */
export function removeClaimed<T>(
  claimed: Claim<T>,
  remove: (recorded: T | undefined, addHasBegun: AddHasBegun) => void,
): void {
  try {
    claimed.beginRemoval()
    remove(claimed.earlier?.content, never)
  } catch (error) {
    claimed.release()
    throw error
  }
  try {
    claimed.remove()
  } catch (error) {
    throw error instanceof SysError ? leftBehind(error) : error
  }
}

function leftBehind(error: unknown): CniError {
  const { details } = toCniError(error)
  return new CniError(ErrorCode.LeftBehind, `the record of the attachment stays: ${messageOf(error)}`, details)
}
