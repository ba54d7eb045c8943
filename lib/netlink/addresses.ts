/** Addresses of links (struct ifaddrmsg and IFA_, include/uapi/linux/if_addr.h). */

import { type Family, formatAddress, type IpAddress } from '../ip/address.js'
import { formatPrefix, type Prefix } from '../ip/prefix.js'
import { attributes } from './codec/attributes.js'
import { ip, text, u8, u32 } from './codec/types.js'
import { familyNumber } from './family.js'
import { type Message, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, type Request } from './message.js'
import { type Scope, scopeName, scopeNumber } from './scope.js'
import type { NetlinkSocket } from './socket.js'

const RTM_NEWADDR = 20
const RTM_DELADDR = 21
const RTM_GETADDR = 22
const HEADER = 8

const IFA_F_NODAD = 0x02
const IFA_F_DADFAILED = 0x08
const IFA_F_DEPRECATED = 0x20
const IFA_F_TENTATIVE = 0x40
const IFA_F_PERMANENT = 0x80
const IFA_F_NOPREFIXROUTE = 0x200

const addressAttributes = attributes({
  local: [2, ip],
  address: [1, ip], // the peer's on point-to-point links, else the same as local
  broadcast: [4, ip],
  label: [3, text],
  flags: [8, u32],
  metric: [9, u32],
  protocol: [11, u8],
})

export interface AddressSpec {
  readonly prefix: Prefix
  /** The other end's address on a point-to-point link. */
  readonly peer?: IpAddress | undefined
  /** IPv4 only; absent is none. */
  readonly broadcast?: IpAddress | undefined
  /** IPv6: usable at once, without duplicate address detection (IFA_F_NODAD). */
  readonly noDad?: boolean | undefined
  /** No connected route for the prefix. */
  readonly noPrefixRoute?: boolean | undefined
  /** Default `universe`. */
  readonly scope?: Scope | undefined
  /** IPv4: at most 15 bytes, beginning with the link's name. */
  readonly label?: string | undefined
  /** Of the connected route. */
  readonly metric?: number | undefined
}

export interface LinkAddress extends AddressSpec {
  readonly linkIndex: number
  readonly scope: Scope
  readonly noDad: boolean
  readonly noPrefixRoute: boolean
  /** Not learned or leased: without a lifetime. */
  readonly permanent: boolean
  /** Duplicate address detection has not ended. */
  readonly tentative: boolean
  /** Someone else has it: it is never used. */
  readonly dadFailed: boolean
  readonly deprecated: boolean
}

function writeHeader(
  writer: Parameters<Request['write']>[0],
  family: number,
  length: number,
  flags: number,
  scope: number,
  index: number,
): void {
  writer.u32(family | (length << 8) | (flags << 16) | (scope << 24))
  writer.u32(index)
}

/** `exclusive`: EEXIST where the link has the address already; else it is changed to this. */
export function addAddress(linkIndex: number, spec: AddressSpec, options: { exclusive?: boolean } = {}): Request {
  return {
    type: RTM_NEWADDR,
    flags: NLM_F_CREATE | (options.exclusive === true ? NLM_F_EXCL : NLM_F_REPLACE),
    about: (link) => `add address ${formatPrefix(spec.prefix)} to ${link(linkIndex)}`,
    write(writer) {
      const { address: local, length } = spec.prefix
      const flags = (spec.noDad === true ? IFA_F_NODAD : 0) | (spec.noPrefixRoute === true ? IFA_F_NOPREFIXROUTE : 0)
      const { broadcast, label, metric } = spec
      // The attribute, where there is one, replaces the header's byte.
      const short = flags > 255 ? 0 : flags
      writeHeader(writer, familyNumber(local.family), length, short, scopeNumber(spec.scope), linkIndex)
      addressAttributes.write(writer, {
        local,
        address: spec.peer ?? local,
        broadcast,
        label,
        flags: flags > 255 ? flags : undefined,
        metric,
      })
    },
  }
}

/** EADDRNOTAVAIL where the link has no such address. */
export function removeAddress(linkIndex: number, prefix: Prefix, peer?: IpAddress): Request {
  return {
    type: RTM_DELADDR,
    flags: 0,
    about: (link) => `remove address ${formatPrefix(prefix)} from ${link(linkIndex)}`,
    write(writer) {
      const { address: local, length } = prefix
      writeHeader(writer, familyNumber(local.family), length, 0, 0, linkIndex)
      addressAttributes.write(writer, { local, address: peer ?? local })
    },
  }
}

/** Index 0 is every link. */
export function listAddresses(linkIndex: number, family?: Family): Request {
  return {
    type: RTM_GETADDR,
    flags: 0,
    about: (link) => `list addresses of ${link(linkIndex)}`,
    write: (writer) => writeHeader(writer, familyNumber(family), 0, 0, 0, linkIndex),
  }
}

/** Reads RTM_NEWADDR. */
export function readAddress({ reader, start, end }: Message): LinkAddress | undefined {
  const a = addressAttributes.read(reader, start + HEADER, end)
  const own = a.local ?? a.address // IPv6 sends a local one only where there is a peer
  if (own === undefined) return undefined
  const flags = a.flags ?? (reader.bytes[start + 2] as number)
  const peer = a.address !== undefined && formatAddress(a.address) !== formatAddress(own) ? a.address : undefined
  return {
    linkIndex: reader.view.getUint32(start + 4, true),
    prefix: { address: own, length: reader.bytes[start + 1] as number },
    peer,
    broadcast: a.broadcast,
    label: a.label,
    metric: a.metric,
    scope: scopeName(reader.bytes[start + 3] as number),
    noDad: (flags & IFA_F_NODAD) !== 0,
    noPrefixRoute: (flags & IFA_F_NOPREFIXROUTE) !== 0,
    permanent: (flags & IFA_F_PERMANENT) !== 0,
    tentative: (flags & IFA_F_TENTATIVE) !== 0,
    dadFailed: (flags & IFA_F_DADFAILED) !== 0,
    deprecated: (flags & IFA_F_DEPRECATED) !== 0,
  }
}

export class Addresses {
  constructor(private readonly socket: NetlinkSocket) {}

  /** Of one link (0: of all), of one family or both, selected by the kernel. */
  list(linkIndex: number, family?: Family): LinkAddress[] {
    return this.socket.dump(listAddresses(linkIndex, family), readAddress)
  }

  /** `exclusive`: throws NetlinkError EEXIST where the link has the address already; else it is changed to this. */
  add(linkIndex: number, spec: AddressSpec, options: { exclusive?: boolean } = {}): void {
    this.socket.request(addAddress(linkIndex, spec, options))
  }

  /** Throws NetlinkError EADDRNOTAVAIL where the link has no such address. */
  remove(linkIndex: number, prefix: Prefix, peer?: IpAddress): void {
    this.socket.request(removeAddress(linkIndex, prefix, peer))
  }
}
