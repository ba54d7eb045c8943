/** The veth pair, born complete: the host's end in the bridge, the container's under its final name. */

import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { isErrno } from '../../lib/sys/errno.js'
import type { PortSettings, Settings } from './config.js'
import { noFiltering } from './ensure-bridge.js'
import { hostLinkMac } from './identity.js'

export interface PairSpec {
  readonly hostName: string
  readonly alias: string
  readonly key: string
  readonly ifName: string
  /** The container's. */
  readonly mac: string
  /** Descriptor of the container's namespace. */
  readonly namespaceFd: number
  /** Index of the bridge. */
  readonly master: number
}

/** Creates the pair and brings the host's end up. Throws NetlinkError EEXIST where either name is taken. */
export function createPair(host: Netlink, spec: PairSpec, { bridge, mtu, port }: Settings): Link {
  const plain = !port.hairpin && !port.isolated && port.vlan === 0 && port.trunk.length === 0
  let link: Link
  try {
    link = host.links.create({
      kind: 'veth',
      name: spec.hostName,
      mtu,
      mac: hostLinkMac(spec.key),
      master: spec.master,
      alias: spec.alias,
      addressGenerationMode: 'none', // a port has no use for an address, and its search for duplicates would be seen
      up: plain,
      peer: { name: spec.ifName, mtu, mac: spec.mac, namespaceFd: spec.namespaceFd },
    })
  } catch (error) {
    throw isErrno(error, 'EXFULL') ? full(bridge) : error
  }
  if (!plain) {
    setUpPort(host, link.index, port)
    host.links.change(link.index, { up: true })
  }
  return link
}

/** What a fresh port is given before it comes up. */
export function setUpPort(host: Netlink, index: number, port: PortSettings): void {
  const { hairpin, isolated } = port
  if (hairpin || isolated) host.links.setPort(index, { hairpin, isolated })
  if (port.vlan !== 0 || port.trunk.length > 0) setVlans(host, index, port)
}

/** A trunk without an untagged VLAN has VLAN 1 for that, as the reference has it. */
function setVlans(host: Netlink, index: number, { vlan, trunk, preserveDefaultVlan }: PortSettings): void {
  try {
    if (!preserveDefaultVlan) {
      for (const { vid } of host.links.vlans(index)) host.links.removeVlan(index, { vid })
    }
    host.links.addVlan(index, { vid: vlan === 0 ? 1 : vlan, pvid: true, untagged: true })
    for (const [first, last] of trunk) {
      // One that is in the trunk as well stays what the line above made it, but tagged: the later word counts.
      host.links.addVlan(index, last > first ? { vid: first, through: last } : { vid: first })
    }
  } catch (error) {
    throw isErrno(error, 'EOPNOTSUPP') ? noFiltering() : error
  }
}

function full(bridge: string): CniError {
  return new CniError(
    ErrorCode.KernelRefused,
    `failed to connect the container to bridge "${bridge}": exchange full`,
    `bridge ${bridge} is at the kernel limit of 1023 ports`,
  )
}
