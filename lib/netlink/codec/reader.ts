/** Received bytes, with the view that numbers are read through. Decoders take a reader and a range of it. */
export interface Reader {
  readonly bytes: Uint8Array
  readonly view: DataView
}

export function readerOf(bytes: Uint8Array): Reader {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) }
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
  const { view } = reader
  for (let at = start; at + 4 <= end; ) {
    const length = view.getUint16(at, true)
    const number = view.getUint16(at + 2, true) & NLA_TYPE_MASK
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
  const { view } = reader
  for (let at = start; at + 4 <= end; ) {
    const length = view.getUint16(at, true)
    if (length < 4 || at + length > end) return undefined
    if ((view.getUint16(at + 2, true) & NLA_TYPE_MASK) === wanted) return [at + 4, at + length]
    at += (length + 3) & ~3
  }
  return undefined
}
