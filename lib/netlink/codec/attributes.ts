/**
 * Attribute sets from one table: `attributes({ id: [1, u32], port: [15, u16be] })` is the encoder, the decoder and,
 * by `Decoded<typeof it>`, the type. What is undefined is not sent, what was not received is undefined, and zero is
 * a value.
 */

import { DecodeError, malformed, NLA_TYPE_MASK, type Reader, readerOf } from './reader.js'
import { type AttributeType, writeAttribute } from './types.js'
import { Writer } from './writer.js'

// biome-ignore lint/suspicious/noExplicitAny: each field has a type of its own
type Fields = { readonly [name: string]: readonly [number: number, type: AttributeType<any>] }

type ValuesOf<F extends Fields> = {
  readonly [K in keyof F]?: (F[K][1] extends AttributeType<infer T> ? T : never) | undefined
}

export interface AttributeSet<T> extends AttributeType<T> {
  /** The attributes of `value`, in the table's order. */
  encode(value: T): Uint8Array
  /** Unknown attributes are skipped, the last of several counts; DecodeError where a length is wrong. */
  decode(bytes: Uint8Array): T
}

export type Decoded<S> = S extends AttributeType<infer T> ? T : never

export function attributes<const F extends Fields>(fields: F): AttributeSet<ValuesOf<F>> {
  const names = Object.keys(fields)
  let byNumber: (string | undefined)[] | undefined

  function write(writer: Writer, value: ValuesOf<F>): void {
    for (const name of names) {
      const field = value[name]
      if (field === undefined) continue
      const [number, type] = fields[name] as Fields[string]
      writeAttribute(writer, number, type, field)
    }
  }

  function read(reader: Reader, start: number, end: number): ValuesOf<F> {
    if (byNumber === undefined) {
      byNumber = []
      for (const name of names) byNumber[(fields[name] as Fields[string])[0]] = name
    }
    const { view } = reader
    const value: Record<string, unknown> = {}
    // The loop of eachAttribute without its calls: this is where decoding spends its time.
    for (let at = start; at + 4 <= end; ) {
      const length = view.getUint16(at, true)
      const number = view.getUint16(at + 2, true) & NLA_TYPE_MASK
      if (length < 4 || at + length > end) throw malformed(number, length, end - at)
      const name = byNumber[number]
      if (name !== undefined) {
        const type = (fields[name] as Fields[string])[1]
        if (type.size !== undefined && length - 4 !== type.size) {
          throw new DecodeError(`attribute ${number} (${name}): ${length - 4} bytes, expected ${type.size}`)
        }
        value[name] = type.read(reader, at + 4, at + length)
      }
      at += (length + 3) & ~3
    }
    return value as ValuesOf<F>
  }

  return {
    write,
    read,
    encode(value) {
      const writer = new Writer()
      write(writer, value)
      return writer.copy()
    },
    decode: (bytes) => read(readerOf(bytes), 0, bytes.length),
  }
}
