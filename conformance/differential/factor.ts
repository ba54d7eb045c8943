/**
 * What a configuration is made of: factors, most of them keys, with the values that each may have. A value
 * knows where it goes; a row chooses one value a factor.
 */

import type { Json } from '../../lib/testing/cni.js'

export type Kind =
  /** What people write. */
  | 'good'
  /** At a border, and still allowed. */
  | 'edge'
  /** Wrong, or allowed by one of the two only: never two of them in one configuration. */
  | 'bad'

/** A configuration, and what is around it, while values are put in. */
export interface Draft {
  /** Common to the plugins of the list: cniVersion, name. */
  readonly network: Json
  /** Keys of the first plugin. */
  readonly main: Json
  /** Keys of the plugin behind it, where there is one. */
  readonly chained: Json
  readonly ipam: Json
  readonly runtime: Json
  /** `args.cni`. */
  readonly args: Json
  /** Pairs of CNI_ARGS. */
  readonly cniArgs: string[]
  /** CNI_… variables; CNI_ARGS is above. */
  readonly env: Record<string, string>
  /** Shell lines in the host's namespace before ADD; `inside` runs a command in the container's. */
  readonly setup: string[]
  /** MACs that were asked for. */
  readonly macs: string[]
  /** In place of the configuration, for every command. */
  stdin?: string
  /** Changes the finished configuration's text. */
  rewrite?: (text: string) => string
  /** Calls, in order; default ADD, CHECK, DEL. */
  steps: readonly Step[]
  probes: readonly Probe[]
}

export type Step =
  | 'ADD'
  | 'CHECK'
  /** ADD once more, for the same attachment. */
  | 'AGAIN'
  /** Another container. */
  | 'OTHER'
  | 'OTHER DEL'
  | 'DEL'
  /** DEL without CNI_NETNS. */
  | 'DEL netnsless'
  /** DEL with a path that is gone. */
  | 'DEL gone'
  | 'DEL twice'
  | 'STATUS'

/** Packets to send once ADD is done: see probes.ts. */
export type Probe = 'masquerade' | 'ports' | 'forward' | 'spoof'

export interface Value {
  /** Unique in its factor. */
  readonly id: string
  readonly kind: Kind
  /** The code that flatnet must refuse a bad value with; default 7. */
  readonly code?: number
  /** Not in Debian's 1.1.1. */
  readonly recent?: true
  /** Costs seconds: only in rows of its own. */
  readonly slow?: true
  apply(draft: Draft): void
}

export interface Factor {
  readonly name: string
  /** The first is what stands for "not said". */
  readonly values: readonly Value[]
}

/** The value chosen of each factor. */
export type Row = ReadonlyMap<string, Value>

export interface Scenario {
  readonly name: 'bridge' | 'host-local' | 'loopback' | 'portmap' | 'bandwidth' | 'firewall'
  readonly factors: readonly Factor[]
  /** Combinations that are no use to look at, or are looked at by `together` alone. A factor may be missing. */
  forbids(chosen: (factor: string) => string | undefined): boolean
  /** Rows of their own: values that contradict each other, with the code of flatnet; 0 where it succeeds. */
  readonly together: readonly { readonly values: Readonly<Record<string, string>>; readonly code: number }[]
  draft(): Draft
  /** The list of plugins that a finished draft comes to. */
  plugins(draft: Draft): Json[]
}

/** Text that goes into the JSON as it is: `1e3`. */
export function raw(text: string): string {
  return `\u0000${text}\u0000`
}

export function toText(value: Json): string {
  return JSON.stringify(value).replace(/"\\u0000(.*?)\\u0000"/g, (_, text: string) => text.replaceAll('\\"', '"'))
}

export const unset: Value = { id: 'unset', kind: 'good', apply: () => undefined }

/** A value for `path` below a draft: `main.mtu`, `ipam.routes`, `env.CNI_IFNAME`. */
export function value(path: string, what: Json, more: Partial<Omit<Value, 'apply'>> = {}): Value {
  const [part = '', ...keys] = path.split('.')
  const last = keys.at(-1) as string
  return {
    id: describe(what),
    kind: 'good',
    ...more,
    apply(draft) {
      let holder = (draft as unknown as Record<string, Json>)[part]
      for (const key of keys.slice(0, -1)) {
        holder[key] ??= {}
        holder = holder[key]
      }
      holder[last] = structuredClone(what)
    },
  }
}

function describe(what: Json): string {
  const text = toText(what)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

interface Values {
  readonly good?: readonly Json[]
  readonly edge?: readonly Json[]
  readonly bad?: readonly Json[]
  readonly recent?: true
}

/** A key with plain values, absent as the first of them. */
export function key(path: string, { good = [], edge = [], bad = [], recent }: Values, ...others: Value[]): Factor {
  const since = recent === undefined ? {} : { recent }
  const of = (kind: Kind, list: readonly Json[]) => list.map((one) => value(path, one, { kind, ...since }))
  return { name: path, values: [unset, ...of('good', good), ...of('edge', edge), ...of('bad', bad), ...others] }
}

/** A boolean; text and numbers are none. */
export function flag(path: string, more: { readonly recent?: true } = {}): Factor {
  return key(path, { good: [true], edge: [false, null], bad: ['true', 1], ...more })
}
