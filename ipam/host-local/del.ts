import { collectFailures } from '../../lib/attachment/failures.js'
import type { DelRequest } from '../../lib/cni/request.js'
import { formatAddress } from '../../lib/ip/address.js'
import { dataDirOf, type HostLocalConfig } from './config.js'
import { findLeases } from './find.js'
import { releaseAddress } from './leases.js'
import { orLeftBehind } from './left-behind.js'
import { removeRecord } from './records.js'
import { closeStore, openExistingStore, type Store } from './store.js'

/**
 * Gives back whatever the attachment holds in this network, by whichever program and configuration.
 * Nothing held, no store: success. Code 106 for a lease that cannot be removed: it would never be free otherwise.
 */
export function del({ config, network, containerId, ifName }: DelRequest<HostLocalConfig>): void {
  const dataDir = dataDirOf(config)
  orLeftBehind(`the leases of ${containerId}/${ifName} in ${dataDir}/${network} stay`, () => {
    const store = openExistingStore(dataDir, network)
    if (store === undefined) return
    try {
      releaseAll(store, containerId, ifName)
    } finally {
      closeStore(store)
    }
  })
}

/** The record goes last: it says where the leases are. */
function releaseAll(store: Store, containerId: string, ifName: string): void {
  const { exact, legacy, record, recordPath } = findLeases(store, { containerId, ifName }, () => false)
  const failures = collectFailures()
  for (const address of exact.length > 0 ? exact : legacy) {
    store.changed = true
    failures.attempt('', () =>
      orLeftBehind(`the lease of ${formatAddress(address)} stays`, () => releaseAddress(store.directory, address)),
    )
  }
  if (!failures.none) {
    store.complete = false
  } else if (record !== undefined) {
    store.changed = true
    failures.attempt('', () => orLeftBehind(`${recordPath} stays`, () => removeRecord(recordPath)))
  }
  failures.report()
}
