/** What came of one mutant. */

import { requirementOf } from '../case.js'
import type { Mutant } from './mutant.js'

export interface Trial {
  readonly number: number
  readonly mutant: Mutant
  /** Requirements of which a case was run. */
  readonly ran: Set<string>
  /** The cases that failed, with what they said. */
  readonly failed: Map<string, string>
}

/** Whether it was caught by its own cases and no stranger's, and lines of TAP that say so. */
export function judge({ number, mutant, ran, failed }: Trial): { readonly ok: boolean; readonly lines: string[] } {
  const { name, plugin, breaks, also = {} } = mutant
  const ids = [...failed.keys()]
  const own = ids.filter((id) => requirementOf(id) === breaks)
  const strays = ids.filter((id) => requirementOf(id) !== breaks && !(requirementOf(id) in also))
  const fell = new Set(ids.map(requirementOf))
  const idle = Object.keys(also).filter((id) => ran.has(id) && !fell.has(id))
  const ok = own.length > 0 && strays.length === 0 && idle.length === 0
  const lines = [`${ok ? 'ok' : 'not ok'} ${number} - ${plugin} that ${name}: caught by ${own.join(' ') || 'nothing'}`]
  if (own.length === 0) lines.push(`  # ${breaks} ${ran.has(breaks) ? 'does not catch it' : 'was not run'}`)
  for (const [id, why] of Object.entries(also)) if (fell.has(id)) lines.push(`  # and ${id}, which ${why}`)
  for (const id of idle) lines.push(`  # ${id} is named as related and passes`)
  for (const id of strays) lines.push(`  # ${id} fails, too: ${failed.get(id)?.split('\n')[0]}`)
  if (ok) lines.push(`  # ${ran.size - fell.size} other requirements are kept`)
  return { ok, lines }
}
