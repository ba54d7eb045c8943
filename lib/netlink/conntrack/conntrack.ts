/**
 * Connections the kernel follows, through ctnetlink: find those of a port, and forget them (enum ctattr_type,
 * include/uapi/linux/netfilter/nfnetlink_conntrack.h).
 */

import type { Family, IpAddress } from '../../ip/address.js'
import { attributes } from '../codec/attributes.js'
import { bytes, ip, nested, u8, u16be, u32, u32be } from '../codec/types.js'
import type { Failure, Message, Request } from '../message.js'
import type { NetlinkSocket } from '../socket.js'

const NFNL_SUBSYS_CTNETLINK = 1
const IPCTNL_MSG_CT_GET = 1
const IPCTNL_MSG_CT_DELETE = 2
const IPCTNL_MSG_CT_GET_STATS = 5
const NFGEN_LENGTH = 4

/** CTA_FILTER_FLAG(): which parts of the tuple to compare (net/netfilter/nf_internals.h; Linux 5.8). */
const FILTER_SOURCE = 1 << 0
const FILTER_DESTINATION = 1 << 1
const FILTER_PROTOCOL = 1 << 3
const FILTER_SOURCE_PORT = 1 << 4
const FILTER_DESTINATION_PORT = 1 << 5

const tupleAttributes = attributes({
  ip: [1, nested(attributes({ source4: [1, ip], destination4: [2, ip], source6: [3, ip], destination6: [4, ip] }))],
  protocol: [2, nested(attributes({ number: [1, u8], sourcePort: [2, u16be], destinationPort: [3, u16be] }))],
})

const written = attributes({
  filtered: [1, nested(tupleAttributes)],
  filteredReply: [2, nested(tupleAttributes)],
  original: [1, nested({ write: bytes.write, read: bytes.read })],
  id: [12, u32be],
  zone: [18, u16be],
  filter: [25, nested(attributes({ original: [1, u32], reply: [2, u32] }))],
})

const received = attributes({
  original: [1, bytes],
  reply: [2, nested(tupleAttributes)],
  id: [12, u32be],
  zone: [18, u16be],
})

/** One direction of a connection. */
export interface Tuple {
  readonly source: IpAddress | undefined
  readonly destination: IpAddress | undefined
  readonly protocol: number
  readonly sourcePort: number
  readonly destinationPort: number
}

export interface Connection {
  readonly family: Family
  readonly original: Tuple
  /** What an answer looks like: after a rewrite, from another source. */
  readonly reply: Tuple
  /** What the kernel tells it by. */
  readonly identity: {
    readonly original: Uint8Array
    readonly id: number | undefined
    readonly zone: number | undefined
  }
}

export interface ConnectionFilter {
  readonly family: Family
  /** IANA's number. */
  readonly protocol: number
  /** The port the first packet was sent to; absent is any. */
  readonly destinationPort?: number
}

const FAMILY = { 4: 2, 6: 10 } as const

function ctRequest(message: number, family: Family | undefined, about: string, write: Request['write']): Request {
  return {
    type: (NFNL_SUBSYS_CTNETLINK << 8) | message,
    flags: 0,
    about: () => about,
    write(writer) {
      writer.u8(family === undefined ? 0 : FAMILY[family])
      writer.u8(0)
      writer.u16be(0)
      write(writer)
    },
  }
}

/** Those that match, selected by the kernel where it can; older ones answer with more. */
export function listConnections({ family, protocol, destinationPort }: ConnectionFilter): Request {
  return ctRequest(IPCTNL_MSG_CT_GET, family, 'list connections', (writer) =>
    written.write(writer, {
      filtered: { protocol: { number: protocol, destinationPort } },
      filter: { original: FILTER_PROTOCOL | (destinationPort === undefined ? 0 : FILTER_DESTINATION_PORT), reply: 0 },
    }),
  )
}

export interface Doomed {
  readonly family: Family
  /** IANA's number. */
  readonly protocol: number
  /** Where the first packet was sent to; the address is absent for any. IPv4 only. */
  readonly destination?: IpAddress
  readonly destinationPort: number
  /** Where answers come from: after a rewrite, the container. IPv4 only. */
  readonly answeredBy?: { readonly address: IpAddress; readonly port: number }
}

/**
 * Has the kernel forget all that match, in one walk that is much shorter than that of a list. Linux 6.8; older ones
 * take the incomplete tuple for one connection and refuse it with EINVAL. Not for addresses of IPv6: up to 6.18 at least
 * the kernel takes all but the one that is named.
 */
export function forgetMatching({ family, protocol, destination, destinationPort, answeredBy }: Doomed): Request {
  const of = (address: IpAddress | undefined, side: 'source' | 'destination') =>
    address === undefined ? undefined : { [`${side}${address.family}`]: address }
  return ctRequest(IPCTNL_MSG_CT_DELETE, family, 'forget connections', (writer) =>
    written.write(writer, {
      filtered: { ip: of(destination, 'destination'), protocol: { number: protocol, destinationPort } },
      filteredReply: answeredBy && {
        ip: of(answeredBy.address, 'source'),
        protocol: { number: protocol, sourcePort: answeredBy.port },
      },
      filter: {
        original: FILTER_PROTOCOL | FILTER_DESTINATION_PORT | (destination === undefined ? 0 : FILTER_DESTINATION),
        reply: answeredBy === undefined ? 0 : FILTER_PROTOCOL | FILTER_SOURCE_PORT | FILTER_SOURCE,
      },
    }),
  )
}

/** ENOENT where it is gone already. */
export function deleteConnection({ family, identity }: Connection): Request {
  return ctRequest(IPCTNL_MSG_CT_DELETE, family, 'forget connection', (writer) => written.write(writer, identity))
}

export function readConnection({ reader, start, end }: Message): Connection {
  const { original = new Uint8Array(), reply, id, zone } = received.read(reader, start + NFGEN_LENGTH, end)
  return {
    family: reader.bytes[start] === FAMILY[4] ? 4 : 6,
    original: tuple(tupleAttributes.decode(original)),
    reply: tuple(reply ?? {}),
    identity: { original, id, zone },
  }
}

function tuple(a: ReturnType<typeof tupleAttributes.decode>): Tuple {
  return {
    source: a.ip?.source4 ?? a.ip?.source6,
    destination: a.ip?.destination4 ?? a.ip?.destination6,
    protocol: a.protocol?.number ?? 0,
    sourcePort: a.protocol?.sourcePort ?? 0,
    destinationPort: a.protocol?.destinationPort ?? 0,
  }
}

/** On a socket of NETLINK_NETFILTER. */
export class Conntrack {
  constructor(private readonly socket: NetlinkSocket) {}

  /** How many connections this namespace has: without any, nothing needs to be looked for. */
  count(): number {
    const request = ctRequest(IPCTNL_MSG_CT_GET_STATS, undefined, 'count connections', () => {})
    const stats = attributes({ entries: [1, u32be] })
    return this.socket.get(
      request,
      ({ reader, start, end }) => stats.read(reader, start + NFGEN_LENGTH, end).entries ?? 0,
    )
  }

  list(filter: ConnectionFilter): Connection[] {
    return this.socket.dump(listConnections(filter), readConnection).filter(({ original }) => {
      const { protocol, destinationPort } = original
      return protocol === filter.protocol && (filter.destinationPort ?? destinationPort) === destinationPort
    })
  }

  /** Forgets what matches. False where the kernel cannot select: then list and forget one by one. */
  forgetAll(doomed: readonly Doomed[]): boolean {
    const [failure] = this.socket.batch(doomed.map(forgetMatching)).filter(({ error }) => error.code !== 'ENOENT')
    if (failure === undefined) return true
    if (failure.error.code === 'EINVAL' || failure.error.code === 'EOPNOTSUPP') return false
    throw failure.error
  }

  /** Forgets connections; those gone meanwhile are no failure. */
  forget(connections: readonly Connection[]): Failure[] {
    return this.socket.batch(connections.map(deleteConnection)).filter(({ error }) => error.code !== 'ENOENT')
  }
}
