import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { needTools } from './tools.js'

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url))

/** A folder with all the programs of this machine but one. */
function without(t: Test, tool: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'tools-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const seen = new Set([tool])
  for (const from of (process.env['PATH'] ?? '').split(':')) {
    for (const name of list(from)) {
      if (!seen.has(name)) symlinkSync(join(from, name), join(folder, name))
      seen.add(name)
    }
  }
  return folder
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function run(path: string) {
  const args = ['-i', `PATH=${path}`, process.execPath, MAIN, '--bin', '.', '--only', 'VER']
  return spawnSync('env', args, { encoding: 'utf8' })
}

t.test('a program that is missing is named, and nothing is run', async (t) => {
  for (const tool of ['ping', 'flock', 'nsenter']) {
    const { status, stdout, stderr } = run(without(t, tool))
    t.equal(status, 2)
    t.match(stderr, new RegExp(`the suite needs ${tool}: not found`))
    t.equal(stdout, '')
  }
})

t.test('one that does not do what it must is missing, too', async (t) => {
  const folder = without(t, 'ping')
  writeFileSync(join(folder, 'ping'), '#!/bin/sh\necho "invalid option -- n"\nexit 1\n', { mode: 0o755 })
  const { status, stderr } = run(folder)
  t.equal(status, 2)
  t.match(stderr, /needs a ping that does this: .*\ninvalid option/)
})

t.test('this machine has them all', async (t) => {
  t.doesNotThrow(() => needTools())
})
