/** VLANs of a bridge's ports (include/uapi/linux/if_bridge.h). */

import { attributes } from '../codec/attributes.js'
import { eachAttribute } from '../codec/reader.js'
import { type AttributeType, u16 } from '../codec/types.js'
import { AF_BRIDGE } from '../family.js'
import type { Message, Request } from '../message.js'
import { RTM_DELLINK, RTM_SETLINK, writeLinkHeader } from './attributes.js'

export interface Vlan {
  /** 1 to 4094. */
  readonly vid: number
  /** Untagged frames that come in belong to it. */
  readonly pvid: boolean
  /** Its frames leave untagged. */
  readonly untagged: boolean
}

export interface VlanSpec {
  readonly vid: number
  /** The last one, where a whole range is meant; `vid` is the first. */
  readonly through?: number | undefined
  readonly pvid?: boolean | undefined
  readonly untagged?: boolean | undefined
  /** The bridge itself rather than a port of it: `port` is the bridge's index. */
  readonly self?: boolean | undefined
  /** Both the bridge's entry for the port and the port's own. Default: false with `self`, else true. */
  readonly master?: boolean | undefined
}

const RTM_GETVLAN = 114

const BRIDGE_FLAGS_MASTER = 1
const BRIDGE_FLAGS_SELF = 2
const VLAN_INFO_PVID = 2
const VLAN_INFO_UNTAGGED = 4
const VLAN_INFO_RANGE_BEGIN = 8
const VLAN_INFO_RANGE_END = 16

/** struct bridge_vlan_info. */
const vlanInfo: AttributeType<{ readonly flags: number; readonly vid: number }> = {
  size: 4,
  write(writer, { flags, vid }) {
    writer.u16(flags)
    writer.u16(vid)
  },
  read: (reader, start) => ({
    flags: reader.view.getUint16(start, true),
    vid: reader.view.getUint16(start + 2, true),
  }),
}

/** IFLA_BRIDGE_. Two entries of one number make a range. */
const bridgeSpec: AttributeType<VlanSpec> = {
  write(writer, { vid, through, pvid, untagged, self, master }) {
    // Without the attribute the kernel takes it as the master's.
    if (self === true)
      side.write(writer, { flags: master === true ? BRIDGE_FLAGS_MASTER | BRIDGE_FLAGS_SELF : BRIDGE_FLAGS_SELF })
    const flags = (pvid === true ? VLAN_INFO_PVID : 0) | (untagged === true ? VLAN_INFO_UNTAGGED : 0)
    const ranged = through !== undefined && through > vid
    entry.write(writer, { info: { flags: ranged ? flags | VLAN_INFO_RANGE_BEGIN : flags, vid } })
    if (ranged) entry.write(writer, { info: { flags: flags | VLAN_INFO_RANGE_END, vid: through } })
  },
  read() {
    throw new Error('read with RTM_GETVLAN')
  },
}
const side = attributes({ flags: [0, u16] }) // IFLA_BRIDGE_FLAGS
const entry = attributes({ info: [2, vlanInfo] }) // IFLA_BRIDGE_VLAN_INFO
const vlanMessage = attributes({ bridge: [26, bridgeSpec] }) // IFLA_AF_SPEC

/** Lets a VLAN (or a range) through a bridge port, or changes how. Repeating it is no error. */
export function addVlan(port: number, vlan: VlanSpec): Request {
  return vlanRequest('add', RTM_SETLINK, port, vlan)
}

export function removeVlan(port: number, vlan: VlanSpec): Request {
  return vlanRequest('remove', RTM_DELLINK, port, vlan)
}

function vlanRequest(verb: string, type: number, port: number, vlan: VlanSpec): Request {
  return {
    type,
    flags: 0,
    about: (link) => `${verb} VLAN ${vlan.vid}${vlan.through === undefined ? '' : `-${vlan.through}`} of ${link(port)}`,
    write(writer) {
      writeLinkHeader(writer, port, 0, 0, AF_BRIDGE)
      vlanMessage.write(writer, { bridge: vlan })
    },
  }
}

/** BRIDGE_VLANDB_ENTRY_. */
const vlanEntry = attributes({ info: [1, vlanInfo], through: [2, u16] })

/** All VLANs of one port or of the bridge itself. Linux 5.6. */
export function listVlans(index: number): Request {
  return {
    type: RTM_GETVLAN,
    flags: 0,
    about: (link) => `list VLANs of ${link(index)}`,
    write(writer) {
      writer.u32(AF_BRIDGE) // struct br_vlan_msg: family, reserved, ifindex
      writer.u32(index)
    },
  }
}

/** The VLANs in one reply to `listVlans`, ranges written out. */
export function readVlans(message: Message): Vlan[] {
  const { reader, start, end } = message
  const vlans: Vlan[] = []
  eachAttribute(reader, start + 8, end, (number, from, to) => {
    if (number !== 1) return // BRIDGE_VLANDB_ENTRY
    const { info, through } = vlanEntry.read(reader, from, to)
    if (info === undefined) return
    const pvid = (info.flags & VLAN_INFO_PVID) !== 0
    const untagged = (info.flags & VLAN_INFO_UNTAGGED) !== 0
    for (let vid = info.vid; vid <= (through ?? info.vid); vid++) vlans.push({ vid, pvid, untagged })
  })
  return vlans
}
