/** The measurements as rows: who took how long, the ratio that counts, and the ratio that is wanted. */

import { cpus, release } from 'node:os'
import type { Column } from '../terminal/table.js'
import type { Command } from './contestants.js'
import type { Crowd } from './crowd.js'
import type { Executables } from './executables.js'
import type { Samples } from './samples.js'

export interface Row {
  readonly what: string
  readonly flatnet: string
  readonly reference: string
  readonly floor: string
  /** The ratio, of what, and the most or the least it may be. */
  readonly ratio?: Ratio
  /** Whether what is wanted was seen, where it is no ratio. */
  readonly wanted?: { readonly text: string; readonly seen: boolean }
}

interface Ratio {
  readonly value: number
  readonly of: string
  readonly atMost?: number
  readonly atLeast?: number
}

const MIB = 2 ** 20

/** The limits of ratio: of the reference's time, and of the floor's. */
const LIMITS = {
  empty: { ADD: 0.35, CHECK: 0.35, DEL: 1.15 },
  full: { ADD: 0.03, CHECK: 0.03, DEL: 1.2 },
  ipMasq: { ADD: 0.2, DEL: 1.2 },
  chain: { ADD: 0.12, DEL: 1.3 },
} as const

export function versionRows(samples: Samples): Row[] {
  const [ours, theirs] = [samples.beyondNoop('flatnet'), samples.beyondNoop('reference')]
  return [
    {
      what: 'VERSION',
      flatnet: milliseconds(ours),
      reference: milliseconds(theirs),
      floor: '',
      ratio: { value: ours / theirs, of: 'the reference', atMost: 0.6 },
    },
  ]
}

export function podRows(samples: Samples, leases: number): Row[] {
  const suffix = leases === 0 ? '' : `, ${leases.toLocaleString('en')} leases`
  return commandRows(samples, '', suffix, leases === 0 ? LIMITS.empty : LIMITS.full)
}

export function chainRows(samples: Samples, what: 'ipMasq' | 'chain'): Row[] {
  return commandRows(samples, `${what}: `, '', LIMITS[what])
}

function commandRows(
  samples: Samples,
  prefix: string,
  suffix: string,
  limits: Readonly<Partial<Record<Command, number>>>,
): Row[] {
  return (Object.keys(limits) as Command[]).map((command) => {
    const times = {
      flatnet: samples.beyondNoop(`flatnet ${command}`),
      reference: samples.beyondNoop(`reference ${command}`),
      floor: samples.beyondNoop(`floor ${command}`),
    }
    const of = command === 'DEL' ? 'floor' : 'reference'
    return {
      what: `${prefix}${command}${suffix}`,
      flatnet: milliseconds(times.flatnet),
      reference: milliseconds(times.reference),
      floor: milliseconds(times.floor),
      ratio: { value: times.flatnet / times[of], of: `the ${of}`, atMost: limits[command] ?? Number.NaN },
    }
  })
}

/** Beside one attachment; of `portmap` alone nothing is wanted. */
export function attachedRows(samples: Samples, attached: number): Row[] {
  const row = (what: string, label: string, column: 'flatnet' | 'floor' = 'flatnet') => {
    const whose = column === 'floor' ? 'floor ' : ''
    const [one, many] = [samples.beyondNoop(`${whose}one ${label}`), samples.beyondNoop(`${whose}many ${label}`)]
    return {
      what: `${what}, ${attached.toLocaleString('en')} attached`,
      flatnet: '',
      reference: '',
      floor: '',
      [column]: milliseconds(many),
      ratio: { value: many / one, of: 'that with 1' },
    }
  }
  const chain = row('chain: ADD', 'ADD')
  return [
    { ...chain, ratio: { ...chain.ratio, atMost: 1.2 } },
    row('a link joins the bridge', 'ADD', 'floor'),
    row('portmap alone: ADD', 'ADD portmap'),
    row('chain: DEL', 'DEL'),
  ]
}

export function connectionRows(
  { flatnet, reference }: { flatnet: number; reference: number },
  mappings: number,
): Row[] {
  const perSecond = (rate: number) => `${Math.round(rate).toLocaleString('en')}/s`
  return [
    {
      what: `connections, ${mappings.toLocaleString('en')} host ports`,
      flatnet: perSecond(flatnet),
      reference: perSecond(reference),
      floor: '',
      ratio: { value: flatnet / reference, of: 'the reference', atLeast: 1 },
    },
  ]
}

export interface Crowds {
  readonly flatnet: Crowd
  readonly reference: Crowd
}

export function parallelRows({ flatnet, reference }: Crowds, pods: number): Row[] {
  const cell = (crowd: Crowd, which: 'total' | 'slowest') =>
    `${(crowd[which] / 1000).toFixed(2)} s${crowd.failed === 0 ? '' : `, ${crowd.failed} failed`}`
  return (['total', 'slowest'] as const).map((which) => ({
    what: which === 'total' ? `${pods} pods at once: all` : `${pods} pods at once: the slowest`,
    flatnet: cell(flatnet, which),
    reference: cell(reference, which),
    floor: '',
    ratio: { value: flatnet[which] / reference[which], of: 'the reference' },
  }))
}

/** How a crowd fared in a cgroup with little memory. */
export interface Confined {
  readonly failed: number
  /** Bytes. */
  readonly peak: number
  readonly kills: number
}

export function confinedRows(
  confined: { readonly flatnet: Confined; readonly reference: Confined } | string,
  pods: number,
  limit: number,
): Row[] {
  const what = `${pods} pods at once in ${limit / MIB} MiB: peak`
  if (typeof confined === 'string') return [{ what, flatnet: `skipped: ${confined}`, reference: '', floor: '' }]
  const cell = ({ failed, peak, kills }: Confined) =>
    [mebibytes(peak), ...(failed === 0 ? [] : [`${failed} failed`]), ...(kills === 0 ? [] : [`${kills} killed`])].join(
      ', ',
    )
  return [
    {
      what,
      flatnet: cell(confined.flatnet),
      reference: cell(confined.reference),
      floor: '',
      wanted: { text: 'none fails', seen: confined.flatnet.failed === 0 },
    },
  ]
}

export function memoryRows(version: Samples, pods: Samples): Row[] {
  const ours = version.rss('flatnet')
  return [
    {
      what: 'peak memory, VERSION',
      flatnet: mebibytes(ours * 1024),
      reference: mebibytes(version.rss('reference') * 1024),
      floor: '',
      wanted: { text: '≤ 6 MiB', seen: ours <= 6 * 1024 },
    },
    {
      what: 'peak memory, ADD',
      flatnet: mebibytes(pods.rss('flatnet ADD') * 1024),
      reference: mebibytes(pods.rss('reference ADD') * 1024),
      floor: mebibytes(pods.rss('floor ADD') * 1024),
    },
  ]
}

export function sizeRows(ours: Executables, theirs: Executables): Row[] {
  const describe = ({ bytes, names, inodes }: Executables) =>
    `${mebibytes(bytes)} (${names.length} in ${inodes} file${inodes === 1 ? '' : 's'})`
  return [
    {
      what: 'executables',
      flatnet: describe(ours),
      reference: describe(theirs),
      floor: '',
      wanted: { text: '≤ 4 MiB, static', seen: ours.bytes <= 4 * MIB && ours.static && ours.inodes === 1 },
    },
    { what: 'needs of the host', flatnet: need(ours), reference: need(theirs), floor: '' },
  ]
}

export const COLUMNS: readonly Column[] = [
  { heading: '' },
  { heading: 'flatnet', align: 'right' },
  { heading: 'reference', align: 'right' },
  { heading: 'C floor', align: 'right' },
  { heading: 'ratio', align: 'left' },
  { heading: 'wanted', align: 'left' },
]

/** Cells of a row; `mark` writes whether what is wanted was seen. */
export function cells(row: Row, mark: (seen: boolean) => string): string[] {
  const { what, flatnet, reference, floor, ratio } = row
  const seen = met(row)
  return [
    what,
    flatnet,
    reference,
    floor,
    ratio === undefined ? '' : `${ratio.value.toFixed(ratio.value < 0.1 ? 3 : 2)} of ${ratio.of}`,
    seen === undefined ? '' : `${target(row)} ${mark(seen)}`,
  ]
}

function target({ ratio, wanted }: Row): string {
  if (ratio?.atMost !== undefined) return `≤ ${ratio.atMost}`
  return ratio?.atLeast === undefined ? (wanted?.text ?? '') : `≥ ${ratio.atLeast}`
}

/** Whether what is wanted was seen; undefined where nothing is. */
export function met({ ratio, wanted }: Row): boolean | undefined {
  if (ratio?.atMost !== undefined) return ratio.value <= ratio.atMost
  return ratio?.atLeast === undefined ? wanted?.seen : ratio.value >= ratio.atLeast
}

export function machine(): string {
  const processors = cpus()
  return `Linux ${release()}, ${processors.length} × ${processors[0]?.model.trim() ?? 'unknown processor'}`
}

function milliseconds(ms: number): string {
  if (Number.isNaN(ms)) return ''
  return `${ms < 100 ? ms.toFixed(2) : ms.toFixed(0)} ms`
}

function mebibytes(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`
}

function need(executables: Executables): string {
  return executables.static ? 'nothing' : 'libc'
}
