import type { AttachmentName } from '../../lib/cni/attachments.js'
import { CniError, ErrorCode, messageOf } from '../../lib/cni/error.js'
import { type GcRequest, keeps } from '../../lib/cni/request.js'
import { formatAddress } from '../../lib/ip/address.js'
import { sha256 } from '../../lib/sys/text.js'
import { buildCatalogue } from './catalogue.js'
import { dataDirOf, type HostLocalConfig } from './config.js'
import { saveCatalogue } from './find.js'
import { eachLease, type Holder, holderIn, isUnspeakable, leaseNames, releaseAddress } from './leases.js'
import { orLeftBehind } from './left-behind.js'
import { readRecord, recordName, recordPaths, removeRecord, temporaryPaths } from './records.js'
import { closeStore, openExistingStore, type Store } from './store.js'

/**
 * Releases every lease of this network, ours or another program's, whose attachment the runtime does not
 * list. A lease of the old form names no interface: any listed interface of its container keeps it.
 * Goes on past failures and reports them at the end (code 106).
 */
export function gc({ config, network, valid }: GcRequest<HostLocalConfig>): void {
  if (valid === undefined) return
  const dataDir = dataDirOf(config)
  orLeftBehind(`the stale leases in ${dataDir}/${network} stay`, () => {
    const store = openExistingStore(dataDir, network)
    if (store === undefined) return
    try {
      sweep(store, valid)
    } finally {
      closeStore(store)
    }
  })
}

function sweep(store: Store, valid: readonly AttachmentName[]): void {
  const failures: string[] = []
  const attempt = (action: () => void) => {
    try {
      action()
    } catch (error) {
      failures.push(messageOf(error))
    }
  }
  const records = new Set(valid.map((attachment) => `${store.side}/${recordName(store.network, attachment)}`))
  const recorded = new Set<string>()
  for (const path of recordPaths(store.side)) {
    if (records.has(path)) for (const address of readRecord(path)?.addresses ?? []) recorded.add(address)
    else {
      attempt(() => {
        store.changed = true
        removeRecord(path)
      })
    }
  }
  for (const path of temporaryPaths(store.side)) attempt(() => removeRecord(path))
  const isValid = keeps(valid)
  const containers = new Set(valid.map(({ containerId }) => containerId))
  const stays = (holder: Holder | 'damaged', address: string) => {
    if (holder === 'damaged') return recorded.has(address)
    // A list in JSON cannot name what is no UTF-8.
    const anyOf = holder.ifName === '' || isUnspeakable(holder.ifName)
    return anyOf ? containers.has(holder.containerId) : isValid(holder)
  }
  const catalogue = buildCatalogue()
  eachLease(store.directory, leaseNames(store.directory), (address, content) => {
    if (stays(holderIn(content), formatAddress(address))) {
      catalogue.add(sha256(content), address)
      return
    }
    attempt(() => {
      store.changed = true
      releaseAddress(store.directory, address)
    })
  })
  if (failures.length > 0) {
    store.complete = false
    throw new CniError(
      ErrorCode.LeftBehind,
      `${failures.length} stale leases could not be removed from ${store.directory}`,
      failures.slice(0, 5).join('; '),
    )
  }
  if (store.changed) saveCatalogue(store, catalogue.size() === 0 ? undefined : catalogue)
}
