/** Forwarding databases: behind what a hardware address is, of a bridge's port or of a VXLAN link itself. */

import type { IpAddress } from '../ip/address.js'
import { AF_BRIDGE } from './family.js'
import { type Message, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REPLACE, type Request } from './message.js'
import {
  NEIGHBOUR_HEADER,
  type NeighbourState,
  neighbourAttributes,
  RTM_DELNEIGH,
  RTM_GETNEIGH,
  RTM_NEWNEIGH,
  stateName,
  stateNumber,
  writeNeighbourHeader,
} from './neighbour-message.js'
import { ENOENT, type NetlinkSocket } from './socket.js'

const NTF_SELF = 0x02
const NTF_MASTER = 0x04

export interface FdbSpec {
  readonly mac: string
  /** VXLAN: the outer destination. */
  readonly to?: IpAddress | undefined
  /** The link's own table (VXLAN) and not that of the bridge it belongs to. */
  readonly self?: boolean | undefined
  /** The bridge's table. Default: true unless `self`. */
  readonly master?: boolean | undefined
  readonly vlan?: number | undefined
  /** VXLAN: another UDP port than the link's. */
  readonly port?: number | undefined
  /** VXLAN: another network than the link's. */
  readonly vni?: number | undefined
  /** VXLAN: index of the link to send by. */
  readonly via?: number | undefined
  /** Default `permanent`. A bridge takes `noarp` for static, `reachable` for one that ages. */
  readonly state?: NeighbourState | undefined
}

export interface FdbEntry extends FdbSpec {
  readonly linkIndex: number
  readonly self: boolean
  readonly master: boolean
  readonly state: NeighbourState
}

function tables({ self, master }: FdbSpec): number {
  return ((master ?? self !== true) ? NTF_MASTER : 0) | (self === true ? NTF_SELF : 0)
}

function fdbRequest(
  verb: string,
  type: number,
  flags: number,
  state: number,
  linkIndex: number,
  spec: FdbSpec,
): Request {
  return {
    type,
    flags,
    about: (link) => `${verb} FDB entry ${spec.mac} of ${link(linkIndex)}`,
    write(writer) {
      const { to, mac, vlan, port, vni, via: link } = spec
      writeNeighbourHeader(writer, AF_BRIDGE, linkIndex, state, tables(spec))
      neighbourAttributes.write(writer, { to, mac, vlan, port, vni, link })
    },
  }
}

/** Makes the entry, or makes the one that is there like this. */
export function replaceFdb(linkIndex: number, spec: FdbSpec): Request {
  const state = stateNumber(spec.state ?? 'permanent')
  return fdbRequest('replace', RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, state, linkIndex, spec)
}

/** One more destination; only for multicast and all-zero addresses, the kernel ignores it for others. */
export function appendFdb(linkIndex: number, spec: FdbSpec): Request {
  const state = stateNumber(spec.state ?? 'permanent')
  return fdbRequest('append', RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_APPEND, state, linkIndex, spec)
}

/** ENOENT where there is none. */
export function removeFdb(linkIndex: number, spec: FdbSpec): Request {
  return fdbRequest('remove', RTM_DELNEIGH, 0, 0, linkIndex, spec)
}

/** Looks up by `mac` (and `vlan`) in one table; ENOENT where there is none. */
export function getFdb(linkIndex: number, { mac, vlan, self }: FdbSpec): Request {
  return fdbRequest('get', RTM_GETNEIGH, 0, 0, linkIndex, { mac, vlan, self })
}

/** All entries of one link. */
export function listFdb(linkIndex: number): Request {
  return {
    type: RTM_GETNEIGH,
    flags: 0,
    about: (link) => `list FDB of ${link(linkIndex)}`,
    write: (writer) => writeNeighbourHeader(writer, AF_BRIDGE, linkIndex),
  }
}

/** Reads RTM_NEWNEIGH of AF_BRIDGE. */
export function readFdb({ reader, start, end }: Message): FdbEntry | undefined {
  const { to, mac, vlan, port, vni, link: via } = neighbourAttributes.read(reader, start + NEIGHBOUR_HEADER, end)
  if (mac === undefined) return undefined
  const flags = reader.bytes[start + 10] as number
  return {
    linkIndex: reader.view.getInt32(start + 4, true),
    mac,
    to,
    vlan,
    port,
    vni,
    via,
    self: (flags & NTF_SELF) !== 0,
    master: (flags & NTF_MASTER) !== 0,
    state: stateName(reader.view.getUint16(start + 8, true)),
  }
}

export class Fdb {
  constructor(private readonly socket: NetlinkSocket) {}

  /** Makes the entry, or makes the one that is there like this. */
  replace(linkIndex: number, spec: FdbSpec): void {
    this.socket.request(replaceFdb(linkIndex, spec))
  }

  /** Throws NetlinkError ENOENT where there is none. */
  remove(linkIndex: number, spec: FdbSpec): void {
    this.socket.request(removeFdb(linkIndex, spec))
  }

  /** Throws NetlinkError ENOENT where there is none. */
  get(linkIndex: number, spec: FdbSpec): FdbEntry {
    return this.socket.get(getFdb(linkIndex, spec), (message) => readFdb(message) as FdbEntry)
  }

  /** Undefined where there is none. */
  find(linkIndex: number, spec: FdbSpec): FdbEntry | undefined {
    return this.socket.find(getFdb(linkIndex, spec), (message) => readFdb(message) as FdbEntry, [ENOENT])
  }

  /** All of one link, selected by the kernel. */
  list(linkIndex: number): FdbEntry[] {
    return this.socket.dump(listFdb(linkIndex), readFdb)
  }
}
