/** A member of the configuration that is wrong. */

import { CniError, ErrorCode } from '../cni/error.js'

/** Throw code 7 with the JSON pointer of the member: `/ipam/addresses/0/gateway`. */
export function refuse(pointer: string, why: string): never {
  throw new CniError(ErrorCode.InvalidConfig, `invalid configuration: "${pointer}" ${why}`)
}
