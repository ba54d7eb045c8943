/** Known deviations of plugins under test, each with its reason. A waived failure fails no run. */

import { readFileSync } from 'node:fs'
import { requirementOf } from './case.js'
import type { Json } from './json.js'
import { REFERENCE, REFERENCE_1_1_1 } from './waivers-reference.js'

export interface Waiver {
  /** A case or a requirement. */
  readonly id: string
  /** Executables; default all. */
  readonly plugins?: readonly string[]
  readonly reason: string
}

/** The lists that come with the suite, by the name that `--waivers` takes. */
const LISTS: ReadonlyMap<string, readonly Waiver[]> = new Map([
  ['reference', REFERENCE],
  ['reference-1.1.1', REFERENCE_1_1_1],
])

/** One of the lists above, or a file with a JSON list of waivers. Throws where the file has none. */
export function readWaivers(name: string): readonly Waiver[] {
  const known = LISTS.get(name)
  if (known !== undefined) return known
  const list = JSON.parse(readFileSync(name, 'utf8'))
  if (!Array.isArray(list)) throw new Error(`${name}: a list of waivers is expected`)
  for (const waiver of list) {
    if (!isWaiver(waiver)) throw new Error(`${name}: a waiver has an id and a reason: ${JSON.stringify(waiver)}`)
  }
  return list
}

function isWaiver({ id, plugins, reason }: Json): boolean {
  return (
    typeof id === 'string' &&
    typeof reason === 'string' &&
    reason !== '' &&
    (plugins === undefined || Array.isArray(plugins))
  )
}

export function waiverFor(waivers: readonly Waiver[], id: string, plugin: string): Waiver | undefined {
  return waivers.find(
    (waiver) =>
      (waiver.id === id || waiver.id === requirementOf(id)) &&
      (waiver.plugins === undefined || waiver.plugins.includes(plugin)),
  )
}
