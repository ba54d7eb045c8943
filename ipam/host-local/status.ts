import { CniError, ErrorCode, messageOf } from '../../lib/cni/error.js'
import type { StatusRequest } from '../../lib/cni/request.js'
import { isErrno } from '../../lib/sys/errno.js'
import { close, isWritable, open, stat } from '../../lib/sys/file.js'
import { dataDirOf, type HostLocalConfig, rangeSetsOf } from './config.js'
import { addressOfName, leaseNames } from './leases.js'
import { capacityOf, formatRangeSet, isGatewayOf, rangeOf } from './ranges.js'
import { isReclaimable } from './reclaim.js'
import { currentLife } from './records.js'
import { sideOf } from './store.js'

/**
 * Fails with code 50 for what would make the next ADD fail: a store that cannot be written, a
 * resolv.conf that cannot be read, a set without a free or a reclaimable address. Counts leases by
 * their names, reads them only when a set seems full, and creates nothing.
 */
export function status({ config, network, cniVersion }: StatusRequest<HostLocalConfig>): void {
  const sets = rangeSetsOf(config, cniVersion)
  const dataDir = dataDirOf(config)
  const directory = `${dataDir}/${network}`
  const exists = requireWritable(directory)
  requireReadable(config.ipam?.resolvConf ?? '')
  const names = exists ? leaseNames(directory) : []
  for (const [at, set] of sets.entries()) {
    const capacity = capacityOf(set)
    if (names.length < capacity) continue
    const leased = names.filter((name) => {
      const address = addressOfName(name)
      return address !== undefined && rangeOf(set, address) !== undefined && !isGatewayOf(set, address)
    })
    if (leased.length < capacity || isReclaimable(directory, sideOf(dataDir, network), set, currentLife())) continue
    throw new CniError(
      ErrorCode.NotAvailable,
      `no IP addresses available in range set: ${formatRangeSet(set)}`,
      `all ${capacity} addresses of range set ${at} are leased, and none is left over from before this node's last start: widen the range, or let the runtime run GC`,
    )
  }
}

/** Whether the directory exists. What is missing could be created where its nearest parent can be written. */
function requireWritable(directory: string): boolean {
  const refuse = (why: string) =>
    new CniError(ErrorCode.NotAvailable, `cannot write ${directory}: ${why}`, 'ipam.dataDir says where leases are kept')
  for (let path = directory; ; path = path.slice(0, path.lastIndexOf('/'))) {
    let kind: string | undefined
    try {
      kind = stat(path === '' ? '/' : path)?.kind
    } catch (error) {
      throw refuse(messageOf(error))
    }
    if (kind === undefined && path.lastIndexOf('/') >= 0) continue
    if (kind !== 'directory') throw refuse(kind === undefined ? 'no such directory' : `${path} is no directory`)
    if (!isWritable(path === '' ? '/' : path)) throw refuse(`${path} is not writable`)
    return path === directory
  }
}

function requireReadable(path: string): void {
  if (path === '') return
  try {
    close(open(path))
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'EACCES', 'ENOTDIR', 'ELOOP')) throw error
    throw new CniError(
      ErrorCode.NotAvailable,
      `failed to get DNS: ${messageOf(error)}`,
      'ipam.resolvConf names this file',
    )
  }
}
