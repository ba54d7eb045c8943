/** Teardown goes on past failures and reports them together. */

import { CniError, ErrorCode, toCniError } from '../cni/error.js'

export interface Failures {
  /** Runs `action`; what it throws is kept for `report`. True where it threw nothing. */
  attempt(what: string, action: () => void): boolean
  readonly none: boolean
  /** Throws the last failure with the others in its details. */
  report(): void
}

export function collectFailures(): Failures {
  const errors: CniError[] = []
  return {
    attempt(what, action) {
      try {
        action()
        return true
      } catch (error) {
        errors.push(toCniError(error, what))
        return false
      }
    },
    get none() {
      return errors.length === 0
    },
    report() {
      const last = errors.pop()
      if (last === undefined) return
      const others = [last.details, ...errors.map(({ message }) => message)].filter((text) => text !== '')
      throw new CniError(last.code || ErrorCode.LeftBehind, last.message, others.join('; '))
    },
  }
}
