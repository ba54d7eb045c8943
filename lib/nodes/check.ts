/** CHECK for the node: every difference between the table and the kernel, in words. */

import { CniError, ErrorCode } from '../cni/error.js'
import { formatPrefix } from '../ip/prefix.js'
import type { Netlink } from '../netlink/netlink.js'
import { cookieOf } from '../netns/namespace.js'
import { addressSteps, deviceStep, isDeviceOf } from './device.js'
import { checkExclusion } from './exclusion.js'
import { compare } from './plan.js'
import { describeChange } from './requests.js'
import { blindFilters } from './return-path.js'
import { type Mode, type NodesConfig, readSettings } from './settings.js'
import { loadTable, tableSource } from './source.js'
import { hereIs } from './state.js'

export interface NodeCheck {
  /** Empty where all is as it should be. */
  readonly differences: readonly string[]
  readonly podMtu: number | undefined
}

const VERB = { add: 'missing', replace: 'wrong', remove: 'stale' } as const

/** Changes nothing. Throws as an application would for a table that cannot be read. */
export function checkNodes(netlink: Netlink, mode: Mode, network: string, config: NodesConfig): NodeCheck {
  const settings = readSettings(mode, network, config)
  const source = tableSource(network, config)
  const { nodes } = loadTable(network, source)
  const { facts, desired, changes, conflicts } = compare(netlink, nodes, settings, source, hereIs(cookieOf(netlink)))
  const differences: string[] = []
  const { device } = desired
  if (device !== undefined) {
    const link = facts.links.find((candidate) => candidate.name === device.name && isDeviceOf(network, candidate))
    const step = deviceStep(device, link)
    if (step.step !== 'keep') differences.push(`link ${device.name}: ${step.why}`)
    if (link !== undefined) {
      const present = facts.addresses.filter(({ linkIndex }) => linkIndex === link.index).map(({ prefix }) => prefix)
      const { add, remove } = addressSteps(device.addresses, present)
      for (const prefix of add) differences.push(`missing address ${formatPrefix(prefix)} dev ${device.name}`)
      for (const prefix of remove) differences.push(`stale address ${formatPrefix(prefix)} dev ${device.name}`)
    }
  }
  const names = new Map(facts.links.map(({ index, name }) => [index, name]))
  for (const change of changes) {
    const line = describeChange(change, device?.name ?? '', (index) => names.get(index) ?? `if${index}`).slice(2)
    differences.push(`${VERB[change.action]} ${line}${change.node === '' ? '' : ` (node ${change.node})`}`)
  }
  for (const name of blindFilters(desired.entrances.map((index) => names.get(index) ?? ''))) {
    differences.push(
      `rp_filter of ${name} is strict and src_valid_mark is 0: it drops other nodes' packets for host ports`,
    )
  }
  for (const { reason } of [...desired.refused, ...conflicts]) differences.push(reason)
  differences.push(...checkExclusion(network, nodes))
  return { differences, podMtu: desired.podMtu }
}

/** For CHECK: throws code 100 with every difference, those of the attachment (`ofPod`, given the pods' MTU) included. */
export function requireAsConfigured(
  netlink: Netlink,
  mode: Mode,
  network: string,
  config: NodesConfig,
  ofPod: (podMtu: number) => string[] = () => [],
): void {
  const { differences, podMtu } = checkNodes(netlink, mode, network, config)
  const all = podMtu === undefined ? differences : [...differences, ...ofPod(podMtu)]
  if (all.length === 0) return
  throw new CniError(
    ErrorCode.NotAsConfigured,
    `${mode} of network ${network} is not as the table of nodes has it`,
    all.join('; '),
  )
}
