/**
 * What must change so that the kernel has the desired state: a pure function of what is desired, what is
 * there, and what this network applied last.
 */

import { type Family, formatAddress } from '../ip/address.js'
import { bitsOf, formatPrefix, type Prefix } from '../ip/prefix.js'
import type { FdbEntry } from '../netlink/fdb.js'
import type { Neighbour } from '../netlink/neighbours.js'
import type { KnownRoute } from '../netlink/routes.js'
import type { Rule } from '../netlink/rules.js'
import type { Desired, DesiredFdb, DesiredNeighbour, DesiredRoute, DesiredRule, Refusal } from './desired.js'
import { IPV6_METRIC, OWN_PROTOCOL } from './identity.js'

/** include/uapi/linux/neighbour.h */
const NUD_PERMANENT = 0x80

/** What the kernel has, of anybody's. */
export interface Present {
  /** Main table and the tunnel's own. */
  readonly routes: readonly KnownRoute[]
  /** Of the tunnel's link; empty without one. */
  readonly neighbours: readonly Neighbour[]
  readonly fdb: readonly FdbEntry[]
  readonly rules: readonly Rule[]
}

/** What this network may touch. */
export interface Ownership {
  /** Index of the tunnel's link, all of which is ours; undefined without one. */
  readonly device: number | undefined
  /** Keys (`routeKey`) of the routes this network applied last. */
  readonly applied: ReadonlySet<string>
  /** Keys of the routes other networks applied, with their names. */
  readonly others: ReadonlyMap<string, string>
  /** Tables whose every route of our protocol is this network's: the tunnel's, of now and before. */
  readonly tables: ReadonlySet<number>
}

export type Change =
  | { readonly kind: 'route'; readonly action: 'add' | 'replace'; readonly node: string; readonly route: DesiredRoute }
  | { readonly kind: 'route'; readonly action: 'remove'; readonly node: ''; readonly route: KnownRoute }
  | {
      readonly kind: 'neighbour'
      readonly action: 'add' | 'replace'
      readonly node: string
      readonly entry: DesiredNeighbour
    }
  | { readonly kind: 'neighbour'; readonly action: 'remove'; readonly node: ''; readonly entry: Neighbour }
  | { readonly kind: 'fdb'; readonly action: 'add' | 'replace'; readonly node: string; readonly entry: DesiredFdb }
  | { readonly kind: 'fdb'; readonly action: 'remove'; readonly node: ''; readonly entry: FdbEntry }
  | { readonly kind: 'rule'; readonly action: 'add'; readonly node: ''; readonly rule: DesiredRule }
  | { readonly kind: 'rule'; readonly action: 'remove'; readonly node: ''; readonly rule: Rule }

export interface Difference {
  /** In the order to apply them. */
  readonly changes: readonly Change[]
  /** What belongs to others and stands in the way. */
  readonly conflicts: readonly Refusal[]
}

/** A route's place in the kernel: no table has two routes of one key. It reads `10.244.2.0/24 table 254 metric 0`. */
export function routeKey({
  to,
  table = 254,
  priority,
  family,
}: {
  to: KnownRoute['to']
  table?: number | undefined
  priority?: number | undefined
  family?: Family
}): string {
  const six = to === 'default' ? family === 6 : to.address.family === 6
  const prefix = to === 'default' ? (six ? '::/0' : '0.0.0.0/0') : formatPrefix(to)
  return `${prefix} table ${table} metric ${priority ?? (six ? IPV6_METRIC : 0)}`
}

/**
 * A peer is added from the far end (neighbour, FDB entry, then the route that leads packets there) and removed from
 * the near one; what moves is replaced before anything is removed, so that no packet finds a gap.
 */
export function difference(desired: Desired, present: Present, own: Ownership): Difference {
  const conflicts: Refusal[] = []
  const routes = routeChanges(desired.routes, present.routes, own, conflicts)
  const neighbours = neighbourChanges(desired.neighbours, present.neighbours)
  const fdb = fdbChanges(desired.fdb, present.fdb)
  const rules = ruleChanges(desired.rules, present.rules, own)
  const sets = ({ action }: Change) => action !== 'remove'
  const removes = ({ action }: Change) => action === 'remove'
  return {
    changes: [
      ...[...neighbours, ...fdb, ...routes, ...rules].filter(sets),
      ...[...rules, ...routes, ...fdb, ...neighbours].filter(removes),
    ],
    conflicts,
  }
}

function routeChanges(
  wanted: readonly DesiredRoute[],
  present: readonly KnownRoute[],
  own: Ownership,
  conflicts: Refusal[],
): Change[] {
  const ours = new Map<string, KnownRoute>()
  const foreign = new Map<string, KnownRoute>()
  for (const route of present) {
    if (route.protocol === OWN_PROTOCOL) ours.set(routeKey(route), route)
    else foreign.set(routeKey(route), route)
  }
  const changes: Change[] = []
  const keys = new Set<string>()
  for (const route of wanted) {
    const key = routeKey(route)
    keys.add(key)
    const stranger = foreign.get(key)
    if (stranger !== undefined) {
      conflicts.push({ node: route.node, reason: foreignRoute(stranger) })
      continue
    }
    const there = ours.get(key)
    if (there !== undefined && sameRoute(route, there, own.device)) continue
    const owner = own.others.get(key)
    if (there !== undefined && owner !== undefined) {
      const reason = `route ${describeRoute(there)} belongs to network ${owner}: two networks give one pod CIDR to different nodes`
      conflicts.push({ node: route.node, reason })
      continue
    }
    changes.push({ kind: 'route', action: there === undefined ? 'add' : 'replace', node: route.node, route })
  }
  for (const [key, route] of ours) {
    if (keys.has(key) || own.others.has(key)) continue
    const mine =
      own.applied.has(key) || own.tables.has(route.table) || (own.device !== undefined && route.link === own.device)
    if (mine) changes.push({ kind: 'route', action: 'remove', node: '', route })
  }
  return changes
}

/** Whether the kernel's route leads where the wanted one would. */
export function sameRoute(wanted: DesiredRoute, there: KnownRoute, device: number | undefined): boolean {
  if (wanted.type !== there.type) return false
  if (wanted.type === 'unreachable') return true
  const link = wanted.link === 'device' ? device : wanted.link
  return link === there.link && wanted.mtu === there.mtu && sameAddress(wanted.via, there.via)
}

function sameAddress(a: DesiredRoute['via'], b: DesiredRoute['via']): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.family === b.family && formatAddress(a) === formatAddress(b)
}

function foreignRoute(route: KnownRoute): string {
  const what = describeRoute(route)
  return `route ${what} is not ours and stays; where nobody needs it: ip route del ${what}`
}

/** As `ip route` writes it. */
export function describeRoute(route: KnownRoute | DesiredRoute, linkName?: string): string {
  const { to, type, via, table, priority } = route
  const parts = [
    to === 'default'
      ? 'default'
      : to.length === bitsOf(to.address.family)
        ? formatAddress(to.address)
        : formatPrefix(to),
  ]
  if (type !== undefined && type !== 'unicast') parts.unshift(type)
  if (via !== undefined) {
    const foreign = to !== 'default' && to.address.family !== via.family
    parts.push(`via ${foreign ? 'inet6 ' : ''}${formatAddress(via)}`)
  }
  if (linkName !== undefined) parts.push(`dev ${linkName}`)
  if (table !== 254) parts.push(`table ${table}`)
  if ('protocol' in route)
    parts.push(`proto ${route.protocol === OWN_PROTOCOL ? OWN_PROTOCOL : protocolName(route.protocol)}`)
  if (priority !== undefined && priority !== 0) parts.push(`metric ${priority}`)
  if (route.onlink === true) parts.push('onlink')
  if (route.mtu !== undefined) parts.push(`mtu ${route.mtu}`)
  return parts.join(' ')
}

function protocolName(protocol: number): string {
  return { 2: 'kernel', 3: 'boot', 4: 'static', 9: 'ra', 16: 'dhcp' }[protocol] ?? String(protocol)
}

function neighbourChanges(wanted: readonly DesiredNeighbour[], present: readonly Neighbour[]): Change[] {
  const there = new Map(present.map((entry) => [formatAddress(entry.address), entry]))
  const changes: Change[] = []
  for (const entry of wanted) {
    const address = formatAddress(entry.address)
    const found = there.get(address)
    there.delete(address)
    if (found?.state === 'permanent' && found.mac === entry.mac) continue
    changes.push({ kind: 'neighbour', action: found === undefined ? 'add' : 'replace', node: entry.node, entry })
  }
  for (const entry of there.values()) {
    if (entry.state === 'permanent') changes.push({ kind: 'neighbour', action: 'remove', node: '', entry })
  }
  return changes
}

function fdbChanges(wanted: readonly DesiredFdb[], present: readonly FdbEntry[]): Change[] {
  const there = new Map(present.filter(({ self }) => self).map((entry) => [entry.mac, entry]))
  const changes: Change[] = []
  for (const entry of wanted) {
    const found = there.get(entry.mac)
    there.delete(entry.mac)
    if (found !== undefined && isPermanent(found) && leadsTo(found, entry)) continue
    changes.push({ kind: 'fdb', action: found === undefined ? 'add' : 'replace', node: entry.node, entry })
  }
  for (const entry of there.values()) {
    if (isPermanent(entry)) changes.push({ kind: 'fdb', action: 'remove', node: '', entry })
  }
  return changes
}

/** `bridge fdb` sets another bit beside (noarp), so that the state is a number. */
function isPermanent({ state }: FdbEntry): boolean {
  return state === 'permanent' || (typeof state === 'number' && (state & NUD_PERMANENT) !== 0)
}

function leadsTo(found: FdbEntry, { to }: DesiredFdb): boolean {
  const plain = found.port === undefined && found.vni === undefined && found.via === undefined
  return plain && found.to !== undefined && sameAddress(found.to, to)
}

function ruleChanges(wanted: readonly DesiredRule[], present: readonly Rule[], own: Ownership): Change[] {
  const changes: Change[] = []
  const key = (from: Prefix, mark: string, table: number, priority: number) =>
    `${priority} ${formatPrefix(from)} ${mark} ${table}`
  const there = new Map<string, Rule>()
  for (const rule of present) {
    if (rule.protocol !== OWN_PROTOCOL || rule.from === undefined || rule.table === undefined) continue
    there.set(key(rule.from, `${rule.mark ?? 0}/${rule.markMask ?? 0}`, rule.table, rule.priority ?? 0), rule)
  }
  for (const rule of wanted) {
    const found = there.delete(key(rule.from, `0/${rule.unlessMark}`, rule.table, rule.priority))
    if (!found) changes.push({ kind: 'rule', action: 'add', node: '', rule })
  }
  for (const rule of there.values()) {
    if (own.tables.has(rule.table as number)) changes.push({ kind: 'rule', action: 'remove', node: '', rule })
  }
  return changes
}
