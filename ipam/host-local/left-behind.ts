/** Leases that stay because the store may not be changed: the call fails, so that the runtime makes it again. */

import { CniError, ErrorCode, messageOf, toCniError } from '../../lib/cni/error.js'
import { isErrno } from '../../lib/sys/errno.js'

/** Runs `action`. That the store may not be read or written becomes code 106, with `consequence` before the cause. */
export function orLeftBehind(consequence: string, action: () => void): void {
  try {
    action()
  } catch (error) {
    if (!isErrno(error, 'EROFS', 'EACCES', 'EPERM')) throw error
    throw new CniError(ErrorCode.LeftBehind, `${consequence}: ${messageOf(error)}`, toCniError(error).details)
  }
}
