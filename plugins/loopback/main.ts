/**
 * loopback: brings `lo` up in the container and reports the addresses the kernel gave it. The interface
 * is always `lo`, whatever CNI_IFNAME says. https://www.cni.dev/plugins/current/main/loopback/
 */

import type { NetworkConfig } from '../../lib/cni/config.js'
import { CniError, ErrorCode } from '../../lib/cni/error.js'
import { definePlugin } from '../../lib/cni/plugin.js'
import type { AddRequest, CheckRequest, DelRequest } from '../../lib/cni/request.js'
import type { Result } from '../../lib/cni/result.js'
import { formatAddress, isLoopback } from '../../lib/ip/address.js'
import { formatPrefix } from '../../lib/ip/prefix.js'
import type { LinkAddress } from '../../lib/netlink/addresses.js'
import { type Netlink, openNetlink } from '../../lib/netlink/netlink.js'
import {
  type ContainerFile,
  inContainer,
  inContainerIfPresent,
  isSameNamespace,
  openContainer,
} from '../../lib/netns/namespace.js'
import { schema } from './config.generated.js'

export const { main } = definePlugin<NetworkConfig>({ name: 'loopback', schema, add, check, del })

/** Every namespace's first link. */
const LO = 1

function add({ netns, prevResult }: AddRequest<NetworkConfig>): Result {
  const container = enter(openContainer(netns))
  const lo = container.links.get(LO)
  let addresses = container.addresses.list(LO)
  refuseOthers(addresses)
  if (!lo.up) {
    container.links.change(LO, { up: true })
    addresses = container.addresses.list(LO) // the kernel adds them when lo comes up
  }
  if (prevResult !== undefined) return prevResult
  const ips = ([4, 6] as const)
    .map((family) => addresses.find(({ prefix }) => prefix.address.family === family))
    .filter((found) => found !== undefined)
    .map(({ prefix }) => ({ address: formatPrefix(prefix), interface: 0 }))
  return { interfaces: [{ name: lo.name, mac: lo.mac, mtu: lo.mtu, sandbox: netns }], ips }
}

/** An address of another kind on lo is a service's, and DEL would take it down. */
function refuseOthers(addresses: readonly LinkAddress[]): void {
  const other = addresses.find(({ prefix }) => !isLoopback(prefix.address))
  if (other === undefined) return
  throw new CniError(
    ErrorCode.AlreadyExists,
    `loopback interface found with non-loopback address "${formatAddress(other.prefix.address)}"`,
    'lo was left as it is; put service addresses on a dummy link, or leave loopback out of this network',
  )
}

function check({ netns, prevResult }: CheckRequest<NetworkConfig>): void {
  const container = enter(openContainer(netns))
  const lo = container.links.get(LO)
  const differences = lo.up ? [] : ['lo is down']
  const present = container.addresses.list(LO).map(({ prefix }) => formatPrefix(prefix))
  for (const { address, interface: index } of prevResult.ips ?? []) {
    const its = index === undefined ? undefined : prevResult.interfaces?.[index]
    if (its?.name !== lo.name || present.includes(address) || !isSameNamespace(its.sandbox ?? '', netns)) continue
    differences.push(`lo lacks ${address}`)
  }
  if (differences.length === 0) return
  throw new CniError(ErrorCode.NotAsConfigured, 'loopback is not as ADD left it', differences.join('; '))
}

function del({ netns }: DelRequest<NetworkConfig>): void {
  inContainerIfPresent(netns, openNetlink)?.links.change(LO, { up: false })
}

/** Descriptors and handle end with this process, a few microseconds from now. */
function enter(file: ContainerFile): Netlink {
  return inContainer(file, openNetlink)
}
