/** The configuration of bandwidth, and the token buckets it comes to. */

import type { NetworkConfig } from '../../lib/cni/config.js'
import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { TokenBucket } from '../../lib/netlink/tc/token-bucket.js'

/** Rates in bit/s, bursts in bits. */
interface Limits {
  readonly ingressRate?: number
  readonly ingressBurst?: number
  readonly egressRate?: number
  readonly egressBurst?: number
}

export interface BandwidthConfig extends NetworkConfig, Limits {
  readonly runtimeConfig?: { readonly bandwidth?: Limits }
}

/** Absent is no limit. */
export interface Shaping {
  /** Towards the container. */
  readonly ingress?: Limit
  /** From the container. */
  readonly egress?: Limit
}

/** Bytes a second, and bytes at once: absent is a default that fits the link. */
export interface Limit {
  readonly rate: number
  readonly burst?: number
}

const KEYS = ['ingressRate', 'ingressBurst', 'egressRate', 'egressBurst'] as const

/** What runtimes send where nobody said anything: the largest number of some type of theirs, in bits. */
const UNSAID = [2 ** 31 - 1]
const UNSAID_FROM = 2 ** 32 - 1
/** From here on a burst in bytes has more than 32 bits. */
const TOO_LARGE = (2 ** 32 - 1) * 8

/** One of the keys at the top level, and the capability is not looked at. Throws code 7. */
export function shapingOf(config: Partial<BandwidthConfig>): Shaping {
  const limits = KEYS.some((key) => config[key] !== undefined) ? config : (config.runtimeConfig?.bandwidth ?? {})
  const ingress = limitOf('ingress', limits.ingressRate, limits.ingressBurst)
  const egress = limitOf('egress', limits.egressRate, limits.egressBurst)
  return { ...(ingress === undefined ? {} : { ingress }), ...(egress === undefined ? {} : { egress }) }
}

function limitOf(direction: string, rate = 0, burst = 0): Limit | undefined {
  if (rate === 0) {
    if (burst === 0) return undefined
    throw invalid(`if ${direction}Burst is set, ${direction}Rate must also be set`)
  }
  if (rate < 8) throw invalid(`${direction}Rate ${rate}: it is in bits a second, and 8 is the least`)
  if (burst >= TOO_LARGE) throw invalid(`${direction}Burst ${burst}: the kernel counts it in bytes, in 32 bits`)
  const given = burst > 0 && burst < UNSAID_FROM && !UNSAID.includes(burst)
  return { rate: Math.floor(rate / 8), ...(given ? { burst: Math.floor(burst / 8) } : {}) }
}

/** Bytes a second: what Kubernetes refuses is below that, too. */
const LEAST_USEFUL_RATE = 125
const FRAME = 1500

/** Limits that let practically nothing pass, in words: somebody meant another unit. */
export function uselessLimits(shaping: Shaping): string[] {
  return (['ingress', 'egress'] as const).flatMap((direction) => {
    const rate = shaping[direction]?.rate
    if (rate === undefined || rate >= LEAST_USEFUL_RATE) return []
    const seconds = Math.round(FRAME / rate)
    return [
      `${direction}Rate is about ${rate * 8} bit/s, so a frame of ${FRAME} bytes takes ${seconds} s and the container is practically cut off; rates are in bit/s: write 1000000 for 1 Mbit/s`,
    ]
  })
}

const DEFAULT_BURST_SECONDS = 0.01
const LEAST_DEFAULT_BURST = 65536
/** How long a packet waits at most before it is dropped, as in the reference. */
const LATENCY_SECONDS = 0.025
/** Of an Ethernet frame with a VLAN tag. */
const FRAME_HEADER = 18

/** A bucket that holds less than a frame would never let one pass. */
export function bucketFor({ rate, burst }: Limit, mtu: number): TokenBucket {
  const wanted = burst ?? Math.max(Math.floor(rate * DEFAULT_BURST_SECONDS), LEAST_DEFAULT_BURST)
  const fitting = Math.min(Math.max(wanted, mtu + FRAME_HEADER), 2 ** 32 - 1)
  return { rate, burst: fitting, limit: Math.min(Math.floor(rate * LATENCY_SECONDS) + fitting, 2 ** 32 - 1) }
}

function invalid(what: string): CniError {
  return new CniError(
    ErrorCode.InvalidConfig,
    `invalid configuration: ${what}`,
    'rates are in bits a second, bursts in bits',
  )
}
