/** The demo, played to its end: what it claims holds, and the README shows what it draws. */

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { needs } from '../../lib/testing/netns.js'

const DEMO = fileURLToPath(new URL('./main.js', import.meta.url))

t.test('the demo', { skip: needs('root') }, async (t) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [DEMO, 'all'], { encoding: 'utf8' })

  t.test('every claim holds', async (t) => {
    t.equal(status, 0, `${stdout}${stderr}`)
    t.notMatch(stdout, /✗/)
    t.equal(stdout.match(/no lease left/g)?.length, 4, 'one end for each act')
  })

  t.test('the README shows what is drawn', async (t) => {
    const drawing = /```\n(┌─ node-1[^`]*)```/.exec(readFileSync('README.md', 'utf8'))?.[1] ?? 'no drawing'
    t.ok(stdout.replaceAll('\n  ', '\n').includes(drawing))
  })

  t.test('without a terminal nothing is coloured', async (t) => {
    t.notOk(stdout.includes('\u001b'))
  })
})
