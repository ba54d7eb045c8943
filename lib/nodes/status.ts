/** STATUS for the node: whether the next ADD would fail, and why. Changes nothing. */

import { requireStateDir } from '../attachment/state-dir.js'
import { CniError, ErrorCode, isCniError, messageOf } from '../cni/error.js'
import type { Netlink } from '../netlink/netlink.js'
import { isErrno } from '../sys/errno.js'
import { findRival, isDeviceOf, isUnfinished, networkOfDevice, rivalError } from './device.js'
import { readFacts } from './facts.js'
import { wish } from './plan.js'
import { type Mode, type NodesConfig, readSettings } from './settings.js'
import { loadTable, tableSource } from './source.js'

/** Throws code 50 with the reason. */
export function requireReady(netlink: Netlink, mode: Mode, network: string, config: NodesConfig): void {
  try {
    const settings = readSettings(mode, network, config)
    const source = tableSource(network, config)
    const { nodes } = loadTable(network, source)
    requireStateDir(settings.stateDir)
    const facts = readFacts(netlink)
    const { device } = wish(nodes, facts, settings, source)
    if (device === undefined) return
    const link = facts.links.find(({ name }) => name === device.name)
    if (link !== undefined && (isDeviceOf(network, link) || isUnfinished(link, device))) return
    if (link !== undefined) {
      const owner = networkOfDevice(link)
      const whose = owner === undefined ? `is a ${link.kind ?? 'link'} of someone else` : `belongs to network ${owner}`
      throw new CniError(
        ErrorCode.NotAvailable,
        `cannot use "${device.name}" as a tunnel: it ${whose}`,
        'set another "device"',
      )
    }
    const rival = findRival(device, facts.links)
    if (rival !== undefined) throw rivalError(rival, device)
    requireVxlan(netlink)
  } catch (error) {
    if (isCniError(error) && error.code !== ErrorCode.NotAvailable) {
      throw new CniError(ErrorCode.NotAvailable, error.message, error.details)
    }
    throw error
  }
}

/** Asks for a VXLAN that cannot be: a kernel that has the kind refuses its number, one that has not the kind. */
function requireVxlan(netlink: Netlink): void {
  try {
    netlink.links.create({ kind: 'vxlan', name: 'flat.probe', id: 0xffffffff, port: 1 })
  } catch (error) {
    if (!isErrno(error, 'EOPNOTSUPP', 'ENOENT')) return
    throw new CniError(ErrorCode.NotAvailable, `the running kernel lacks vxlan: ${messageOf(error)}`, 'modprobe vxlan')
  }
}
