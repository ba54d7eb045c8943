/**
 * Attribute sets from one table: `attributes({ id: [1, u32], port: [15, u16be] })` is the encoder, the decoder and,
 * by `Decoded<typeof it>`, the type. What is undefined is not sent, what was not received is undefined, and zero is
 * a value.
 */

import { DecodeError, malformed, NLA_TYPE_MASK, type Reader, readerOf } from './reader.js'
import type { AttributeType } from './types.js'
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
  // All of this happens while the image of the heap is made (lib/engine/src/image.rs), not at a start.
  const names = Object.keys(fields)
  const numbers: number[] = []
  // biome-ignore lint/suspicious/noExplicitAny: each field has a type of its own
  const types: AttributeType<any>[] = []
  const places: (number | undefined)[] = []
  for (const [i, name] of names.entries()) {
    const [number, type] = fields[name] as Fields[string]
    numbers[i] = number | (type.mark ?? 0)
    types[i] = type
    for (let place = places.length; place <= number; place++) places[place] = undefined
    places[number] = i
  }

  function write(writer: Writer, value: ValuesOf<F>): void {
    for (let i = 0; i < names.length; i++) {
      const field = value[names[i] as string]
      if (field === undefined) continue
      const type = types[i] as AttributeType<unknown>
      const { size } = type
      if (size === undefined) {
        const at = writer.open(numbers[i] as number)
        type.write(writer, field)
        writer.close(at)
      } else {
        writer.u32((size + 4) | ((numbers[i] as number) << 16)) // nla_len and nla_type at once
        type.write(writer, field)
        if ((size & 3) !== 0) writer.zeros(-size & 3)
      }
    }
  }

  function read(reader: Reader, start: number, end: number): ValuesOf<F> {
    const { words } = reader
    const value: Record<string, unknown> = {}
    // eachAttribute without its calls: this is where decoding spends its time.
    for (let at = start; at + 4 <= end; ) {
      const word = words[at >> 2] as number // nla_len and nla_type at once
      const length = word & 0xffff
      const number = (word >> 16) & NLA_TYPE_MASK
      if (length < 4 || at + length > end) throw malformed(number, length, end - at)
      const place = places[number]
      if (place !== undefined) {
        const type = types[place] as AttributeType<unknown>
        const name = names[place] as string
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
