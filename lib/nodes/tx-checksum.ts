/**
 * Who computes the checksums of packets in the tunnel: the link's offload, or the kernel before it. Some
 * hypervisors' virtual network cards mangle what they offload inside VXLAN, and then everything but ping dies.
 */

import { changeFeature } from '../netlink/features.js'
import { warn } from '../sys/log.js'
import type { DesiredDevice } from './desired.js'
import type { Facts } from './facts.js'

const FEATURE = 'tx-checksum-ip-generic'

/** Hardware address prefixes of VMware's virtual cards (IEEE registry). */
const VMWARE = ['00:50:56', '00:0c:29', '00:05:69']

/**
 * Sets the offload of the tunnel's link, and of no other; what was changed as a line. `auto` turns it off where an
 * uplink is a VMware card, and else leaves a link as the kernel makes it.
 */
export function setTxChecksum(
  index: number,
  device: DesiredDevice,
  facts: Facts,
  uplinks: readonly number[],
): string[] {
  const { txChecksum: wanted, name } = device
  const suspect = facts.links.find((link) => uplinks.includes(link.index) && VMWARE.includes(link.mac.slice(0, 8)))
  if (wanted === 'auto' && suspect === undefined) return []
  const on = wanted === 'on'
  try {
    if (!changeFeature(index, FEATURE, on)) return []
  } catch (error) {
    warn(`cannot turn ${FEATURE} of ${name} ${on ? 'on' : 'off'}: ${(error as Error).message}`)
    return []
  }
  const why = wanted === 'auto' ? `${suspect?.name} is a VMware card` : `"txChecksum" is "${wanted}"`
  return [`~ link ${name} ${FEATURE} ${on ? 'on' : 'off'} (${why})`]
}
