/** prevResult: what the plugins before this one made, or, on CHECK and DEL, the final result of ADD. */

import { fromAnyVersion } from './convert.js'
import { CniError, ErrorCode } from './error.js'
import type { Result } from './result.js'
import { atLeast, type CniVersion, isReleased } from './version.js'

/** Versions whose results can stand for each other in a chain. */
function shapeOf(version: CniVersion): number {
  return atLeast(version, '1.0.0') ? 2 : atLeast(version, '0.3.0') ? 1 : 0
}

/** The previous result in the shape of 1.1.0; undefined where there is none. Throws code 6 or 7. */
export function readPrevResult(raw: Record<string, unknown>, version: CniVersion): Result | undefined {
  const value = raw['prevResult'] ?? undefined
  if (value === undefined) return undefined
  const own = (value as { cniVersion?: unknown }).cniVersion
  if (typeof own === 'string' && isReleased(own) && shapeOf(own) !== shapeOf(version)) {
    throw new CniError(
      ErrorCode.InvalidConfig,
      `could not parse prevResult: its version ${own} does not fit the configuration's ${version}`,
      'every plugin of a list speaks the cniVersion of the list',
    )
  }
  return fromAnyVersion(value, version, 'prevResult')
}
