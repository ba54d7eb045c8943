import { CniError, ErrorCode, messageOf } from '../../lib/cni/error.js'
import type { StatusRequest } from '../../lib/cni/request.js'
import { isWritable, readLink, stat } from '../../lib/sys/file.js'
import { hasIpv6, lackingIpv6 } from '../../lib/sysctl/ipv6.js'
import { dataDirOf, type HostLocalConfig, rangeSetsOf } from './config.js'
import { addressOfName, leaseNames, leasePath, openLastReserved } from './leases.js'
import { capacityOf, formatRangeSet, isGatewayOf, type RangeSet, roundRobin, setFinder } from './ranges.js'
import { isReclaimable } from './reclaim.js'
import { currentLife } from './records.js'
import { readResolvConf } from './resolv-conf.js'
import { sideOf } from './store.js'

/**
 * Fails with code 50 for what would make the next ADD fail: a store that cannot be written, a
 * resolv.conf that cannot be read, a set of IPv6 where the kernel has none, a set without a free or a
 * reclaimable address. Counts leases by their names, reads them only when a set seems full, and creates nothing.
 */
export function status({ config, network, cniVersion }: StatusRequest<HostLocalConfig>): void {
  const sets = rangeSetsOf(config, cniVersion)
  const dataDir = dataDirOf(config)
  const directory = `${dataDir}/${network}`
  const exists = requireWritable(directory)
  const resolvConf = config.ipam?.resolvConf ?? ''
  if (resolvConf !== '') readResolvConf(resolvConf, ErrorCode.NotAvailable)
  const six = sets.find((set) => set.some(({ start }) => start.family === 6))
  if (six !== undefined && !hasIpv6()) throw lackingIpv6(`cannot lease addresses of range set ${formatRangeSet(six)}`)
  if (!exists) return
  let names: readonly string[] | undefined
  let leased: readonly number[] | undefined
  for (const [at, set] of sets.entries()) {
    if (hasFreeNearby(directory, set, at)) continue
    names ??= leaseNames(directory)
    const capacity = capacityOf(set)
    if (names.length < capacity) continue
    leased ??= leasedOf(sets, names)
    if ((leased[at] as number) < capacity || isReclaimable(directory, sideOf(dataDir, network), set, currentLife()))
      continue
    throw new CniError(
      ErrorCode.NotAvailable,
      `no IP addresses available in range set: ${formatRangeSet(set)}`,
      `all ${capacity} addresses of range set ${at} are leased, and none is left over from before this node's last start: widen the range, or let the runtime run GC`,
    )
  }
}

/** How many addresses of each set are leased. */
function leasedOf(sets: readonly RangeSet[], names: readonly string[]): number[] {
  const setOf = setFinder(sets)
  const counts = sets.map(() => 0)
  for (const name of names) {
    const address = addressOfName(name)
    const at = address === undefined ? undefined : setOf(address)
    if (address === undefined || at === undefined || isGatewayOf(sets[at] as RangeSet, address)) continue
    counts[at] = (counts[at] as number) + 1
  }
  return counts
}

/** Looks at the addresses whose turn is next; enough for a set that is not nearly full. */
function hasFreeNearby(directory: string, set: RangeSet, at: number): boolean {
  const last = openLastReserved(directory, at)
  last.close()
  const next = roundRobin(set, last.address)
  for (let tries = 0; tries < 16; tries++) {
    const address = next()
    if (address === undefined) return false
    if (stat(leasePath(directory, address)) === undefined) return true
  }
  return false
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
    if (kind === undefined && path.lastIndexOf('/') >= 0 && readLink(path) === undefined) continue
    if (kind !== 'directory') throw refuse(kind === undefined ? 'no such directory' : `${path} is no directory`)
    if (!isWritable(path === '' ? '/' : path)) throw refuse(`${path} is not writable`)
    return path === directory
  }
}
