/**
 * A sample of what `make conformance-differential` compares, without packets: they would make it depend on how busy
 * the machine is.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { BIN } from '../../lib/testing/cni.js'
import { needs } from '../../lib/testing/netns.js'
import { reference } from '../../lib/testing/reference.js'
import { describe } from './report.js'
import { compareAll } from './run.js'

const other = reference()
const skip = needs('root') || (other === undefined ? 'no reference plugins' : false)

t.test('generated configurations have the same effect as in the reference, but for the rules', { skip }, async (t) => {
  if (other === undefined) return
  const directory = mkdtempSync(join(tmpdir(), 'flatnet-differential-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const wanted = { seed: 1, count: 40, bin: BIN, other, directory, jobs: 3, attempts: 4, packets: false }
  const { judged } = await compareAll(wanted)
  t.ok(judged.length >= 36, `${judged.length} configurations`)
  for (const { what, unknown, broken } of judged) {
    t.same(broken === undefined ? unknown.map(describe) : [broken], [], `${what.scenario}: ${what.title}`)
  }
})
