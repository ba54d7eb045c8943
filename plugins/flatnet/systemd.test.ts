/** The units of scripts/systemd, read by systemd itself. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'

const FOLDER = 'scripts/systemd'
const absent = spawnSync('systemd-analyze', ['--version']).status === 0 ? false : 'systemd-analyze is not there'

t.test('systemd has nothing to say against the units', { skip: absent }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'flatnet-units-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const units = readdirSync(FOLDER)
  t.same(units.map((name) => name.split('.')[1]).sort(), ['path', 'service', 'timer'])
  for (const unit of units) {
    const text = readFileSync(join(FOLDER, unit), 'utf8').replace('/opt/cni/bin/flatnet', '/bin/true')
    writeFileSync(join(folder, unit.replace('@', '@10-podnet')), text)
  }
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...readdirSync(folder)], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` },
  })
  t.same({ status, said: stdout + stderr }, { status: 0, said: '' })
})
