/** The configuration, and what an ADD makes of it: sets to allocate from, addresses asked for. */

import type { NetworkConfig } from '../../lib/cni/config.js'
import type { Route } from '../../lib/cni/result.js'
import type { CniVersion } from '../../lib/cni/version.js'
import { requireOnePerFamily } from '../../lib/ipam/one-per-family.js'
import { refuse } from '../../lib/ipam/refuse.js'
import { familyOf, firstOverlap, parseRangeSet, type RangeConfig, type RangeSet, spanOf } from './ranges.js'

/** Validated by config.schema.json. */
export interface HostLocalConfig extends NetworkConfig {
  readonly ipam?: RangeConfig & {
    readonly type?: string
    readonly ranges?: readonly (readonly RangeConfig[])[]
    readonly routes?: readonly Route[]
    readonly dataDir?: string
    readonly resolvConf?: string
  }
  readonly args?: { readonly cni?: { readonly ips?: readonly string[] } }
  readonly runtimeConfig?: { readonly ips?: readonly string[]; readonly ipRanges?: readonly unknown[] }
}

const DATA_DIR = '/var/lib/cni/networks'

/** Where the leases of all networks are. Every configuration has one, whatever else is wrong with it. */
export function dataDirOf(config: Partial<HostLocalConfig>): string {
  const configured = config.ipam?.dataDir ?? ''
  return configured === '' ? DATA_DIR : configured
}

/**
 * The range sets in their final order: `runtimeConfig.ipRanges`, the old single range, `ipam.ranges`.
 * A set's place names its `last_reserved_ip` file. Throws code 7 with the pointer to what is wrong.
 */
export function rangeSetsOf(config: HostLocalConfig, version: CniVersion): readonly RangeSet[] {
  const { ipam } = config
  if (ipam === undefined) return refuse('/ipam', 'is missing')
  if (!dataDirOf(config).startsWith('/')) refuse('/ipam/dataDir', 'must be an absolute path')
  const sets: { readonly pointer: string; readonly set: RangeSet }[] = []
  const add = (pointer: string, ranges: readonly RangeConfig[], pointerTo?: () => string) =>
    sets.push({ pointer, set: parseRangeSet(ranges, pointer, refuse, pointerTo) })
  for (const [at, entry] of (config.runtimeConfig?.ipRanges ?? []).entries()) {
    const pointer = `/runtimeConfig/ipRanges/${at}`
    // containerd's type is a flat list of ranges with Go field names; then each is a set.
    if (!Array.isArray(entry)) add(pointer, [runtimeRange(entry, pointer)], () => pointer)
    else
      add(
        pointer,
        entry.map((range: unknown, inner) => runtimeRange(range, `${pointer}/${inner}`)),
      )
  }
  if ((ipam.subnet ?? '') !== '') add('/ipam', [ipam], () => '/ipam')
  for (const [at, ranges] of (ipam.ranges ?? []).entries()) add(`/ipam/ranges/${at}`, ranges)
  if (sets.length === 0) return refuse('/ipam/ranges', 'no IP ranges specified')
  refuseOverlaps(sets)
  requireOnePerFamily(
    version,
    sets.map(({ set }) => familyOf(set)),
    '/ipam/ranges',
  )
  return sets.map(({ set }) => set)
}

/** Each set is free of overlaps already. */
function refuseOverlaps(sets: readonly { readonly pointer: string; readonly set: RangeSet }[]): void {
  if (sets.length < 2) return
  const all = sets.flatMap(({ pointer, set }) => set.map((range) => ({ pointer, range })))
  const clash = firstOverlap(all.map(({ range }) => range))
  if (clash === undefined) return
  const [earlier, later] = clash.map((at) => all[at] as (typeof all)[number]) as [(typeof all)[0], (typeof all)[0]]
  refuse(later.pointer, `its range ${spanOf(later.range)} overlaps ${spanOf(earlier.range)} of ${earlier.pointer}`)
}

const MEMBERS = ['subnet', 'rangeStart', 'rangeEnd', 'gateway'] as const

/** A range from the runtime, whatever the case of its members. */
function runtimeRange(value: unknown, pointer: string): RangeConfig {
  if (typeof value !== 'object' || value === null) return refuse(pointer, 'is no range')
  const range: { -readonly [key in (typeof MEMBERS)[number]]?: string } = {}
  for (const [key, member] of Object.entries(value)) {
    const name = MEMBERS.find((candidate) => candidate.toLowerCase() === key.toLowerCase())
    if (name === undefined || member === null) continue
    if (typeof member !== 'string') return refuse(`${pointer}/${key}`, 'must be string')
    range[name] = member
  }
  return range
}
