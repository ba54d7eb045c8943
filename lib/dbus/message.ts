/** Messages of D-Bus, little-endian: https://dbus.freedesktop.org/doc/dbus-specification.html#message-protocol-messages */

import { Writer } from '../netlink/codec/writer.js'
import { decodeUtf8, encodeUtf8 } from '../sys/text.js'

const METHOD_CALL = 1
const KINDS = { 2: 'return', 3: 'error' } as const
const FIELD = { path: 1, interface: 2, member: 3, errorName: 4, replySerial: 5, destination: 6, signature: 8 } as const
const OBJECT_PATH = 'o'
const STRING = 's'
const SIGNATURE = 'g'

function align(writer: Writer, to: number): void {
  writer.zeros(-writer.length & (to - 1))
}

function putText(writer: Writer, text: string): void {
  align(writer, 4)
  const bytes = encodeUtf8(text)
  writer.u32(bytes.length)
  writer.put(bytes)
  writer.u8(0)
}

function putSignature(writer: Writer, signature: string): void {
  writer.u8(signature.length)
  writer.put(encodeUtf8(signature))
  writer.u8(0)
}

/** A header field: a struct of its code and a variant. */
function putField(writer: Writer, code: number, type: string, value: string): void {
  align(writer, 8)
  writer.u8(code)
  putSignature(writer, type)
  if (type === SIGNATURE) putSignature(writer, value)
  else putText(writer, value)
}

export function encodeCall(
  serial: number,
  object: { readonly destination: string; readonly path: string; readonly interface: string },
  member: string,
  args: readonly string[],
): Uint8Array {
  const body = new Writer()
  for (const text of args) putText(body, text)
  const writer = new Writer()
  writer.u8(0x6c) // 'l': little-endian
  writer.u8(METHOD_CALL)
  writer.u8(0)
  writer.u8(1) // protocol version
  writer.u32(body.length)
  writer.u32(serial)
  const lengthAt = writer.take(4)
  const start = writer.length
  putField(writer, FIELD.path, OBJECT_PATH, object.path)
  putField(writer, FIELD.interface, STRING, object.interface)
  putField(writer, FIELD.member, STRING, member)
  putField(writer, FIELD.destination, STRING, object.destination)
  if (args.length > 0) putField(writer, FIELD.signature, SIGNATURE, STRING.repeat(args.length))
  writer.view.setUint32(lengthAt, writer.length - start, true)
  align(writer, 8)
  writer.put(body.copy())
  return writer.copy()
}

/** How long the message is that `bytes` begin with; undefined where too few are there to tell. */
export function messageLength(bytes: Uint8Array): number | undefined {
  if (bytes.length < 16) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return ((16 + view.getUint32(12, true) + 7) & ~7) + view.getUint32(4, true)
}

export interface BusMessage {
  readonly kind: 'return' | 'error' | 'other'
  readonly replySerial: number | undefined
  readonly errorName: string
  /** The first value of the body, where it is text, a boolean or 32 bits. */
  readonly value: string | boolean | number | undefined
}

export function readMessage(bytes: Uint8Array): BusMessage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const textAt = (at: number) => decodeUtf8(bytes.slice(at + 4, at + 4 + view.getUint32(at, true))) ?? ''
  const fieldsEnd = 16 + view.getUint32(12, true)
  let replySerial: number | undefined
  let errorName = ''
  let signature = ''
  for (let at = 16; at < fieldsEnd; ) {
    at = (at + 7) & ~7
    const code = bytes[at]
    const type = String.fromCharCode(bytes[at + 2] ?? 0)
    at += 4 // code, the variant's signature of one type
    if (type === SIGNATURE) {
      const length = bytes[at] ?? 0
      if (code === FIELD.signature) signature = decodeUtf8(bytes.slice(at + 1, at + 1 + length)) ?? ''
      at += length + 2
    } else {
      at = (at + 3) & ~3
      const number = view.getUint32(at, true)
      if (code === FIELD.replySerial) replySerial = number
      if (code === FIELD.errorName) errorName = textAt(at)
      at += type === 'u' ? 4 : number + 5
    }
  }
  const body = (fieldsEnd + 7) & ~7
  const first = signature.charAt(0)
  const value =
    first === 's' || first === 'o'
      ? textAt(body)
      : first === 'b'
        ? view.getUint32(body, true) !== 0
        : first === 'u' || first === 'i'
          ? view.getUint32(body, true)
          : undefined
  return { kind: KINDS[bytes[1] as 2 | 3] ?? 'other', replySerial, errorName, value }
}
