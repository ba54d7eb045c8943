/**
 * Netlink messages in tests: what iproute2 sent, recorded with
 * `unshare -n strace -e trace=sendmsg,recvmsg -e write=all -e read=all COMMAND`, against what we send.
 * Attributes are taken apart here by hand, because a codec must not grade itself.
 */

import type { Test } from 'tap'
import { readerOf } from '../netlink/codec/reader.js'
import { Writer } from '../netlink/codec/writer.js'
import type { Message, Request } from '../netlink/message.js'

/** Bytes of hex digits; blanks between them do not count. */
export function unhex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'))
}

/** Which attributes hold others, by path (`18/2`), and how long the header before those is. */
export type Nests = Readonly<Record<string, number>>

/** Each attribute on a line, `path: payload`; the order in which the kernel does not care is taken out. */
export function attributeLines(bytes: Buffer, nests: Nests, path = ''): string[] {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt16LE(at)
    if (length < 4 || at + length > bytes.length) throw new Error(`attribute at ${at} of ${path}: length ${length}`)
    const type = bytes.readUInt16LE(at + 2)
    const own = `${path}${path === '' ? '' : '/'}${type & 0x3fff}`
    const marked = (type & 0x8000) !== 0 ? ' nested' : ''
    const payload = bytes.subarray(at + 4, at + length)
    const header = nests[own]
    if (header === undefined) lines.push(`${own}${marked}: ${payload.toString('hex')}`)
    else {
      lines.push(`${own}${marked} {${payload.subarray(0, header).toString('hex')}}`)
      lines.push(...attributeLines(payload.subarray(header), nests, own))
    }
    at += (length + 3) & ~3
  }
  return lines.sort()
}

/** Claims that `request` is the message that was recorded: type, flags, header, attributes. */
export function matchesRecorded(
  t: Test,
  command: string,
  recorded: string,
  request: Request,
  header: number,
  nests: Nests = {},
): void {
  const golden = Buffer.from(unhex(recorded))
  const writer = new Writer()
  request.write(writer)
  const ours = Buffer.from(writer.copy())
  const ACK_REQUEST = 0x5
  const DUMP = 0x300
  const isGet = (golden.readUInt16LE(4) & 3) === 2
  const show = (type: number, flags: number, body: Buffer) => ({
    type,
    flags: flags & ~(isGet ? ACK_REQUEST | DUMP : ACK_REQUEST),
    header: body.subarray(0, header).toString('hex'),
    attributes: attributeLines(body.subarray(header), nests),
  })
  const body = golden.subarray(16, golden.readUInt32LE(0))
  t.same(
    show(request.type, request.flags, ours),
    show(golden.readUInt16LE(4), golden.readUInt16LE(6), body),
    `is what \`${command}\` sends`,
  )
}

/** The messages of a datagram as the socket hands them out. */
export function messagesOf(recorded: string): Message[] {
  const reader = readerOf(unhex(recorded))
  const messages: Message[] = []
  for (let at = 0; at < reader.bytes.length; ) {
    const length = reader.view.getUint32(at, true)
    messages.push({
      type: reader.view.getUint16(at + 4, true),
      flags: reader.view.getUint16(at + 6, true),
      reader,
      start: at + 16,
      end: at + length,
    })
    at += (length + 3) & ~3
  }
  return messages
}
