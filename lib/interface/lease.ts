/** The lease: IPAM is asked again while what it gives is another container's on the same segment. */

import type { Delegate } from '../cni/delegate.js'
import { CniError, ErrorCode } from '../cni/error.js'
import type { Result } from '../cni/result.js'
import { equalAddresses, formatAddress, type IpAddress } from '../ip/address.js'
import { warn } from '../sys/log.js'
import type { Held } from './model.js'

/**
 * A bridge has 1023 ports, so no more addresses can be held. IPAM plugins that begin at the lowest free address give
 * a refused one again at once, which ends the search.
 */
const ATTEMPTS = 1024

export interface Lease {
  /** Throws code 103 where IPAM has nothing but what others hold. `look` reads a result, and throws where it is of no use. */
  obtain<T>(look: (leased: Result) => { readonly found: T; readonly held: Held | undefined }): T
  /** Nothing where nothing is leased. */
  giveBack(): void
}

/**
 * A refused address is given back before IPAM is asked again: IPAM plugins know an attachment by its container and interface,
 * so that it cannot keep one lease and ask for a second. host-local, ours and the reference's, goes on behind what it
 * gave last.
 */
export function leaseOf(ipam: Delegate): Lease {
  let leased = false
  const giveBack = () => {
    if (leased) ipam.run('DEL')
    leased = false
  }
  return {
    giveBack,
    obtain(look) {
      const refused: Held[] = []
      for (;;) {
        const result = ipam.add()
        leased = true
        const { found, held } = look(result)
        if (held === undefined) {
          if (refused.length > 0) warn(passedOver(refused))
          return found
        }
        if (refused.length >= ATTEMPTS || includes(refused, held.address)) throw unavailable(held, refused)
        refused.push(held)
        giveBack()
      }
    },
  }
}

function includes(refused: readonly Held[], address: IpAddress): boolean {
  return refused.some((one) => equalAddresses(one.address, address))
}

const REMEDY = 'networks whose ranges overlap on one node must have one name, and so one store of leases'

function unavailable({ address, holder, segment }: Held, refused: readonly Held[]): CniError {
  const others = refused.length > 1 ? `, as it did with ${refused.length - 1} other addresses in use` : ''
  return new CniError(
    ErrorCode.AddressUnavailable,
    `IP address ${formatAddress(address)} is already in use on ${segment}`,
    `${holder} has it, and IPAM gave it again${others}; ${REMEDY}`,
  )
}

function passedOver(refused: readonly Held[]): string {
  const segment = refused[0]?.segment ?? ''
  const some = refused.slice(0, 3).map(({ address, holder }) => `${formatAddress(address)} of ${holder}`)
  const more = refused.length > some.length ? `, and ${refused.length - some.length} more` : ''
  return `addresses that IPAM gave are in use on ${segment}, so it was asked for others: ${some.join(', ')}${more}; ${REMEDY}`
}
