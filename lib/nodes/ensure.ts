/** What ADD, GC and `flatnet sync` do to the node: apply the table, or find that it stands applied. */

import { stateDirOf } from '../attachment/state-dir.js'
import { CniError, ErrorCode, messageOf } from '../cni/error.js'
import type { AddRequest } from '../cni/request.js'
import type { Result } from '../cni/result.js'
import type { Netlink } from '../netlink/netlink.js'
import { cookieOf } from '../netns/namespace.js'
import { warn } from '../sys/log.js'
import { enableForwarding } from '../sysctl/forwarding.js'
import { type Application, applyTable } from './apply.js'
import { stillStands } from './confirm.js'
import { isExcluded, refillExclusion } from './exclusion.js'
import { type Mode, type NodesConfig, readSettings, settingsKey } from './settings.js'
import { loadTable, type Stdin, tableSource } from './source.js'
import { hereIs, locked, readStamp, removeStamp, type Stamp, stateDirectory, writeStamp } from './state.js'
import { sweepUnclaimed } from './sweep.js'

/** For ADD: applies the table if anything changed since it was applied last. Many calls at once apply it once. */
export function ensureNodes(netlink: Netlink, mode: Mode, request: AddRequest<NodesConfig>): Stamp {
  const { network, config, stdin: bytes, raw } = request
  const stdin = { bytes, raw }
  const settings = readSettings(mode, network, config)
  const source = tableSource(network, config, stdin)
  const key = settingsKey(settings, config)
  const directory = stateDirectory(settings)
  const here = hereIs(cookieOf(netlink))
  const standing = () => {
    const stamp = readStamp(directory, here)
    return stamp !== undefined && stillStands(netlink, directory, stamp, key, source) ? stamp : undefined
  }
  const stamp =
    standing() ?? locked(directory, () => standing() ?? applyNow(netlink, mode, network, config, stdin).stamp)
  for (const family of stamp.families) enableForwarding(netlink, family)
  if (stamp.masquerade !== undefined && !isExcluded(network, stamp.masquerade)) {
    locked(directory, () => {
      const latest = readStamp(directory, here)
      if (latest !== undefined) writeStamp(directory, here, { ...latest, masquerade: refillExclusion(settings) })
    })
  }
  return stamp
}

/** For GC and sync: applies the table whatever the stamp says. */
export function syncNodes(netlink: Netlink, mode: Mode, network: string, config: Partial<NodesConfig>): Application {
  const directory = stateDirectory(readSettings(mode, network, config))
  const application = locked(directory, () => applyNow(netlink, mode, network, config))
  for (const family of application.stamp.families) enableForwarding(netlink, family)
  return application
}

function applyNow(
  netlink: Netlink,
  mode: Mode,
  network: string,
  config: Partial<NodesConfig>,
  stdin?: Stdin,
): Application {
  const settings = readSettings(mode, network, config)
  const source = tableSource(network, config, stdin)
  const here = hereIs(cookieOf(netlink))
  // Until it is done, nobody may take an earlier application for this one.
  removeStamp(stateDirectory(settings))
  const table = loadTable(network, source)
  const application = applyTable(netlink, table, settings, source, here, settingsKey(settings, config))
  for (const { reason } of application.refused) warn(reason)
  return application
}

/** For ADD: what the plugin before answered. Throws code 7 where there is none. */
export function requirePrevious(mode: Mode, prevResult: Result | undefined): Result {
  if (prevResult !== undefined) return prevResult
  throw new CniError(
    ErrorCode.InvalidConfig,
    `${mode} must be chained after a plugin that makes the interface: there is no prevResult`,
    `"plugins": [{ "type": "bridge", … }, { "type": "${mode}", … }]`,
  )
}

/** For GC: applies the table, and sweeps what no network claims. Throws code 106 where something could not be done. */
export function collectNodes(netlink: Netlink, mode: Mode, network: string, config: Partial<NodesConfig>): void {
  try {
    syncNodes(netlink, mode, network, config)
  } catch (error) {
    // Without a table nobody knows which of this network's entries are stale.
    warn(`GC leaves the entries of network ${network} as they are: ${messageOf(error)}`)
  }
  const swept = sweepUnclaimed(netlink, stateDirOf(config))
  if (swept > 0) warn(`GC removed ${swept} routes and rules of ours that no network claims`)
}
