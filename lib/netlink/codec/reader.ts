/** Received bytes, with what numbers are read through. Decoders take a reader and a range of it. */
export interface Reader {
  readonly bytes: Uint8Array
  readonly view: DataView
  /** Whole words, native, which is little-endian: everything in netlink begins at one, and an array is read fastest. */
  readonly words: Int32Array
}

export function readerOf(received: Uint8Array): Reader {
  const bytes = (received.byteOffset & 3) === 0 ? received : received.slice()
  const { buffer, byteOffset, length } = bytes
  return {
    bytes,
    view: new DataView(buffer, byteOffset, length),
    words: new Int32Array(buffer, byteOffset, length >> 2),
  }
}

/** Bytes that are no well-formed netlink. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'
}

/** Without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
export const NLA_TYPE_MASK = 0x3fff

export function malformed(number: number, length: number, left: number): DecodeError {
  return new DecodeError(`attribute ${number}: length ${length}, ${left} bytes left`)
}

/** Calls `visit` with number and payload range of each attribute between `start` and `end`. */
export function eachAttribute(
  reader: Reader,
  start: number,
  end: number,
  visit: (number: number, start: number, end: number) => void,
): void {
  const { words } = reader
  for (let at = start; at + 4 <= end; ) {
    const word = words[at >> 2] as number
    const length = word & 0xffff
    const number = (word >> 16) & NLA_TYPE_MASK
    if (length < 4 || at + length > end) throw malformed(number, length, end - at)
    visit(number, at + 4, at + length)
    at += (length + 3) & ~3
  }
}

/** The payload range of the first attribute with this number; undefined where it is absent. */
export function findAttribute(
  reader: Reader,
  start: number,
  end: number,
  wanted: number,
): readonly [start: number, end: number] | undefined {
  const { words } = reader
  for (let at = start; at + 4 <= end; ) {
    const word = words[at >> 2] as number
    const length = word & 0xffff
    if (length < 4 || at + length > end) return undefined
    if (((word >> 16) & NLA_TYPE_MASK) === wanted) return [at + 4, at + length]
    at += (length + 3) & ~3
  }
  return undefined
}
