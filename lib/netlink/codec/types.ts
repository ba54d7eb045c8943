/** The payloads an attribute can have. Each type writes and reads next to each other. */

import type { IpAddress } from '../../ip/address.js'
import { formatMac, parseMac } from '../../ip/mac.js'
import { decodeUtf8, encodeUtf8 } from '../../sys/text.js'
import { eachAttribute, type Reader } from './reader.js'
import type { Writer } from './writer.js'

export interface AttributeType<T> {
  /** Appends the payload. */
  write(writer: Writer, value: T): void
  /** Reads the payload, which is `size` bytes where there is a size. */
  read(reader: Reader, start: number, end: number): T
  /** Exact length of the payload; absent where it varies. */
  readonly size?: number
  /** Ored to the attribute's number: NLA_F_NESTED or 0. */
  readonly mark?: number
}

export const NLA_F_NESTED = 0x8000

export const u8: AttributeType<number> = {
  size: 1,
  write: (writer, value) => writer.u8(value),
  read: (reader, start) => reader.bytes[start] as number,
}

/** A byte that is 0 or 1. */
export const bool8: AttributeType<boolean> = {
  size: 1,
  write: (writer, value) => writer.u8(value ? 1 : 0),
  read: (reader, start) => reader.bytes[start] !== 0,
}

export const u16: AttributeType<number> = {
  size: 2,
  write: (writer, value) => writer.u16(value),
  read: (reader, start) => reader.view.getUint16(start, true),
}

export const u16be: AttributeType<number> = {
  size: 2,
  write: (writer, value) => writer.u16be(value),
  read: (reader, start) => reader.view.getUint16(start),
}

export const u32: AttributeType<number> = {
  size: 4,
  write: (writer, value) => writer.u32(value),
  read: (reader, start) => (reader.words[start >> 2] as number) >>> 0,
}

/** A number that is 0 or 1. */
export const bool32: AttributeType<boolean> = {
  size: 4,
  write: (writer, value) => writer.u32(value ? 1 : 0),
  read: (reader, start) => reader.words[start >> 2] !== 0,
}

export const u32be: AttributeType<number> = {
  size: 4,
  write: (writer, value) => writer.u32be(value),
  read: (reader, start) => reader.view.getUint32(start),
}

export const s32: AttributeType<number> = {
  size: 4,
  write: (writer, value) => writer.u32(value >>> 0),
  read: (reader, start) => reader.words[start >> 2] as number,
}

/** 64 bits as a number: exact up to 2^53 - 1, above that the nearest number. */
export const u64: AttributeType<number> = {
  size: 8,
  write(writer, value) {
    writer.u32(value % 4294967296)
    writer.u32(Math.floor(value / 4294967296))
  },
  read: (reader, start) => reader.view.getUint32(start, true) + reader.view.getUint32(start + 4, true) * 4294967296,
}

/** As `u64`, big-endian. */
export const u64be: AttributeType<number> = {
  size: 8,
  write(writer, value) {
    writer.u32be(Math.floor(value / 4294967296))
    writer.u32be(value % 4294967296)
  },
  read: (reader, start) => reader.view.getUint32(start) * 4294967296 + reader.view.getUint32(start + 4),
}

/** Present without a payload is true; false is not sent. */
export const flag: AttributeType<true> = {
  size: 0,
  write() {},
  read: () => true,
}

/** Bytes of any number; read as a copy. */
export const bytes: AttributeType<Uint8Array> = {
  write: (writer, value) => writer.put(value),
  read: (reader, start, end) => reader.bytes.slice(start, end),
}

/** Text with a NUL at its end. */
export const text: AttributeType<string> = {
  write(writer, value) {
    writeText(writer, value)
    writer.u8(0)
  },
  read: readText,
}

/** Text without a NUL; read up to one. */
export const bareText: AttributeType<string> = { write: writeText, read: readText }

function writeText(writer: Writer, value: string): void {
  const at = writer.take(value.length)
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i)
    if (c > 127) {
      writer.length = at
      writer.put(encodeUtf8(value))
      return
    }
    writer.bytes[at + i] = c
  }
}

/** Names need not be UTF-8 in the kernel; what is not reads as Latin-1, so that it still prints. */
function readText(reader: Reader, start: number, end: number): string {
  const source = reader.bytes
  let seen = 0
  let at = start
  for (; at < end; at++) {
    const c = source[at] as number
    if (c === 0) break
    seen |= c
  }
  const characters = source.subarray(start, at)
  const value = String.fromCharCode.apply(null, characters as unknown as number[])
  return seen < 128 ? value : (decodeUtf8(characters.slice()) ?? value)
}

/** An address of the family its length says. */
export const ip: AttributeType<IpAddress> = {
  write: (writer, value) => writer.put(value.bytes),
  read: (reader, start, end) => ({ family: end - start === 4 ? 4 : 6, bytes: reader.bytes.slice(start, end) }),
}

/** The last one: an attachment's is written several times. */
let written: { readonly mac: string; readonly address: Uint8Array } = { mac: '', address: new Uint8Array() }

/** A hardware address as text; 6, 8 or 20 bytes. */
export const mac: AttributeType<string> = {
  write(writer, value) {
    if (value !== written.mac) {
      const address = parseMac(value, [6, 8, 20])
      if (address === undefined) throw new RangeError(`"${value}" is no hardware address`)
      written = { mac: value, address }
    }
    writer.put(written.address)
  },
  read: (reader, start, end) => formatMac(reader.bytes.subarray(start, end)),
}

/** A set inside an attribute, marked NLA_F_NESTED. */
export function nested<T>(set: AttributeType<T>): AttributeType<T> {
  return { mark: NLA_F_NESTED, write: set.write.bind(set), read: set.read.bind(set) }
}

/** A set inside an attribute without the mark, as the older parts of rtnetlink send it. Sets are this by themselves. */
export function unmarked<T>(set: AttributeType<T>): AttributeType<T> {
  return { write: set.write.bind(set), read: set.read.bind(set) }
}

/** Attributes of one number and one type after each other inside an attribute, marked NLA_F_NESTED. */
export function list<T>(number: number, element: AttributeType<T>): AttributeType<readonly T[]> {
  return {
    mark: NLA_F_NESTED,
    write(writer, values) {
      for (const value of values) writeAttribute(writer, number, element, value)
    },
    read(reader, start, end) {
      const values: T[] = []
      eachAttribute(reader, start, end, (_, from, to) => {
        values.push(element.read(reader, from, to))
      })
      return values
    },
  }
}

/** As `list`, numbered from 1 on. */
export function numberedList<T>(element: AttributeType<T>): AttributeType<readonly T[]> {
  return {
    ...list(0, element),
    write(writer, values) {
      for (let i = 0; i < values.length; i++) writeAttribute(writer, i + 1, element, values[i] as T)
    },
  }
}

/** One whole attribute. */
export function writeAttribute<T>(writer: Writer, number: number, type: AttributeType<T>, value: T): void {
  const at = writer.open(number | (type.mark ?? 0))
  type.write(writer, value)
  writer.close(at)
}
