/** tbf: a token bucket, which lets a burst pass and then a rate (struct tc_tbf_qopt, include/uapi/linux/pkt_sched.h). */

import { attributes } from '../codec/attributes.js'
import { type AttributeType, u32, u64 } from '../codec/types.js'

export interface TokenBucket {
  /** Bytes a second; more than 32 bits are fine. */
  readonly rate: number
  /** Bytes that pass at once. */
  readonly burst: number
  /** Bytes that wait; what exceeds them is dropped. */
  readonly limit: number
}

/** The kernel's clock of packet scheduling ticks every 64 ns. */
const TICKS_A_SECOND = 1e9 / 64
const LARGEST = 0xffffffff
const TC_LINKLAYER_ETHERNET = 1

interface Parameters {
  readonly rate: number
  readonly limit: number
  readonly buffer: number
}

/** Two struct tc_ratespec of 12 bytes (rate and peak rate; the number last), then limit, buffer and mtu. */
const parameters: AttributeType<Parameters> = {
  size: 36,
  write(writer, { rate, limit, buffer }) {
    writer.u8(0) // cell_log: of the rate tables of old
    writer.u8(TC_LINKLAYER_ETHERNET)
    writer.u16(0) // overhead
    writer.u16(0xffff) // cell_align
    writer.u16(0) // mpu
    writer.u32(rate)
    writer.zeros(12)
    writer.u32(limit)
    writer.u32(buffer)
    writer.u32(0)
  },
  read: ({ view }, start) => ({
    rate: view.getUint32(start + 8, true),
    limit: view.getUint32(start + 24, true),
    buffer: view.getUint32(start + 28, true),
  }),
}

const options = attributes({
  parameters: [1, parameters],
  rate64: [4, u64],
  burst: [6, u32],
})

/** TCA_OPTIONS of a tbf. */
export const tokenBucket: AttributeType<TokenBucket> = {
  write(writer, { rate, burst, limit }) {
    options.write(writer, {
      parameters: {
        rate: Math.min(rate, LARGEST),
        limit: Math.min(limit, LARGEST),
        buffer: Math.min(Math.round((burst / rate) * TICKS_A_SECOND), LARGEST),
      },
      rate64: rate >= LARGEST ? rate : undefined,
      burst: Math.min(burst, LARGEST),
    })
  },
  // The kernel tells the burst only as the time it takes at the rate.
  read(reader, start, end) {
    const { parameters: p, rate64 } = options.read(reader, start, end)
    const rate = rate64 ?? p?.rate ?? 0
    return { rate, limit: p?.limit ?? 0, burst: Math.round(((p?.buffer ?? 0) / TICKS_A_SECOND) * rate) }
  },
}
