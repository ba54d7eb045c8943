/** Every difference between the table and the kernel, in words. */

import { formatPrefix } from '../ip/prefix.js'
import type { Netlink } from '../netlink/netlink.js'
import { describeChange } from './changes.js'
import { addressSteps, describeAddress, deviceStep, isDeviceOf } from './device.js'
import { checkExclusion } from './exclusions.js'
import type { Node, Settings } from './model.js'
import { compare } from './plan.js'
import { blindFilters } from './return-path.js'
import type { Here } from './stamp.js'

export interface NodeCheck {
  /** Empty where all is as it should be. */
  readonly differences: readonly string[]
  readonly podMtu: number | undefined
  /** This node's entry, and its pod CIDRs. */
  readonly node: string
  readonly podCIDRs: readonly string[]
}

const VERB = { add: 'missing', replace: 'wrong', remove: 'stale' } as const

/** Changes nothing. Throws as an application would for a table that cannot be served. */
export function differencesOf(
  netlink: Netlink,
  nodes: readonly Node[],
  settings: Settings,
  place: string,
  here: Here,
): NodeCheck {
  const { network } = settings
  const { facts, desired, changes, conflicts } = compare(netlink, nodes, settings, place, here)
  const differences: string[] = []
  const { device, self } = desired
  if (device !== undefined) {
    const link = facts.links.find((candidate) => candidate.name === device.name && isDeviceOf(network, candidate))
    const step = deviceStep(device, link)
    if (step.step !== 'keep') differences.push(`link ${device.name}: ${step.why}`)
    if (link !== undefined) {
      const present = facts.addresses.filter(({ linkIndex }) => linkIndex === link.index)
      const { add, remove } = addressSteps(device.addresses, present)
      for (const address of add) differences.push(`missing address ${describeAddress(address)} dev ${device.name}`)
      for (const address of remove) differences.push(`stale address ${describeAddress(address)} dev ${device.name}`)
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
  return { differences, podMtu: desired.podMtu, node: self.name, podCIDRs: self.podCIDRs.map(formatPrefix) }
}
