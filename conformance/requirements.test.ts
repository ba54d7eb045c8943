import t from 'tap'
import { requirementOf } from './case.js'
import { loadCases } from './cases.js'
import { MUTANTS } from './mutants/mutants.js'
import { forgotten, REQUIREMENTS, UNTESTED } from './requirements.js'

t.test('every requirement of the list has a case, or a reason why it has none', async (t) => {
  t.strictSame(forgotten(await loadCases()), [])
})

t.test('no case and no reason is for a requirement that is not in the list', async (t) => {
  const known = new Set(REQUIREMENTS)
  for (const { id } of await loadCases()) t.ok(known.has(requirementOf(id)), id)
  for (const id of Object.keys(UNTESTED)) t.ok(known.has(id), id)
})

t.test('every case has a sentence that says what holds, and its place in the specification', async (t) => {
  for (const { id, claim, section } of await loadCases()) {
    t.match(claim, /^\S.* .*[^.\s]$/, `${id}: ${claim}`)
    t.ok(section, `${id} has a section`)
  }
})

t.test('there are at least forty mutants, each with a requirement that a case is for', async (t) => {
  const covered = new Set((await loadCases()).map(({ id }) => requirementOf(id)))
  t.ok(MUTANTS.length >= 40)
  for (const { breaks, name } of MUTANTS) t.ok(covered.has(breaks), `${breaks} (${name})`)
})
