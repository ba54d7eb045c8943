/** The tunnel's link: made complete, changed in place where the kernel can, made anew only where it must be. */

import { formatAddress, isLinkLocal } from '../ip/address.js'
import { formatPrefix } from '../ip/prefix.js'
import { changeFeature } from '../netlink/features.js'
import type { Link } from '../netlink/links/link.js'
import type { LinkChange } from '../netlink/links/requests.js'
import type { VxlanData } from '../netlink/links/vxlan.js'
import type { Netlink } from '../netlink/netlink.js'
import { isErrno } from '../sys/errno.js'
import { warn } from '../sys/log.js'
import { shortHash } from '../sys/text.js'
import { preferSysctl } from '../sysctl/sysctl.js'
import type { DesiredAddress, DesiredDevice } from './desired.js'
import { NodesError } from './error.js'

/** 16 hex digits, then words: what every link of ours carries. */
export function deviceAlias(network: string): string {
  return `${aliasKey(network)} flatnet vxlan ${network}`.slice(0, 255)
}

export function isDeviceOf(network: string, link: Link): boolean {
  return link.kind === 'vxlan' && link.alias?.startsWith(`${aliasKey(network)} `) === true
}

/** A tunnel of ours that a kill kept from getting its alias: nobody else derives this hardware address. */
export function isUnfinished(link: Link, { name, vni, port, mac }: DesiredDevice): boolean {
  const data = vxlanOf(link)
  const bare = link.alias === undefined || link.alias === ''
  return bare && link.name === name && link.mac === mac && data?.id === vni && data.port === port
}

/** The network whose tunnel this is; undefined where it is not one of ours. */
export function networkOfDevice({ kind, alias }: Link): string | undefined {
  const mark = ' flatnet vxlan '
  const at = kind === 'vxlan' ? (alias?.indexOf(mark) ?? -1) : -1
  return at === 16 ? alias?.slice(at + mark.length) : undefined
}

function aliasKey(network: string): string {
  return shortHash(`nodes\0${network}`)
}

export type DeviceStep =
  | { readonly step: 'create' | 'recreate'; readonly why: string }
  | { readonly step: 'change'; readonly change: LinkChange; readonly why: string }
  | { readonly step: 'keep' }

/** What to do about the link that bears our name and alias; undefined where there is none. */
export function deviceStep(wanted: DesiredDevice, link: Link | undefined): DeviceStep {
  if (link === undefined) return { step: 'create', why: 'it is missing' }
  const data = vxlanOf(link)
  if (data === undefined) return { step: 'recreate', why: `it is a ${link.kind}` }
  const fixed = fixedDifferences(wanted, data)
  if (fixed.length > 0) return { step: 'recreate', why: fixed.join(', ') }

  const reasons: string[] = []
  const change: { -readonly [K in keyof LinkChange]: LinkChange[K] } = {}
  const differs = (what: string, is: unknown, should: unknown) => {
    if (is === should) return false
    reasons.push(`${what} ${String(is)} instead of ${String(should)}`)
    return true
  }
  if (differs('mtu', link.mtu, wanted.mtu)) change.mtu = wanted.mtu
  if (differs('mac', link.mac, wanted.mac)) change.mac = wanted.mac
  const local = data.local === undefined ? 'none' : formatAddress(data.local)
  const moved = wanted.local !== undefined && differs('local', local, formatAddress(wanted.local))
  const learns = differs('learning', data.learning ?? true, false)
  if (moved || learns)
    change.data = { kind: 'vxlan', ...(moved ? { local: wanted.local } : {}), ...(learns ? { learning: false } : {}) }
  if (differs('state', link.up ? 'up' : 'down', 'up')) change.up = true
  return reasons.length === 0 ? { step: 'keep' } : { step: 'change', change, why: reasons.join(', ') }
}

function vxlanOf(link: Link): VxlanData | undefined {
  return link.kind === 'vxlan' && link.data?.kind === 'vxlan' ? link.data : undefined
}

/** What the kernel refuses to change of a VXLAN link that exists. */
function fixedDifferences(wanted: DesiredDevice, data: VxlanData): string[] {
  const found: string[] = []
  if (data.id !== wanted.vni) found.push(`VNI ${data.id} instead of ${wanted.vni}`)
  if (data.port !== wanted.port) found.push(`UDP port ${data.port} instead of ${wanted.port}`)
  if (data.collectMetadata === true) found.push('it is external')
  if (data.groupPolicy !== undefined && data.groupPolicy) found.push('it carries group policies')
  for (const flag of ['proxy', 'routeShortCircuit', 'layer2Miss', 'layer3Miss'] as const) {
    if (data[flag] === true) found.push(`${flag} is on`)
  }
  if (data.underlay !== undefined && data.underlay !== 0) found.push('it is bound to a link')
  if (data.remote !== undefined) found.push('it has a default destination')
  if (
    data.local === undefined
      ? wanted.local !== undefined && wanted.underlay === 6
      : data.local.family !== wanted.underlay
  ) {
    found.push(`it does not run over IPv${wanted.underlay}`)
  }
  if (data.local !== undefined && wanted.local === undefined) found.push(`it sends from ${formatAddress(data.local)}`)
  return found
}

/** Addresses of the tunnel's link to add and to remove; one whose scope is wrong is both. */
export function addressSteps(
  wanted: readonly DesiredAddress[],
  present: readonly DesiredAddress[],
): { add: DesiredAddress[]; remove: DesiredAddress[] } {
  const texts = (list: readonly DesiredAddress[]) => new Set(list.map(describeAddress))
  const [should, is] = [texts(wanted), texts(present)]
  return {
    add: wanted.filter((address) => !is.has(describeAddress(address))),
    remove: present.filter((address) => !should.has(describeAddress(address)) && !isLinkLocal(address.prefix.address)),
  }
}

/** As `ip addr` writes it; IPv6 addresses have no scope of their own. */
export function describeAddress({ prefix, scope }: DesiredAddress): string {
  const text = formatPrefix(prefix)
  return prefix.address.family === 6 || scope === 'universe' ? text : `${text} scope ${scope}`
}

export interface EnsuredDevice {
  readonly index: number
  /** What was done, line by line. */
  readonly did: readonly string[]
  /** The link is new: it has no entries yet, and offloads are the kernel's default. */
  readonly created: boolean
}

/** Makes the network's tunnel what it should be; `links` are all of this machine. */
export function ensureDevice(
  netlink: Netlink,
  network: string,
  wanted: DesiredDevice,
  links: readonly Link[],
): EnsuredDevice {
  const did: string[] = []
  for (const link of links) {
    if (!isDeviceOf(network, link) || link.name === wanted.name) continue
    netlink.links.delete(link.index)
    did.push(`- link ${link.name} (the network's tunnel is ${wanted.name} now)`)
  }
  const found = links.find(({ name }) => name === wanted.name)
  if (found !== undefined && !isDeviceOf(network, found)) {
    if (!isUnfinished(found, wanted)) throw notOurs(found, wanted)
    netlink.links.change(found.index, { alias: deviceAlias(network), up: false, addressGenerationMode: 'none' })
    return ensureDevice(netlink, network, wanted, netlink.links.list())
  }
  const step = deviceStep(wanted, found)
  if (step.step === 'recreate' && found !== undefined) {
    netlink.links.delete(found.index)
    did.push(`- link ${wanted.name} (${step.why})`)
  }
  const create = step.step === 'create' || step.step === 'recreate' || found === undefined
  const index = create ? createDevice(netlink, network, wanted, did) : found.index
  if (step.step === 'change') {
    netlink.links.change(index, step.change)
    did.push(`~ link ${wanted.name} (${step.why})`)
  }
  const present = create ? [] : netlink.addresses.list(index)
  did.push(...ensureAddresses(netlink, index, wanted, present))
  return { index, did, created: create }
}

function ensureAddresses(
  netlink: Netlink,
  index: number,
  { name, addresses }: DesiredDevice,
  present: readonly DesiredAddress[],
): string[] {
  const { add, remove } = addressSteps(addresses, present)
  const did: string[] = []
  if (add.some(({ prefix }) => prefix.address.family === 6)) preferSysctl(`net/ipv6/conf/${name}/disable_ipv6`, '0')
  for (const address of add) {
    const { prefix } = address
    const same = remove.find((stale) => formatPrefix(stale.prefix) === formatPrefix(prefix))
    if (same !== undefined) replaceAddress(netlink, index, address)
    else netlink.addresses.add(index, { ...address, noDad: prefix.address.family === 6 })
    did.push(`${same === undefined ? '+' : '~'} address ${describeAddress(address)} dev ${name}`)
  }
  const kept = new Set(add.map(({ prefix }) => formatPrefix(prefix)))
  for (const { prefix } of remove) {
    if (kept.has(formatPrefix(prefix))) continue
    netlink.addresses.remove(index, prefix)
    did.push(`- address ${formatPrefix(prefix)} dev ${name}`)
  }
  return did
}

/**
 * The scope of an address cannot be changed. With its last IPv4 address a link loses its IPv4 routes and neighbours, so
 * that another stands in for it meanwhile: the same with a shorter prefix, and without a route for that.
 */
function replaceAddress(netlink: Netlink, index: number, address: DesiredAddress): void {
  const { prefix } = address
  const standIn = { address: prefix.address, length: prefix.length - 1 }
  netlink.addresses.add(index, { prefix: standIn, scope: 'link', noPrefixRoute: true })
  netlink.addresses.remove(index, prefix)
  netlink.addresses.add(index, address)
  netlink.addresses.remove(index, standIn)
}

function createDevice(netlink: Netlink, network: string, wanted: DesiredDevice, did: string[]): number {
  const { name, vni, port, mac, mtu, local } = wanted
  try {
    const link = netlink.links.create({
      kind: 'vxlan',
      name,
      id: vni,
      port,
      mac,
      mtu,
      local: local ?? (wanted.underlay === 6 ? { family: 6, bytes: new Uint8Array(16) } : undefined),
      learning: false,
      alias: deviceAlias(network),
      addressGenerationMode: 'none',
      up: true,
    })
    const from = local === undefined ? '' : ` local ${formatAddress(local)}`
    did.push(`+ link ${name} type vxlan id ${vni}${from} dstport ${port} address ${mac} mtu ${mtu} nolearning`)
    return link.index
  } catch (error) {
    throw explain(error, wanted, netlink)
  }
}

/** Who is in the way, where the kernel does not say. */
function explain(error: unknown, wanted: DesiredDevice, netlink: Netlink): unknown {
  if (isErrno(error, 'EOPNOTSUPP', 'EAFNOSUPPORT')) {
    return new NodesError(
      'unavailable',
      `the kernel cannot make a VXLAN: ${(error as Error).message}`,
      'modprobe vxlan',
    )
  }
  if (!isErrno(error, 'EEXIST', 'EADDRINUSE')) return error
  const rival = findRival(wanted, netlink.links.list({ kind: 'vxlan' }))
  return rival === undefined ? error : rivalError(rival, wanted)
}

/** A VXLAN that keeps ours from being: the same VNI on the same port, or flags that cannot share a socket. */
export function findRival(
  wanted: Pick<DesiredDevice, 'name' | 'vni' | 'port' | 'underlay'>,
  links: readonly Link[],
): Link | undefined {
  return links.find((link) => {
    const data = vxlanOf(link)
    if (data === undefined || link.name === wanted.name || data.port !== wanted.port) return false
    const family = data.local?.family ?? data.remote?.family ?? 4
    if (family !== wanted.underlay && data.collectMetadata !== true) return false
    return data.id === wanted.vni || data.collectMetadata === true || data.groupPolicy === true
  })
}

export function rivalError(rival: Link, { name, vni, port }: Pick<DesiredDevice, 'name' | 'vni' | 'port'>): NodesError {
  const data = vxlanOf(rival)
  const external = data?.collectMetadata === true || data?.groupPolicy === true
  const why = external
    ? `is a VXLAN with other flags on UDP port ${port}`
    : `has VNI ${vni} on UDP port ${port} already`
  const owner = networkOfDevice(rival)
  return new NodesError(
    'unavailable',
    `cannot make ${name}: ${rival.name} ${why}${owner === undefined ? '' : ` (network ${owner})`}`,
    external
      ? 'set another "port"; who made it: ip -d link show type vxlan'
      : 'set another "vni" or "port"; its own program removes it where it is not needed: ip -d link show type vxlan',
  )
}

function notOurs(link: Link, { name }: DesiredDevice): NodesError {
  const owner = networkOfDevice(link)
  return new NodesError(
    'invalid',
    `cannot use "${name}" as a tunnel: it ${owner === undefined ? `is a ${link.kind ?? 'link'} of someone else` : `belongs to network ${owner}`}`,
    'give this network another "device" (and another "vni")',
  )
}

/** Of `ethtool -k`. */
const FEATURE = 'tx-checksum-ip-generic'

/** Hardware address prefixes of VMware's virtual cards (IEEE registry). */
const VMWARE = ['00:50:56', '00:0c:29', '00:05:69']

/**
 * Sets who computes the checksums of packets in the tunnel, its link's offload or the kernel before it; of no other link.
 * Some hypervisors' virtual network cards mangle what they offload inside VXLAN, and then everything but ping dies:
 * `auto` turns it off where an uplink is a VMware card, and else leaves a link as the kernel makes it. What was changed,
 * as a line.
 */
export function setTxChecksum(index: number, device: DesiredDevice, uplinks: readonly Link[]): string[] {
  const { txChecksum: wanted, name } = device
  const suspect = uplinks.find(({ mac }) => VMWARE.includes(mac.slice(0, 8)))
  if (wanted === 'auto' && suspect === undefined) return []
  const on = wanted === 'on'
  try {
    if (!changeFeature({ index, name }, FEATURE, on)) return []
  } catch (error) {
    warn(`cannot turn ${FEATURE} of ${name} ${on ? 'on' : 'off'}: ${(error as Error).message}`)
    return []
  }
  const why = wanted === 'auto' ? `${suspect?.name} is a VMware card` : `"txChecksum" is "${wanted}"`
  return [`~ link ${name} ${FEATURE} ${on ? 'on' : 'off'} (${why})`]
}
