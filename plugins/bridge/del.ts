/** DEL: whatever is missing, what is left of the attachment is removed. Links first, so that no lease is free while its address still lives. */

import { findDelegate } from '../../lib/cni/delegate.js'
import { CniError, ErrorCode, isCniError, messageOf, toCniError } from '../../lib/cni/error.js'
import type { DelRequest } from '../../lib/cni/request.js'
import { openHost } from '../../lib/netns/namespace.js'
import { attachmentKey, type Claim, claim } from '../../lib/store/record.js'
import { isErrno } from '../../lib/sys/errno.js'
import { warn } from '../../lib/sys/log.js'
import { type Attached, placeOf } from './attached.js'
import type { BridgeConfig } from './config.js'
import { detach, detachInside } from './detach.js'
import { removeRules, removeUnrecordedRules } from './ruleset.js'

export function del(request: DelRequest<BridgeConfig>): void {
  const place = placeOf(request, request)
  let record: Claim<Attached> | undefined
  try {
    record = claim<Attached>(place)
  } catch (error) {
    // A record that cannot be read is one that is not there: the rest can be done without it.
    if (!isErrno(error, 'EACCES', 'EPERM', 'EROFS', 'EISDIR', 'ELOOP', 'ENAMETOOLONG')) throw error
    warn(`going on without the record of the attachment: ${messageOf(error)}`)
    remove(request, undefined)
    return
  }
  remove(request, record)
  if (record !== undefined) return
  // An ADD that began after we had looked may have lost its link or its lease to us: it is undone as a whole.
  const later = claim<Attached>(place)
  if (later !== undefined) remove(request, later)
}

function remove(request: DelRequest<BridgeConfig>, record: Claim<Attached> | undefined): void {
  const { config, network, containerId, ifName, netns } = request
  const key = attachmentKey(network, containerId, ifName)
  const failures: unknown[] = []
  const attempt = (what: string, action: () => void): void => {
    try {
      action()
    } catch (error) {
      failures.push(isCniError(error) ? error : toCniError(error, what))
    }
  }
  const attached = record?.earlier?.content
  attempt(`failed to delete ${ifName}`, () => {
    const host = openHost()
    if (detach(host, key, attached) || (netns === '' && attached !== undefined)) return
    detachInside(host, key, netns, ifName)
  })
  // After the links: what a chained plugin's DEL has just removed is freed meanwhile, and the next one need not wait.
  attempt(`failed to remove ${ifName} from nftables`, () => {
    if (attached === undefined) removeUnrecordedRules(request, config)
    else {
      // Whoever makes a table anew must not take us for one that stays.
      if (attached.rules !== undefined) record?.write('adding', attached)
      removeRules(request, attached)
    }
  })
  const ipam =
    typeof config.ipam?.type === 'string' && config.ipam.type !== '' ? config.ipam.type : (attached?.ipam ?? '')
  if (ipam !== '') attempt(`failed to release the lease of ${ifName}`, () => findDelegate(ipam, request).run('DEL'))
  if (failures.length === 0) record?.remove()
  else record?.release()
  if (failures.length > 0) throw together(failures)
}

/** The last failure's code: a delegate's own is the one a runtime may know. */
export function together(failures: readonly unknown[]): CniError {
  const errors = failures.map((failure) => toCniError(failure))
  const last = errors[errors.length - 1] as CniError
  if (errors.length === 1) return last
  const others = errors.slice(0, -1).map(({ message }) => message)
  return new CniError(
    last.code || ErrorCode.LeftBehind,
    last.message,
    [last.details, ...others].filter((text) => text !== '').join('; '),
  )
}
