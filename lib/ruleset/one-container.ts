/**
 * One container on several networks, whose runtime sends the same ports to each (go-cni does): the first attachment has
 * a port, and the others wait for it.
 */

import { formatAddress } from '../ip/address.js'
import type { Exposed, ExposedFamily, PortMapping } from './host-ports-table.js'

/** The attachment without some of its mappings. */
export function without(exposed: Exposed, mappings: ReadonlySet<PortMapping>): Exposed {
  if (mappings.size === 0) return exposed
  const families = exposed.families.map((family) => ({
    ...family,
    mappings: family.mappings.filter((mapping) => !mappings.has(mapping)),
  }))
  return { ...exposed, families }
}

/** Each attachment without what an earlier one of its container has; those that have it know of their heirs. */
export function inTurn(all: readonly Exposed[]): Exposed[] {
  const siblings = new Map<string, number>()
  for (const { owner } of all) siblings.set(owner.containerId, (siblings.get(owner.containerId) ?? 0) + 1)
  const ports = new Map<string, HeldPort[]>()
  const withHeirs = new Set<number>()
  const mapped = all.map((exposed, at) => {
    if (siblings.get(exposed.owner.containerId) === 1) return exposed
    const waiting = new Set<PortMapping>()
    for (const family of exposed.families) {
      for (const mapping of family.mappings) {
        const holder = take(ports, exposed.owner.containerId, family, mapping, at)
        if (holder === at) continue
        waiting.add(mapping)
        withHeirs.add(holder)
      }
    }
    return without(exposed, waiting)
  })
  return mapped.map((exposed, at) =>
    withHeirs.has(at) ? { ...exposed, owner: { ...exposed.owner, hasHeir: true } } : exposed,
  )
}

interface HeldPort {
  readonly holder: number
  /** `''` is every address. */
  readonly on: string
}

/** Who has the port from now on: an earlier one, where one of the two is on every address, or both on the same. */
function take(
  ports: Map<string, HeldPort[]>,
  containerId: string,
  { address: { family } }: ExposedFamily,
  { protocol, hostPort, hostAddress }: PortMapping,
  self: number,
): number {
  const key = `${family} ${protocol} ${hostPort} ${containerId}`
  const on = hostAddress === undefined ? '' : formatAddress(hostAddress)
  const held = ports.get(key) ?? []
  const other = held.find((one) => one.holder !== self && (one.on === on || one.on === '' || on === ''))
  if (other !== undefined) return other.holder
  ports.set(key, [...held, { holder: self, on }])
  return self
}
