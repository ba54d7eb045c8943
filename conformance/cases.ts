/** All cases: what the modules in `cases/` export as a list. */

import { readdirSync } from 'node:fs'
import type { Case } from './case.js'

export async function loadCases(): Promise<Case[]> {
  const folder = new URL('./cases/', import.meta.url)
  const files = readdirSync(folder).filter((name) => name.endsWith('.js') && !name.endsWith('.test.js'))
  const modules = await Promise.all(files.sort().map((name) => import(new URL(name, folder).href)))
  const cases = modules.flatMap((module) => (module.cases as Case[] | undefined) ?? [])
  const seen = new Set<string>()
  for (const { id } of cases) {
    if (seen.has(id)) throw new Error(`two cases are called ${id}`)
    seen.add(id)
  }
  return cases
}
