/** What a case is, and what can come out of one. */

import type { Context } from './context.js'
import type { Kind } from './descriptor.js'
import type { Feature } from './features.js'

/** As the specification grades it; DF is what libraries and runtimes rely on where it is silent. */
export type Level = 'MUST' | 'SHOULD' | 'MAY' | 'DF'

/** Whom a requirement binds: every plugin, a kind of plugin, or plugins that delegate. */
export type Duty = 'P' | 'IF' | 'CH' | 'IPAM' | 'DL'

export interface Needs {
  readonly kernel?: readonly Feature[]
  /** Only plugins of these kinds, beyond what the duty says. */
  readonly kinds?: readonly Kind[]
  /** Only plugins whose descriptor gives a configuration for each of these capabilities. */
  readonly capabilities?: readonly string[]
  /** Only IPAM plugins that give an address to one attachment at a time. */
  readonly leases?: true
  /** Oldest version the claim speaks of. */
  readonly since?: string
  /** Newest version the claim speaks of. */
  readonly until?: string
  /** Only plugins that make a link named by the ifname (no loopback). */
  readonly link?: boolean
  /** Only where the descriptor has these optional members. */
  readonly descriptor?: readonly string[]
  /** The process must be root outside any user namespace. */
  readonly root?: boolean
}

export interface Case {
  /** The requirement's, with a word after a dot where a requirement has several cases: `IO-05.del`. */
  readonly id: string
  /** Of the specification: S1 to S5, CV, UP, LIB, as in the list of requirements. */
  readonly section: string
  readonly level: Level
  readonly duty: readonly Duty[]
  /** A sentence that holds where the case passes. */
  readonly claim: string
  readonly needs?: Needs
  /** `each`: once for every advertised version in the range of `needs`; else once, at the newest of them. */
  readonly versions?: 'each' | 'newest'
  /** Seconds after which it hangs; default 300. */
  readonly timeout?: number
  /** It waits for minutes and does nothing meanwhile: run beside the others. */
  readonly idle?: true
  /** Throws `Failure` or `Skip`, or returns. */
  run(context: Context): void | Promise<void>
}

export type Verdict = 'pass' | 'fail' | 'waived' | 'skipped'

/** A requirement does not hold. */
export class Failure extends Error {}

/** The case does not apply here; the message says why. */
export class Skip extends Error {}

export function requirementOf(id: string): string {
  const dot = id.indexOf('.')
  return dot < 0 ? id : id.slice(0, dot)
}
