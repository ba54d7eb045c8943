/** What ADD answers where CNI_IFNAME is taken in the container. */

import { CniError, ErrorCode } from '../cni/error.js'

/** Returns code 101. Of a pair it has the words of the reference, which people search for. */
export function alreadyExists(kind: string, ifName: string, details: string): CniError {
  const message =
    kind === 'veth'
      ? `failed to create veth pair: container veth name provided (${ifName}) already exists`
      : `failed to create ${kind}: the container has an interface "${ifName}" already (file exists)`
  return new CniError(ErrorCode.AlreadyExists, message, details)
}

/** The details for a link that is another's. */
export function mustBeNew(ifName: string): string {
  return `CNI_IFNAME must be new to the container; ip -n NETNS link show ${ifName} tells what it is`
}
