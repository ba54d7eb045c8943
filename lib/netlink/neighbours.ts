/** The neighbour table: which hardware address an IP address has (struct ndmsg and NDA_, linux/neighbour.h). */

import { type Family, formatAddress, type IpAddress } from '../ip/address.js'
import { familyNumber } from './family.js'
import { type Message, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, type Request } from './message.js'
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
import type { NetlinkSocket } from './socket.js'

const NTF_USE = 0x01
const NTF_PROXY = 0x08
const NTF_ROUTER = 0x80
const RTN_UNICAST = 1

export interface NeighbourSpec {
  readonly address: IpAddress
  /** Absent for a proxy entry. */
  readonly mac?: string | undefined
  /** Default `permanent`. */
  readonly state?: NeighbourState | undefined
  /** Answer for this address (proxy ARP, proxy NDP). */
  readonly proxy?: boolean | undefined
  readonly router?: boolean | undefined
}

export interface Neighbour extends NeighbourSpec {
  readonly linkIndex: number
  readonly state: NeighbourState
}

export interface NeighbourFilter {
  readonly family?: Family | undefined
  readonly linkIndex?: number | undefined
}

/** EEXIST where there is one, in whatever state. */
export function addNeighbour(linkIndex: number, spec: NeighbourSpec): Request {
  return newNeighbour(linkIndex, spec, NLM_F_CREATE | NLM_F_EXCL, 'add')
}

export function replaceNeighbour(linkIndex: number, spec: NeighbourSpec): Request {
  return newNeighbour(linkIndex, spec, NLM_F_CREATE | NLM_F_REPLACE, 'replace')
}

function newNeighbour(linkIndex: number, spec: NeighbourSpec, flags: number, verb: string): Request {
  return {
    type: RTM_NEWNEIGH,
    flags,
    about: (link) => `${verb} neighbour ${formatAddress(spec.address)} on ${link(linkIndex)}`,
    write(writer) {
      const { address: to, mac, state = 'permanent' } = spec
      const marks = (spec.proxy === true ? NTF_PROXY : 0) | (spec.router === true ? NTF_ROUTER : 0)
      writeNeighbourHeader(writer, familyNumber(to.family), linkIndex, stateNumber(state), marks, RTN_UNICAST)
      neighbourAttributes.write(writer, { to, mac })
    },
  }
}

/** Has the kernel ask the link whose the address is; the entry is there at once, its MAC when an answer comes. */
export function resolveNeighbour(linkIndex: number, address: IpAddress): Request {
  return {
    type: RTM_NEWNEIGH,
    flags: NLM_F_CREATE,
    about: () => `resolve neighbour ${formatAddress(address)} on link ${linkIndex}`,
    write(writer) {
      writeNeighbourHeader(writer, familyNumber(address.family), linkIndex, 0, NTF_USE)
      neighbourAttributes.write(writer, { to: address })
    },
  }
}

/** ENOENT where there is none. */
export function removeNeighbour(linkIndex: number, address: IpAddress): Request {
  return {
    type: RTM_DELNEIGH,
    flags: 0,
    about: (link) => `remove neighbour ${formatAddress(address)} from ${link(linkIndex)}`,
    write(writer) {
      writeNeighbourHeader(writer, familyNumber(address.family), linkIndex)
      neighbourAttributes.write(writer, { to: address })
    },
  }
}

/** ENOENT where there is none. */
export function getNeighbour(linkIndex: number, address: IpAddress): Request {
  return {
    ...removeNeighbour(linkIndex, address),
    type: RTM_GETNEIGH,
    about: (link) => `get neighbour ${formatAddress(address)} on ${link(linkIndex)}`,
  }
}

export function listNeighbours({ family, linkIndex }: NeighbourFilter): Request {
  return {
    type: RTM_GETNEIGH,
    flags: 0,
    about: () => 'list neighbours',
    write(writer) {
      writeNeighbourHeader(writer, familyNumber(family), 0)
      neighbourAttributes.write(writer, { link: linkIndex })
    },
  }
}

/** Reads RTM_NEWNEIGH of an IP family. */
export function readNeighbour({ reader, start, end }: Message): Neighbour | undefined {
  const { to, mac } = neighbourAttributes.read(reader, start + NEIGHBOUR_HEADER, end)
  if (to === undefined) return undefined
  const flags = reader.bytes[start + 10] as number
  return {
    linkIndex: reader.view.getInt32(start + 4, true),
    address: to,
    mac,
    state: stateName(reader.view.getUint16(start + 8, true)),
    proxy: (flags & NTF_PROXY) !== 0,
    router: (flags & NTF_ROUTER) !== 0,
  }
}

export class Neighbours {
  constructor(private readonly socket: NetlinkSocket) {}

  /** Makes the entry, or makes the one that is there like this. */
  replace(linkIndex: number, spec: NeighbourSpec): void {
    this.socket.request(replaceNeighbour(linkIndex, spec))
  }

  /** Throws NetlinkError ENOENT where there is none. */
  remove(linkIndex: number, address: IpAddress): void {
    this.socket.request(removeNeighbour(linkIndex, address))
  }

  /** Throws NetlinkError ENOENT where there is none. */
  get(linkIndex: number, address: IpAddress): Neighbour {
    return this.socket.get(getNeighbour(linkIndex, address), (message) => readNeighbour(message) as Neighbour)
  }

  /** The entries of these addresses, as many as there are, asked for at once. */
  find(linkIndex: number, addresses: readonly IpAddress[]): Neighbour[] {
    const found: Neighbour[] = []
    const requests = addresses.map((address) => getNeighbour(linkIndex, address))
    if (requests.length === 0) return found
    this.socket.transaction(requests, requests.length - 1, (message) => {
      const neighbour = readNeighbour(message)
      if (neighbour !== undefined) found.push(neighbour)
    })
    return found
  }

  /** Those that match, selected by the kernel; without proxy entries. */
  list(filter: NeighbourFilter = {}): Neighbour[] {
    return this.socket.dump(listNeighbours(filter), readNeighbour)
  }
}
