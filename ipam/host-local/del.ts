import type { DelRequest } from '../../lib/cni/request.js'
import { formatAddress } from '../../lib/ip/address.js'
import { isErrno } from '../../lib/sys/errno.js'
import { warn } from '../../lib/sys/log.js'
import { dataDirOf, type HostLocalConfig } from './config.js'
import { findLeases } from './find.js'
import { releaseAddress } from './leases.js'
import { removeRecord } from './records.js'
import { closeStore, openExistingStore, type Store } from './store.js'

/**
 * Gives back whatever the attachment holds in this network, by whichever program and configuration.
 * Nothing held, no store: success. A store that cannot be changed is a warning: a DEL that fails is
 * repeated for ever, and the pod stays.
 */
export function del({ config, network, containerId, ifName }: DelRequest<HostLocalConfig>): void {
  const dataDir = dataDirOf(config)
  unlessReadOnly(`the leases of ${containerId}/${ifName} in ${dataDir}/${network} stay`, () => {
    const store = openExistingStore(dataDir, network)
    if (store === undefined) return
    try {
      releaseAll(store, containerId, ifName)
    } finally {
      closeStore(store)
    }
  })
}

function releaseAll(store: Store, containerId: string, ifName: string): void {
  const { exact, legacy, record, recordPath } = findLeases(store, { containerId, ifName }, () => false)
  let released = true
  for (const address of exact.length > 0 ? exact : legacy) {
    store.changed = true
    released =
      unlessReadOnly(`the lease of ${formatAddress(address)} stays`, () => {
        releaseAddress(store.directory, address)
      }) && released
  }
  if (!released) {
    store.complete = false
  } else if (record !== undefined) {
    store.changed = true
    unlessReadOnly(`${recordPath} stays`, () => {
      removeRecord(recordPath)
    })
  }
}

/** Runs `action`; that the store may not be written, or is none, becomes a warning. Whether it ran. */
export function unlessReadOnly(consequence: string, action: () => void): boolean {
  try {
    action()
    return true
  } catch (error) {
    if (!isErrno(error, 'EROFS', 'EACCES', 'EPERM', 'ENOTDIR', 'ELOOP', 'EISDIR')) throw error
    warn(`${consequence}: ${(error as Error).message}`)
    return false
  }
}
