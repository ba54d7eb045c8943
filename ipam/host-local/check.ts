import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { CheckRequest } from '../../lib/cni/request.js'
import { formatAddress } from '../../lib/ip/address.js'
import { parsePrefix } from '../../lib/ip/prefix.js'
import { dataDirOf, type HostLocalConfig, rangeSetsOf } from './config.js'
import { findLeases } from './find.js'
import { readHolder } from './leases.js'
import { setFinder } from './ranges.js'
import { closeStore, openExistingStore } from './store.js'

/**
 * Every address of the previous result that lies in our ranges must be leased to this attachment. Reads
 * those leases and nothing else, without the lock: nobody but this attachment's own calls changes them.
 */
export function check(request: CheckRequest<HostLocalConfig>): void {
  const { config, network, cniVersion, containerId, ifName, prevResult } = request
  const sets = rangeSetsOf(config, cniVersion)
  const setOf = setFinder(sets)
  const directory = `${dataDirOf(config)}/${network}`
  const differences: string[] = []
  let examined = 0
  for (const { address: text } of prevResult.ips ?? []) {
    const address = parsePrefix(text)?.address
    if (address === undefined || setOf(address) === undefined) continue
    examined++
    const holder = readHolder(directory, address)
    if (holder === undefined) differences.push(`${formatAddress(address)} is not leased to anybody`)
    else if (holder === 'damaged') differences.push(`the lease of ${formatAddress(address)} is damaged`)
    else if (holder.containerId !== containerId || (holder.ifName !== '' && holder.ifName !== ifName)) {
      differences.push(`${formatAddress(address)} is leased to ${holder.containerId}/${holder.ifName}`)
    }
  }
  if (examined === 0 && !holdsAny(request)) differences.push(`no address is leased to ${containerId}/${ifName}`)
  if (differences.length === 0) return
  throw new CniError(
    ErrorCode.NotAsConfigured,
    `host-local: Failed to find address added by container ${containerId}`,
    `${differences.join('; ')} (in ${directory})`,
  )
}

/** For results without an address of ours, as after the ranges were changed. */
function holdsAny({ config, network, containerId, ifName }: CheckRequest<HostLocalConfig>): boolean {
  const store = openExistingStore(dataDirOf(config), network)
  if (store === undefined) return false
  try {
    const { exact, legacy } = findLeases(store, { containerId, ifName }, (found) => found.length > 0)
    return exact.length + legacy.length > 0
  } finally {
    closeStore(store)
  }
}
