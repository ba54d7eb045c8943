/** What the kernel and the file system hold, as lines that can be compared. */

import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { isObject, type Json } from './json.js'
import type { Netns } from './netns.js'
import { pause } from './shell.js'

/** Sorted lines; the first word is the place (`host`, `container`, `file`), the second the kind of object. */
export type Snapshot = readonly string[]

export interface Difference {
  readonly gone: readonly string[]
  readonly come: readonly string[]
}

/** What the programs print, a program for as much as it can tell: a snapshot is taken thousands of times. */
const SCRIPT = `echo '@@ ip'
ip -j -d -force -batch - <<.
addr show
neigh show nud permanent
neigh show proxy
.
for f in 4 6; do echo "@@ ip$f"; ip -$f -j -d -force -batch - <<.
route show table all
rule show
.
done
echo '@@ fdb'; bridge -j fdb show 2>/dev/null
echo '@@ nft'; nft -j list ruleset 2>/dev/null
for f in ip ip6; do read -r t 2>/dev/null </proc/net/\${f}_tables_names || continue
  echo "@@ \${f}tables"; \${f}tables-legacy-save 2>/dev/null || \${f}tables-save 2>/dev/null
done
echo '@@ qdisc'; q=$(tc qdisc show 2>/dev/null); echo "$q"
case $q in *'qdisc ingress'*|*'qdisc clsact'*|*'qdisc htb'*|*'qdisc prio'*) echo '@@ filter'
for l in $(echo "$q" | sed -n 's/^qdisc \\(ingress\\|clsact\\|htb\\|prio\\) .* dev \\([^ ]*\\).*/\\2/p' | sort -u); do
  for p in root ingress egress; do tc filter show dev $l $p 2>/dev/null | sed "s/^/$l $p /"; done
  tc class show dev $l | sed "s/^/$l /"
done
esac
echo '@@ sysctl'; cd /proc/sys/net; grep -s . ipv4/ip_forward ipv4/conf/*/forwarding ipv4/conf/*/route_localnet \
  ipv4/conf/*/rp_filter ipv4/conf/*/arp_notify ipv4/conf/*/proxy_arp ipv4/conf/*/arp_ignore ipv4/conf/*/accept_local \
  ipv6/conf/*/forwarding ipv6/conf/*/disable_ipv6 ipv6/conf/*/accept_ra ipv6/conf/*/accept_dad ipv6/conf/*/proxy_ndp \
  ipv6/conf/*/keep_addr_on_down bridge/* ipv4/ip_unprivileged_port_start; true`

/** Everything in the namespaces, each under its label, the files below `directories`, and what else there is to say. */
export function takeSnapshot(
  namespaces: Record<string, Netns>,
  directories: readonly string[],
  more: Snapshot = [],
): Snapshot {
  const lines = Object.entries(namespaces).flatMap(([label, netns]) =>
    kernelLines(netns.sh('set +e', SCRIPT)).map((line) => `${label} ${line}`),
  )
  for (const directory of outermost(directories)) lines.push(...fileLines(directory))
  return [...lines, ...more].sort()
}

/** Directories without those that are in another one of them. */
export function outermost(directories: readonly string[]): string[] {
  return directories.filter((one) => !directories.some((other) => one.startsWith(`${other}/`)))
}

/** What is gone from `before` and what has come; lines that match a pattern (`*` for anything) do not count. */
export function difference(before: Snapshot, after: Snapshot, except: readonly string[] = []): Difference {
  const excepted = (line: string) => except.some((pattern) => matches(pattern, line))
  // What is there twice is not what is there once.
  const minus = (a: Snapshot, b: Snapshot) => {
    const rest = new Map<string, number>()
    for (const line of b) rest.set(line, (rest.get(line) ?? 0) + 1)
    return a.filter((line) => {
      const left = rest.get(line) ?? 0
      rest.set(line, left - 1)
      return left <= 0 && !excepted(line)
    })
  }
  return { gone: minus(before, after), come: minus(after, before) }
}

/** The difference once there is none, or after `seconds`: `look` is asked at least once. */
export function untilEmpty(look: () => Difference, seconds: number): Difference {
  const deadline = performance.now() + seconds * 1000
  for (;;) {
    const changes = look()
    if (isEmpty(changes) || performance.now() >= deadline) return changes
    pause(20)
  }
}

export function isEmpty({ gone, come }: Difference): boolean {
  return gone.length === 0 && come.length === 0
}

export function showDifference({ gone, come }: Difference): string {
  return [...gone.map((line) => `- ${line}`), ...come.map((line) => `+ ${line}`)].join('\n')
}

/** Whether a line is `pattern`, in which each `*` stands for any text. */
export function matches(pattern: string, line: string): boolean {
  const parts = pattern.split('*')
  const last = parts.pop() ?? ''
  if (parts.length === 0) return line === last
  let at = 0
  for (const [i, part] of parts.entries()) {
    const found = i === 0 ? (line.startsWith(part) ? 0 : -1) : line.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return line.length - last.length >= at && line.endsWith(last)
}

function kernelLines(text: string): string[] {
  return `\n${text}`.split('\n@@ ').flatMap((part) => {
    const end = part.indexOf('\n')
    const body = end < 0 ? '' : part.slice(end + 1).trim()
    return body === '' ? [] : sectionLines(part.slice(0, end), body)
  })
}

function sectionLines(name: string, body: string): string[] {
  switch (name) {
    case 'ip': {
      const [links = [], ...neighbours] = arrays(body)
      return [...links.flatMap(linkLines), ...neighbours.flat().map((object) => `neigh ${flat(object)}`)]
    }
    case 'ip4':
    case 'ip6': {
      const family = name.slice(2)
      const [routes = [], rules = []] = arrays(body)
      return [
        ...routes.filter(isOurs).map((object) => `route${family} ${flat(object)}`),
        ...rules.map((object) => `rule${family} ${flat(object)}`),
      ]
    }
    case 'fdb':
      return (JSON.parse(body) as Json[])
        .filter(({ state, mac }) => state === 'permanent' && !mac.startsWith('33:33:') && !mac.startsWith('01:00:5e:'))
        .map((object) => `fdb ${flat(object)}`)
    case 'nft':
      return JSON.parse(body).nftables.flatMap(nftLine)
    case 'iptables':
    case 'ip6tables':
      return legacyLines(name, body)
    case 'qdisc':
      return body.split('\n').flatMap(qdiscLine)
    default:
      return body.split('\n').map((line) => `${name} ${line.trim()}`)
  }
}

/** An array a line, each a command's; what is no object in them is left out. */
function arrays(body: string): Json[][] {
  return body
    .split('\n')
    .filter((line) => line.startsWith('['))
    .map((line) => JSON.parse(line).filter((object: Json) => isObject(object) && Object.keys(object).length > 0))
}

/** Not what the kernel makes in IPv6 for every link and address by itself, some time after it is there. */
function isOurs({ dst, type, protocol }: Json): boolean {
  if (/^(fe80:|ff00:)/.test(dst) || type === 'anycast' || type === 'multicast') return false
  return !(type === 'local' && protocol === 'kernel' && dst.includes(':'))
}

function linkLines(link: Json): string[] {
  if (link.ifname === undefined) return []
  const kind = link.linkinfo?.info_kind ?? link.link_type
  const words = [
    'link',
    link.ifname,
    kind,
    `#${link.ifindex}`,
    link.flags.includes('UP') ? 'up' : 'down',
    `mtu=${link.mtu}`,
    `mac=${link.address}`,
    ...['master', 'ifalias', 'link_netnsid', 'group', 'promiscuity'].flatMap((key) =>
      link[key] === undefined || link[key] === 0 ? [] : [`${key}=${link[key]}`],
    ),
    ...(kind === 'bridge' ? [`vlan_filtering=${link.linkinfo.info_data?.vlan_filtering}`] : []),
  ]
  const addresses = (link.addr_info ?? [])
    // The kernel makes link-local ones by itself, when duplicate detection is done.
    .filter((address: Json) => address.local !== undefined && !address.local.startsWith('fe80:'))
    .map(
      (address: Json) =>
        `addr ${link.ifname} ${address.local}/${address.prefixlen} ${address.scope}${address.address === undefined ? '' : ` peer=${address.address}`}`,
    )
  return [words.join(' '), ...addresses]
}

function nftLine(entry: Json): string[] {
  const [kind, object] = Object.entries(entry)[0] as [string, Json]
  return kind === 'metainfo' ? [] : [`nft ${kind} ${flat(withoutCounts(object))}`]
}

/** Rules, chains and policies of the old tables, which nft does not list; empty tables are no state of anyone's. */
export function legacyLines(program: string, body: string): string[] {
  let table = ''
  return body.split('\n').flatMap((line) => {
    if (line.startsWith('*')) table = line.slice(1).trim()
    const plain = line.replace(/^\[\d+:\d+\] | \[\d+:\d+\]$/g, '').trim()
    return /^(-A|:)/.test(plain) && !/^:\S+ ACCEPT$/.test(plain) ? [`${program} ${table} ${plain}`] : []
  })
}

function withoutCounts(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutCounts)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !['handle', 'packets', 'bytes', 'index'].includes(key))
      .map(([key, member]) => [key, withoutCounts(member)]),
  )
}

// What every new link has is no state of anyone's.
function qdiscLine(line: string): string[] {
  return line.startsWith('qdisc noqueue') || line.startsWith('qdisc pfifo_fast') ? [] : [line.trim()]
}

/** `key=value` in the order of the keys; times and cache flags left out. */
function flat(object: Json): string {
  return Object.keys(object)
    .filter((key) => !['expires', 'used', 'flags', 'cache', 'users', 'age', 'updated', 'confirmed'].includes(key))
    .sort()
    .map((key) => `${key}=${typeof object[key] === 'object' ? JSON.stringify(object[key]) : object[key]}`)
    .join(' ')
}

function fileLines(path: string): string[] {
  const line = entryLine(path)
  if (line === undefined) return []
  if (!line.startsWith('dir ')) return [line]
  return [line, ...readdirSync(path).flatMap((name) => fileLines(join(path, name)))]
}

/** What is at a path, by the name it is to be shown with. */
export function entryLine(path: string, name = path): string | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return undefined
  const mode = (stat.mode & 0o7777).toString(8)
  if (stat.isDirectory()) return `dir ${name} ${mode}`
  if (stat.isSymbolicLink()) return `file ${name} -> ${readlinkSync(path)}`
  if (!stat.isFile()) return `file ${name} special`
  const digest = createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 12)
  return `file ${name} ${mode} ${stat.size} ${digest}`
}
