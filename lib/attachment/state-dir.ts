/** Where a plugin keeps its records. */

import { CniError, ErrorCode } from '../cni/error.js'
import { directoryOf } from '../store/atomic.js'
import { isWritable, readLink, stat } from '../sys/file.js'

const DEFAULT = '/run/flatnet'

/** On DEL and GC what is no absolute path counts as absent. */
export function stateDirOf({ stateDir = '' }: { readonly stateDir?: string }): string {
  return stateDir.startsWith('/') ? stateDir : DEFAULT
}

/** For ADD: code 7 for a path that is not absolute. */
export function refuseStateDir({ stateDir }: { readonly stateDir?: string }): void {
  if (stateDir === undefined || stateDir.startsWith('/')) return
  throw new CniError(ErrorCode.InvalidConfig, `invalid configuration: stateDir "${stateDir}" is no absolute path`)
}

/** For STATUS: code 50 where nothing can be written there. */
export function requireStateDir(path: string): void {
  let existing = path
  // A link that leads nowhere is there all the same.
  while (stat(existing) === undefined && readLink(existing) === undefined && existing !== '/') {
    existing = directoryOf(existing)
  }
  if (stat(existing)?.kind === 'directory' && isWritable(existing)) return
  throw new CniError(
    ErrorCode.NotAvailable,
    `stateDir "${path}" cannot be written`,
    `${existing} is not a directory, or cannot be written: ls -ld '${existing}'`,
  )
}
