/**
 * A netlink socket: requests out, acknowledgements, replies and dumps in. It belongs to the network namespace it was
 * opened in. The kernel answers before `sendto` returns, so a deadline only guards against the impossible.
 */

import { isErrno } from '../sys/errno.js'
import { close } from '../sys/file.js'
import { AF_NETLINK, abandonSocket, openSocket, receive, SOCK_RAW, SOL_SOCKET, send, setOption } from '../sys/socket.js'
import { readerOf } from './codec/reader.js'
import { Writer } from './codec/writer.js'
import { type ExtendedAck, NetlinkError, readExtendedAck } from './error.js'
import { LinkNames } from './link-names.js'
import {
  type Failure,
  HEADER_LENGTH,
  type Message,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_ECHO,
  NLM_F_MULTI,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  type Request,
} from './message.js'

export const NETLINK_ROUTE = 0
export const NETLINK_NETFILTER = 12
export const NETLINK_GENERIC = 16

const NLM_F_CAPPED = 0x100
const NLM_F_ACK_TLVS = 0x200

/** What the kernel answers where there is no such thing, and where no route leads (include/uapi/asm-generic/errno.h). */
export const ENOENT = 2
export const EACCES = 13
export const ENODEV = 19
export const EINVAL = 22
export const ENETUNREACH = 101
export const EHOSTUNREACH = 113

const DUMP_ATTEMPTS = 10
/** Refusals are queued in the receive buffer until we read them: 128 of them fit the smallest default. */
const CHUNK_REQUESTS = 128
const CHUNK_BYTES = 65536
/** The kernel's default send buffer holds 212992 bytes with its own overhead. */
const LARGE_SEND = 160_000
const DEADLINE = 10_000
/** An NLMSG_DONE with the dump's result. */
const DONE_LENGTH = HEADER_LENGTH + 4

// Nothing here calls back into a socket while it reads or writes, so all sockets share one pair of buffers. They are
// in the executable's image: what is not used of them is never made.
const sharedWriter = new Writer()
let sharedReader = readerOf(new Uint8Array(32768))

/** What one reply came to, as far as the caller that waits for it must know. */
interface Reply extends Message {
  readonly sequence: number
}

export class NetlinkSocket {
  readonly fd: number
  /** What its errors call links. */
  readonly linkNames = new LinkNames()
  private sequence = 0
  private deadline = DEADLINE

  /** Opens a socket of `protocol` (NETLINK_ROUTE and so on) in the current network namespace. */
  constructor(protocol: number) {
    const SOL_NETLINK = 270
    const NETLINK_CAP_ACK = 10
    const NETLINK_EXT_ACK = 11
    const NETLINK_GET_STRICT_CHK = 12
    this.fd = openSocket(AF_NETLINK, SOCK_RAW, protocol)
    try {
      setOption(this.fd, SOL_NETLINK, NETLINK_CAP_ACK, 1)
      setOption(this.fd, SOL_NETLINK, NETLINK_EXT_ACK, 1)
      setOption(this.fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
    } catch (error) {
      close(this.fd)
      throw error
    }
  }

  close(): void {
    close(this.fd)
  }

  /** Closes it, when the kernel has time. */
  abandon(): void {
    abandonSocket(this.fd)
  }

  /** Longest wait for one datagram, in milliseconds; default 10 s. Past it, NetlinkError ETIMEDOUT. */
  setDeadline(milliseconds: number): void {
    this.deadline = milliseconds
  }

  /** Asks for something to be done and waits until it is. Throws the kernel's refusal. */
  request(request: Request): void {
    const writer = beginWriting()
    const sequence = this.append(writer, request, NLM_F_ACK)
    this.transmit(writer, request)
    this.collect(request, sequence, (reply) => this.acknowledged(reply, request))
  }

  /** As `request`, and returns what `read` makes of the kernel's echo; undefined where it sent none. */
  requestEcho<T>(request: Request, read: (message: Message) => T): T | undefined {
    const writer = beginWriting()
    const sequence = this.append(writer, request, NLM_F_ACK | NLM_F_ECHO)
    this.transmit(writer, request)
    let result: T | undefined
    this.collect(
      request,
      sequence,
      (reply) => {
        if (reply.type === NLMSG_ERROR) return this.acknowledged(reply, request)
        result = read(reply)
        return false
      },
      true,
    )
    return result
  }

  /** Asks for one thing. Throws the kernel's refusal, ENODEV or ENOENT where there is no such thing. */
  get<T>(request: Request, read: (message: Message) => T): T {
    return (this.ask(request, read, []) as { value: T }).value
  }

  /** As `get`, and returns undefined where the kernel answers with an errno of `absent`, without the cost of an error. */
  find<T>(request: Request, read: (message: Message) => T, absent: readonly number[]): T | undefined {
    return this.ask(request, read, absent)?.value
  }

  private ask<T>(request: Request, read: (message: Message) => T, absent: readonly number[]): { value: T } | undefined {
    // A reply that was cut is asked for again; the buffer has grown by then.
    for (let attempt = 0; attempt < 3; attempt++) {
      const writer = beginWriting()
      const sequence = this.append(writer, request, 0)
      this.transmit(writer, request)
      let result: { value: T } | undefined
      let isAbsent = false
      this.collect(request, sequence, (reply) => {
        if (reply.type !== NLMSG_ERROR) result = { value: read(reply) }
        else if (absent.includes(errnoOf(reply))) isAbsent = true
        else this.acknowledged(reply, request)
        return true
      })
      if (isAbsent || result !== undefined) return result
    }
    throw this.errorOf(request, 90)
  }

  /**
   * Asks for several things in one datagram, and returns what `read` makes of each answer in their order; undefined where
   * there is no such thing (ENOENT). Throws the first other refusal, when all have been answered.
   */
  getAll<T>(requests: readonly Request[], read: (message: Message) => T): (T | undefined)[] {
    const [first] = requests
    if (first === undefined) return []
    const writer = beginWriting()
    for (const request of requests) this.append(writer, request, 0)
    const firstSequence = this.sequence - requests.length + 1
    this.transmit(writer, first)
    const answers = new Map<number, T | undefined>()
    let failure: NetlinkError | undefined
    this.collect(first, firstSequence, (reply) => {
      const at = reply.sequence - firstSequence
      const request = requests[at] ?? first
      const isRefused = reply.type === NLMSG_ERROR
      if (isRefused && errnoOf(reply) !== ENOENT) failure ??= this.refusal(reply, request)
      answers.set(at, isRefused ? undefined : read(reply))
      return answers.size === requests.length
    })
    if (failure !== undefined) throw failure
    // An answer that did not fit the buffer is lost with those behind it, and asked for again.
    return requests.map((request, at) => (answers.has(at) ? answers.get(at) : this.find(request, read, [ENOENT])))
  }

  /**
   * Asks for all that match; what `read` returns undefined for is left out. A dump that changes disturbed is begun
   * again, ten times at most, then EINTR.
   */
  dump<T>(request: Request, read: (message: Message) => T | undefined): T[] {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const writer = beginWriting()
      const sequence = this.append(writer, request, NLM_F_DUMP)
      this.transmit(writer, request)
      const found: T[] = []
      let disturbed = false
      const whole = this.collect(request, sequence, (reply) => {
        if ((reply.flags & NLM_F_DUMP_INTR) !== 0) disturbed = true
        if (reply.type === NLMSG_ERROR) return this.acknowledged(reply, request)
        if (reply.type === NLMSG_DONE) return this.finished(reply, request)
        const value = read(reply)
        if (value !== undefined) found.push(value)
        return (reply.flags & NLM_F_MULTI) === 0
      })
      if (whole && !disturbed) return found
    }
    throw this.errorOf(request, 4, { message: `interrupted by changes ${DUMP_ATTEMPTS} times` })
  }

  /**
   * How many bytes answer a dump: a cheap witness that nothing came or went since it was weighed last, as no message
   * is looked at. NaN where the dump was disturbed or refused.
   */
  weigh(request: Request): number {
    const writer = beginWriting()
    const sequence = this.append(writer, request, NLM_F_DUMP)
    this.transmit(writer, request)
    let weight = 0
    for (;;) {
      const { bytes, view } = sharedReader
      const length = receive(this.fd, bytes, this.deadline)
      if (length > bytes.length) return this.giveUpDump(request, sequence)
      weight += length
      // The end stands alone or behind the last messages of a datagram.
      for (const at of [0, length - DONE_LENGTH]) {
        if (at < 0 || view.getUint32(at + 8, true) !== sequence) continue
        const type = view.getUint16(at + 4, true)
        if (type === NLMSG_ERROR && at === 0) return Number.NaN
        if (type !== NLMSG_DONE || view.getUint32(at, true) < DONE_LENGTH) continue
        return (view.getUint16(at + 6, true) & NLM_F_DUMP_INTR) !== 0 ? Number.NaN : weight
      }
    }
  }

  /** Reads a dump to its end for nothing. */
  private giveUpDump(request: Request, sequence: number): number {
    this.collect(request, sequence, ({ type }) => type === NLMSG_DONE || type === NLMSG_ERROR)
    return Number.NaN
  }

  /**
   * Applies all of `requests`, whatever becomes of each, and returns the refused ones in order. Only the last of a
   * chunk is acknowledged: a refusal is answered anyway, so a thousand requests that succeed cost a few replies.
   */
  batch(requests: readonly Request[]): Failure[] {
    const failures: Failure[] = []
    for (let next = 0; next < requests.length; ) {
      const first = next
      const writer = beginWriting()
      let header = 0
      do {
        header = writer.length
        this.append(writer, requests[next++] as Request, 0)
      } while (next < requests.length && next - first < CHUNK_REQUESTS && writer.length < CHUNK_BYTES)
      this.finishChunk(writer, header, requests, first, next, failures)
    }
    return failures
  }

  /**
   * As `batch`, in one datagram however large: what nfnetlink's transactions need. `requests` includes the begin and
   * end messages. The acknowledgement is asked of the last request that may carry one (`acknowledge`, an index).
   * A refusal of the begin message (index 0) speaks for the whole. `echo` is given what requests with NLM_F_ECHO made.
   */
  transaction(requests: readonly Request[], acknowledge: number, echo?: (message: Message) => void): Failure[] {
    const writer = beginWriting()
    let header = 0
    for (let at = 0; at < requests.length; at++) {
      if (at === acknowledge) header = writer.length
      this.append(writer, requests[at] as Request, 0)
    }
    const failures: Failure[] = []
    this.finishChunk(writer, header, requests, 0, requests.length, failures, acknowledge, echo)
    return failures
  }

  private finishChunk(
    writer: Writer,
    header: number,
    requests: readonly Request[],
    first: number,
    end: number,
    failures: Failure[],
    acknowledge = end - 1,
    echo?: (message: Message) => void,
  ): void {
    writer.view.setUint16(header + 6, writer.view.getUint16(header + 6, true) | NLM_F_ACK, true)
    const firstSequence = this.sequence - (end - first) + 1
    const last = requests[acknowledge] as Request
    this.transmit(writer, last)
    this.collect(last, firstSequence, (reply) => {
      if (reply.type !== NLMSG_ERROR) {
        echo?.(reply)
        return false
      }
      const index = first + reply.sequence - firstSequence
      const error = this.refusal(reply, requests[index] ?? last)
      if (error !== undefined) failures.push({ index, error })
      return index === acknowledge || (index === 0 && acknowledge !== end - 1)
    })
  }

  /** Writes one message and returns its sequence number. */
  private append(writer: Writer, request: Request, flags: number): number {
    this.sequence++
    const at = writer.take(HEADER_LENGTH)
    request.write(writer)
    const { view } = writer
    view.setUint32(at, writer.length - at, true)
    view.setUint16(at + 4, request.type, true)
    view.setUint16(at + 6, request.flags | flags | NLM_F_REQUEST, true)
    view.setUint32(at + 8, this.sequence, true)
    view.setUint32(at + 12, 0, true)
    const padding = -writer.length & 3
    if (padding > 0) writer.zeros(padding)
    return this.sequence
  }

  private transmit(writer: Writer, request: Request): void {
    try {
      if (writer.length > LARGE_SEND) {
        const SO_SNDBUFFORCE = 32
        setOption(this.fd, SOL_SOCKET, SO_SNDBUFFORCE, writer.length * 2)
      }
      send(this.fd, writer.bytes.subarray(0, writer.length))
    } catch (error) {
      throw this.asNetlinkError(error, request)
    }
  }

  /**
   * Gives every message from sequence number `since` on to `handle` until it returns true. Older ones are leftovers
   * of a dump that was given up. False where something was lost on the way.
   */
  private collect(
    request: Request,
    since: number,
    handle: (reply: Reply, request: Request) => boolean,
    echoed = false,
  ): boolean {
    let whole = true
    for (;;) {
      const { bytes, view } = sharedReader
      let length: number
      try {
        length = receive(this.fd, bytes, this.deadline)
      } catch (error) {
        if (!isErrno(error, 'ENOBUFS')) throw this.asNetlinkError(error, request)
        whole = false
        continue
      }
      if (length > bytes.length) {
        const flags = view.getUint16(6, true)
        sharedReader = readerOf(new Uint8Array(length * 2))
        whole = false
        // More follows a part of a dump, and an acknowledgement an echo; a lone reply was all.
        if ((flags & NLM_F_MULTI) !== 0 || echoed) continue
        return false
      }
      let done = false
      for (let at = 0; at + HEADER_LENGTH <= length; ) {
        const size = view.getUint32(at, true)
        if (size < HEADER_LENGTH || at + size > length) throw this.errorOf(request, 71)
        const sequence = view.getUint32(at + 8, true)
        if (sequence >= since && sequence <= this.sequence) {
          const type = view.getUint16(at + 4, true)
          const flags = view.getUint16(at + 6, true)
          const reply = { type, flags, sequence, reader: sharedReader, start: at + HEADER_LENGTH, end: at + size }
          if (handle(reply, request)) done = true
        }
        at += (size + 3) & ~3
      }
      if (done) return whole
    }
  }

  /** Throws what an NLMSG_ERROR says; true where it says that all is well. */
  private acknowledged(reply: Reply, request: Request): boolean {
    if (reply.type !== NLMSG_ERROR) return false
    const error = this.refusal(reply, request)
    if (error !== undefined) throw error
    return true
  }

  /** struct nlmsgerr: the errno, the request's header and, unless capped, its body; then the extended attributes. */
  private refusal(reply: Reply, request: Request): NetlinkError | undefined {
    const { reader, start, end, flags } = reply
    const errno = errnoOf(reply)
    if (errno === 0) return undefined
    if ((flags & NLM_F_ACK_TLVS) === 0) return this.errorOf(request, errno)
    const echoed = (flags & NLM_F_CAPPED) !== 0 ? HEADER_LENGTH : (reader.view.getUint32(start + 4, true) + 3) & ~3
    return this.errorOf(request, errno, readExtendedAck(reader, start + 4 + echoed, end))
  }

  /** NLMSG_DONE carries the dump's own result. */
  private finished(reply: Reply, request: Request): boolean {
    const { reader, start, end, flags } = reply
    const result = end - start >= 4 ? reader.view.getInt32(start, true) : 0
    if (result >= 0) return true
    const extended = (flags & NLM_F_ACK_TLVS) !== 0 ? readExtendedAck(reader, start + 4, end) : {}
    throw this.errorOf(request, -result, extended)
  }

  private asNetlinkError(error: unknown, request: Request): unknown {
    const errno = (error as { errno?: unknown }).errno
    return typeof errno === 'number' ? this.errorOf(request, errno) : error
  }

  private errorOf(request: Request, errno: number, extended?: ExtendedAck): NetlinkError {
    return new NetlinkError(request.about(this.linkNames.describe), errno, extended)
  }
}

/** Of an NLMSG_ERROR; 0 where all is well. */
function errnoOf({ reader, start }: Reply): number {
  return -reader.view.getInt32(start, true)
}

function beginWriting(): Writer {
  sharedWriter.length = 0
  return sharedWriter
}
