/** The measurements as rows: who took how long, the ratio that counts, and the ratio that is wanted. */

import { cpus, release } from 'node:os'
import type { Column } from '../terminal/table.js'
import type { Executables } from './executables.js'
import type { Samples } from './samples.js'

export interface Row {
  readonly what: string
  readonly flatnet: string
  readonly reference: string
  readonly floor: string
  /** The ratio, of what, and the most it may be. */
  readonly ratio?: { readonly value: number; readonly of: string; readonly atMost: number }
  /** Whether what is wanted was seen, where it is no ratio. */
  readonly wanted?: { readonly text: string; readonly seen: boolean }
}

const MIB = 2 ** 20

/** The limits of ratio: of the reference's time, and of the floor's. */
const LIMITS = {
  empty: { ADD: 0.35, CHECK: 0.35, DEL: 1.15 },
  full: { ADD: 0.03, CHECK: 0.03, DEL: 1.2 },
} as const

export function versionRows(samples: Samples): Row[] {
  const [ours, theirs] = [beyondNoop(samples, 'flatnet'), beyondNoop(samples, 'reference')]
  return [
    {
      what: 'VERSION',
      flatnet: milliseconds(ours),
      reference: milliseconds(theirs),
      floor: '',
      ratio: { value: ours / theirs, of: 'reference', atMost: 0.6 },
    },
  ]
}

export function podRows(samples: Samples, leases: number): Row[] {
  const limits = leases === 0 ? LIMITS.empty : LIMITS.full
  const suffix = leases === 0 ? '' : `, ${leases.toLocaleString('en')} leases`
  return (['ADD', 'CHECK', 'DEL'] as const).map((command) => {
    const times = {
      flatnet: beyondNoop(samples, `flatnet ${command}`),
      reference: beyondNoop(samples, `reference ${command}`),
      floor: beyondNoop(samples, `floor ${command}`),
    }
    const of = command === 'DEL' ? 'floor' : 'reference'
    return {
      what: `${command}${suffix}`,
      flatnet: milliseconds(times.flatnet),
      reference: milliseconds(times.reference),
      floor: milliseconds(times.floor),
      ratio: { value: times.flatnet / times[of], of, atMost: limits[command] },
    }
  })
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
  const { what, flatnet, reference, floor, ratio, wanted } = row
  const seen = met(row)
  const target = ratio === undefined ? (wanted?.text ?? '') : `≤ ${ratio.atMost}`
  return [
    what,
    flatnet,
    reference,
    floor,
    ratio === undefined ? '' : `${ratio.value.toFixed(ratio.value < 0.1 ? 3 : 2)} of the ${ratio.of}`,
    seen === undefined ? '' : `${target} ${mark(seen)}`,
  ]
}

/** Whether what is wanted was seen; undefined where nothing is. */
export function met({ ratio, wanted }: Row): boolean | undefined {
  return ratio === undefined ? wanted?.seen : ratio.value <= ratio.atMost
}

export function machine(): string {
  const processors = cpus()
  return `Linux ${release()}, ${processors.length} × ${processors[0]?.model.trim() ?? 'unknown processor'}`
}

function beyondNoop(samples: Samples, label: string): number {
  return samples.ms(label) - samples.ms('noop')
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
