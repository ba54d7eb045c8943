import { podName } from '../../lib/cni/args.js'
import { ErrorCode } from '../../lib/cni/error.js'
import type { AddRequest } from '../../lib/cni/request.js'
import type { Dns, Result } from '../../lib/cni/result.js'
import { formatAddress, type IpAddress } from '../../lib/ip/address.js'
import { formatPrefix } from '../../lib/ip/prefix.js'
import { routesOf } from '../../lib/ipam/routes.js'
import { clearAway } from '../../lib/sys/content.js'
import { decodeUtf8 } from '../../lib/sys/text.js'
import { type Allocation, allocate, release } from './allocate.js'
import { dataDirOf, type HostLocalConfig, rangeSetsOf } from './config.js'
import { type Found, findLeases } from './find.js'
import { type SetOf, setFinder } from './ranges.js'
import { currentLife, type Life, writeRecord } from './records.js'
import { requestedAddresses } from './requests.js'
import { parseResolvConf, readResolvConf } from './resolv-conf.js'
import { closeStore, openStore, type Store } from './store.js'

/** Leases one address of each set; asked again, the same ones. */
export function add(request: AddRequest<HostLocalConfig>): Result {
  const { config, network, cniVersion, args, containerId, ifName } = request
  const sets = rangeSetsOf(config, cniVersion)
  const routes = routesOf(config.ipam?.routes)
  const requested = requestedAddresses(config, args)
  const dns = readDns(config.ipam?.resolvConf ?? '')
  const holder = { containerId, ifName }
  const life = currentLife()
  const store = openStore(dataDirOf(config), network)
  try {
    const setOf = setFinder(sets)
    const found = findLeases(store, holder, (exact) => haveAll(exact, setOf, sets.length))
    const allocations = allocate(store, { sets, setOf, requested, holder, life }, found)
    record(store, request, life, found, allocations)
    return {
      ips: allocations.map(({ address, range }) => ({
        address: formatPrefix({ address, length: range.subnet.length }),
        gateway: formatAddress(range.gateway),
      })),
      ...(routes.length === 0 ? {} : { routes }),
      ...(dns === undefined ? {} : { dns }),
    }
  } finally {
    closeStore(store)
  }
}

/** Whether each of `count` sets has one of the addresses. */
function haveAll(addresses: readonly IpAddress[], setOf: SetOf, count: number): boolean {
  if (addresses.length < count) return false
  const places = new Set(addresses.map(setOf))
  places.delete(undefined)
  return places.size === count
}

function readDns(path: string): Dns | undefined {
  if (path === '') return undefined
  return parseResolvConf(decodeUtf8(readResolvConf(path, ErrorCode.IoFailure)) ?? '')
}

/** Notes every address the attachment holds now. On failure the new ones are given back. */
function record(
  store: Store,
  request: AddRequest<HostLocalConfig>,
  life: Life,
  found: Found,
  allocations: readonly Allocation[],
): void {
  const had = new Set(found.exact.map(formatAddress))
  const fresh = allocations.map(({ address }) => address).filter((address) => !had.has(formatAddress(address)))
  const addresses = [...had, ...fresh.map(formatAddress)]
  const { record: earlier, recordPath } = found
  if (earlier?.boot === life.boot && earlier.node === life.node && earlier.addresses.join() === addresses.join()) return
  const { containerId, ifName, netns, args } = request
  store.changed = true
  try {
    const content = { containerId, ifName, ...life, netns, pod: podName(args), addresses, time: Math.floor(store.time) }
    writeRecord(store.side, recordPath, content, earlier !== undefined)
  } catch (error) {
    store.complete = false
    release(store, fresh)
    if (found.exact.length === 0) clearAway(recordPath)
    throw error
  }
}
