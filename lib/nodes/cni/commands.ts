/** What the commands of host-gw and vxlan, and `flatnet sync`, do to the node. */

import { requireStateDir, stateDirOf } from '../../attachment/state-dir.js'
import { CniError, ErrorCode, isCniError, messageOf } from '../../cni/error.js'
import type { AddRequest } from '../../cni/request.js'
import type { Netlink } from '../../netlink/netlink.js'
import { cookieOf } from '../../netns/namespace.js'
import { isErrno } from '../../sys/errno.js'
import { warn } from '../../sys/log.js'
import { enableForwarding } from '../../sysctl/forwarding.js'
import { type Application, applyTable, troubleOf } from '../apply.js'
import { differencesOf } from '../check.js'
import type { DesiredDevice, Refusal } from '../desired.js'
import { findRival, isDeviceOf, isUnfinished, networkOfDevice, rivalError } from '../device.js'
import { difference } from '../diff.js'
import { type Kind, NodesError } from '../error.js'
import { isExcluded, refillExclusion } from '../exclusions.js'
import type { Mode } from '../model.js'
import { type Facts, readFacts } from '../observe.js'
import { planFor } from '../plan.js'
import { loadTable, placeOf } from '../source.js'
import {
  hereIs,
  locked,
  ownership,
  readHistory,
  readStamp,
  removeStamp,
  type Stamp,
  stateDirectory,
  stillStands,
  writeStamp,
} from '../stamp.js'
import { sweepUnclaimed } from '../sweep.js'
import { type ConfiguredNetwork, type NodesConfig, readNetwork } from './config.js'
import { podsOutside } from './living-pods.js'

const CODES: { readonly [K in Kind]: ErrorCode } = {
  invalid: ErrorCode.InvalidConfig,
  'not-yet': ErrorCode.TryAgainLater,
  unavailable: ErrorCode.NotAvailable,
}

/** Runs work of the core; what that throws has a code of the protocol. */
function inProtocol<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof NodesError) throw new CniError(CODES[error.kind], error.message, error.details)
    throw error
  }
}

/**
 * For ADD: applies the table if anything changed since it was applied last, and says once what could not be served. Many
 * calls at once apply it once.
 */
export function ensureNodes(netlink: Netlink, mode: Mode, request: AddRequest<NodesConfig>): Stamp {
  const { network: name, config, stdin: bytes, raw } = request
  return inProtocol(() => {
    const network = readNetwork(mode, name, config, { bytes, raw })
    const { settings, source, key } = network
    const directory = stateDirectory(settings)
    const here = hereIs(cookieOf(netlink))
    const standing = () => {
      const stamp = readStamp(directory, here)
      return stamp !== undefined && stillStands(netlink, directory, stamp, key, source) ? stamp : undefined
    }
    const stamp = standing() ?? locked(directory, () => standing() ?? applyNow(netlink, network).stamp)
    for (const family of stamp.families) enableForwarding(netlink, family)
    if (stamp.masquerade !== undefined && !isExcluded(name, stamp.masquerade)) {
      locked(directory, () => {
        const latest = readStamp(directory, here)
        if (latest !== undefined) writeStamp(directory, here, { ...latest, masquerade: refillExclusion(settings) })
      })
    }
    if (stamp.trouble !== undefined) warn(stamp.trouble)
    return stamp
  })
}

/** For `flatnet sync`: applies the table whatever the stamp says. */
export function syncNodes(netlink: Netlink, mode: Mode, name: string, config: Partial<NodesConfig>): Application {
  return inProtocol(() => {
    const network = readNetwork(mode, name, config)
    const application = locked(stateDirectory(network.settings), () => applyNow(netlink, network))
    for (const family of application.stamp.families) enableForwarding(netlink, family)
    for (const { reason } of application.refused) warn(reason)
    return application
  })
}

/** The caller holds the network's lock. */
function applyNow(netlink: Netlink, network: ConfiguredNetwork): Application {
  const { settings, source, key } = network
  // Until it is done, nothing may take an earlier application for this one.
  removeStamp(stateDirectory(settings))
  const table = loadTable(settings.network, source)
  const here = hereIs(cookieOf(netlink))
  const application = applyTable(netlink, { table, settings, place: placeOf(source), here, key })
  const { waiting } = application.desired
  if (waiting.length > 0) warn(`left out until the table gives them pod CIDRs: ${waiting.join(', ')}`)
  return application
}

/** For GC: applies the table, and sweeps what no network claims. Throws code 106 where something could not be done. */
export function collectNodes(netlink: Netlink, mode: Mode, network: string, config: Partial<NodesConfig>): void {
  try {
    syncNodes(netlink, mode, network, config)
  } catch (error) {
    // Without a table it is not known which of this network's entries are stale.
    warn(`GC leaves the entries of network ${network} as they are: ${messageOf(error)}`)
  }
  const { swept, failures } = sweepUnclaimed(netlink, stateDirOf(config))
  if (failures.length > 0) {
    throw new CniError(
      ErrorCode.LeftBehind,
      `${failures.length} routes and rules that no network claims could not be removed`,
      failures.join('; '),
    )
  }
  if (swept > 0) warn(`GC removed ${swept} routes and rules of ours that no network claims`)
}

/**
 * For CHECK: throws code 100 with every difference between the table and the kernel, and of the attachment (`ofPod`, given
 * what pods may send and this node's pod CIDRs).
 */
export function requireAsConfigured(
  netlink: Netlink,
  mode: Mode,
  name: string,
  config: NodesConfig,
  ofPod: (node: Pick<Stamp, 'podMtu' | 'node' | 'podCIDRs'>) => string[],
): void {
  const all = inProtocol(() => {
    const { settings, source } = readNetwork(mode, name, config)
    const { nodes } = loadTable(name, source)
    const found = differencesOf(netlink, nodes, settings, placeOf(source), hereIs(cookieOf(netlink)))
    return [...found.differences, ...ofPod(found)]
  })
  if (all.length === 0) return
  throw new CniError(
    ErrorCode.NotAsConfigured,
    `${mode} of network ${name} is not as the table of nodes has it`,
    all.join('; '),
  )
}

/**
 * For STATUS: throws code 50 with the reason why the next ADD would fail. What cuts off single peers is only said: for a
 * failing STATUS a runtime reports the whole node as not ready, and its pods are evicted.
 */
export function requireReady(netlink: Netlink, mode: Mode, name: string, config: NodesConfig): void {
  try {
    inProtocol(() => {
      const { settings, source } = readNetwork(mode, name, config)
      const { nodes } = loadTable(name, source)
      requireStateDir(settings.stateDir)
      const facts = readFacts(netlink)
      const desired = planFor(nodes, facts, settings, placeOf(source))
      if (desired.device !== undefined) requireDevice(netlink, name, desired.device, facts)
      const own = ownership(readHistory(settings, hereIs(cookieOf(netlink))), undefined, desired.device)
      const present = { routes: facts.routes, neighbours: [], fdb: [], rules: [] }
      const refused: Refusal[] = [...desired.refused, ...difference(desired, present, own).conflicts]
      const trouble = troubleOf(refused)
      if (trouble !== undefined) warn(trouble)
      const outside = podsOutside(settings.stateDir, name, desired.self)
      if (outside !== undefined) warn(outside)
    })
  } catch (error) {
    if (isCniError(error) && error.code !== ErrorCode.NotAvailable) {
      throw new CniError(ErrorCode.NotAvailable, error.message, error.details)
    }
    throw error
  }
}

/** Whether the tunnel's link is ours, or can be made. */
function requireDevice(netlink: Netlink, network: string, device: DesiredDevice, { links }: Facts): void {
  const link = links.find(({ name }) => name === device.name)
  if (link !== undefined && (isDeviceOf(network, link) || isUnfinished(link, device))) return
  if (link !== undefined) {
    const owner = networkOfDevice(link)
    const whose = owner === undefined ? `is a ${link.kind ?? 'link'} of someone else` : `belongs to network ${owner}`
    throw new NodesError('unavailable', `cannot use "${device.name}" as a tunnel: it ${whose}`, 'set another "device"')
  }
  const rival = findRival(device, links)
  if (rival !== undefined) throw rivalError(rival, device)
  requireVxlan(netlink)
}

/** Asks for a VXLAN that cannot be: a kernel that has the kind refuses its number, one that has not the kind. */
function requireVxlan(netlink: Netlink): void {
  try {
    netlink.links.create({ kind: 'vxlan', name: 'flat.probe', id: 0xffffffff, port: 1 })
  } catch (error) {
    if (!isErrno(error, 'EOPNOTSUPP', 'ENOENT')) return
    throw new NodesError('unavailable', `the running kernel lacks vxlan: ${messageOf(error)}`, 'modprobe vxlan')
  }
}
