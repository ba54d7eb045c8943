/**
 * What the kernel has in a host's and a container's namespace, as `ip` and `bridge` print it, flattened
 * to `path → value`. MACs and names that are drawn at random are replaced by what they stand for; what
 * changes by itself (indices, timers, counters) is left out. Everything else counts.
 */

import { quoted } from './shell.js'

export type Flat = Map<string, string>

// biome-ignore lint/suspicious/noExplicitAny: the shapes are iproute2's own
type Json = any

/** Of the whole namespace. */
export const SYSCTLS = ['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding']
/** Of each link. */
export const LINK_SYSCTLS = [
  'net/ipv4/conf/LINK/arp_notify',
  'net/ipv4/conf/LINK/rp_filter',
  'net/ipv4/conf/LINK/route_localnet',
  'net/ipv6/conf/LINK/accept_dad',
  'net/ipv6/conf/LINK/accept_ra',
  'net/ipv6/conf/LINK/autoconf',
  'net/ipv6/conf/LINK/disable_ipv6',
  'net/ipv6/conf/LINK/keep_addr_on_down',
  'net/ipv6/conf/LINK/ndisc_notify',
]

/** Shell functions: `state` prints what `parseKernelState` reads. `batch` is a file that it may write. */
export function stateFunction(
  container: string,
  links: { readonly host: string; readonly container: string },
  batch: string,
): string {
  const of = (link: string) => LINK_SYSCTLS.map((path) => `/proc/sys/${path.replace('LINK', link)}`).join(' ')
  const common = SYSCTLS.map((path) => `/proc/sys/${path}`).join(' ')
  const look = (link: string) =>
    `ip -j -d -batch ${batch}; bridge -j vlan show; echo; grep -H . ${common} ${of(link)} 2>/dev/null; true`
  return `printf 'link show\\naddr show\\nroute show table all\\nneigh show nud permanent\\n' >${batch}
    state() { ${look(links.host)}; echo '#container'
      nsenter --net=${container} -- sh -c ${quoted(look(links.container))}; }`
}

/**
 * Reads JSON lists, one a line: links, addresses, routes, permanent neighbours, VLANs; perhaps qdiscs and filters; and
 * what `grep -H` says of sysctls; then the same of the container behind a line `#container`. `known` names MACs that
 * were asked for: they stay as they are.
 */
export function parseKernelState(
  text: string,
  known: readonly string[],
): { readonly flat: Flat; readonly translate: Translate } {
  const [host = '', container = ''] = text.split('#container\n')
  const sides = { host: parseSide(host), container: parseSide(container) }
  const names = new Map<string, string>()
  for (const { ifname } of sides.host.links)
    if (/^veth[0-9a-f]{8}$/.test(ifname)) names.set(ifname, `veth${names.size || ''}`)
    else if (/^bwp[0-9a-f]{12}$/.test(ifname)) names.set(ifname, 'bwp')
  const macs = new Map<string, string>(known.map((mac) => [mac, mac]))
  // A port's MAC before the bridge's: a bridge may have none of its own.
  const order = [...sides.container.links, ...sides.host.links.toReversed()]
  for (const { address, ifname } of order) {
    if (typeof address === 'string' && !macs.has(address) && !/^[0:]*$/.test(address)) {
      macs.set(address, `MAC of ${names.get(ifname) ?? ifname}`)
    }
  }
  const flat: Flat = new Map()
  const translate: Translate = (value) =>
    macs.get(value) ?? names.get(value) ?? value.replace(/^fe80::[0-9a-f:]+:[0-9a-f:]+(?=$|\/)/, 'fe80::LL')
  for (const [side, { links, addresses, routes, vlans, sysctls, ...more }] of Object.entries(sides)) {
    for (const link of links) flatten(flat, `${side} link ${translate(link.ifname)}`, link, translate, IGNORED)
    for (const { ifname, addr_info } of addresses) {
      for (const { local, prefixlen, ...rest } of addr_info) {
        flatten(flat, `${side} address ${translate(ifname)} ${translate(local)}/${prefixlen}`, rest, translate)
      }
    }
    for (const route of routes) {
      const { type, dst, dev, table, gateway = '', metric = '', ...rest } = route
      const key = ['route', table, type, translate(dst), 'via', gateway, 'dev', translate(dev ?? ''), 'metric', metric]
      flatten(flat, `${side} ${key.join(' ')}`, rest, translate)
    }
    for (const { ifname, vlans: list } of vlans) flat.set(`${side} vlans ${translate(ifname)}`, JSON.stringify(list))
    for (const [path, value] of sysctls) flat.set(`${side} sysctl ${withNames(path, translate)}`, value)
    for (const { dst, dev, ...rest } of more.neighbours) {
      flatten(flat, `${side} neighbour ${translate(dst)} dev ${translate(dev)}`, rest, translate)
    }
    for (const { dev, kind, root, parent, ...rest } of more.qdiscs) {
      if (kind === 'noqueue') continue
      const place = root === true ? 'root' : (parent ?? 'ingress')
      flatten(flat, `${side} qdisc ${translate(dev)} ${place} ${kind}`, rest, translate)
    }
    for (const [at, filter] of more.filters.entries()) flatten(flat, `${side} filter ${at}`, filter, translate)
  }
  return { flat, translate }
}

export type Translate = (value: string) => string

/** `net/ipv6/conf/LINK/accept_ra` with the link's name as it is told. */
function withNames(path: string, translate: Translate): string {
  const [net = '', family = '', conf = '', link = '', ...rest] = path.split('/')
  return conf === 'conf' ? [net, family, conf, translate(link), ...rest].join('/') : path
}

/** Members as `prefix.member`, and the thing itself as `prefix` so that its absence is one difference. */
export function flatten(flat: Flat, prefix: string, value: Json, translate: Translate, ignored: RegExp = /^$/): void {
  if (typeof value !== 'object' || value === null) {
    flat.set(prefix, translate(String(value)))
    return
  }
  if (Array.isArray(value) && value.every((entry) => typeof entry === 'string')) {
    flat.set(prefix, value.filter((entry) => !TRANSIENT.includes(entry)).join())
    return
  }
  flat.set(prefix, Array.isArray(value) ? `${value.length} entries` : 'there')
  for (const [key, member] of Object.entries(value)) {
    if (!ignored.test(key)) flatten(flat, `${prefix}.${key}`, member, translate, ignored)
  }
}

/** Flags that say how far the kernel has got, not what it was told. */
const TRANSIENT = ['LOWER_UP', 'NO-CARRIER', 'M-DOWN', 'linkdown']
const IGNORED =
  /^(ifindex|ifname|link|link_index|link_netnsid|.*_timer|bridge_id|root_id|designated_root|designated_bridge|topology_change.*|num_.x_queues|operstate|state)$/

interface Side {
  readonly links: Json[]
  readonly addresses: Json[]
  readonly routes: Json[]
  readonly vlans: Json[]
  readonly neighbours: Json[]
  readonly qdiscs: Json[]
  readonly filters: Json[]
  readonly sysctls: [string, string][]
}

function parseSide(text: string): Side {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const lists = lines.filter((line) => line.startsWith('[')).map((line) => JSON.parse(line) as Json[])
  const [links = [], addresses = [], routes = [], neighbours = [], vlans = [], qdiscs = [], ...filters] = lists
  const sysctls = lines
    .filter((line) => line.startsWith('/proc/sys/'))
    .map((line): [string, string] => {
      const at = line.indexOf(':')
      return [line.slice('/proc/sys/'.length, at), line.slice(at + 1)]
    })
  return { links, addresses, routes, neighbours, vlans, qdiscs, filters: filters.flat(), sysctls }
}
