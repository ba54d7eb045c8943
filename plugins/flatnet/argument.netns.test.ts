/** `flatnet sync` of what is no file. */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { BIN } from '../../lib/testing/cni.js'
import { LONG } from '../../lib/testing/long.js'

const LIST = JSON.stringify({ cniVersion: '1.0.0', name: 'net', plugins: [] })

/** A shell in a folder with a FIFO; `$1` is the executable, `$2` a list that chains no table of nodes. */
function sync(t: { testdir(): string }, script: string) {
  const dir = t.testdir()
  spawnSync('mkfifo', [join(dir, 'fifo')])
  const shell = ['-c', script, 'bash', join(BIN, 'flatnet'), LIST]
  return spawnSync('bash', shell, { cwd: dir, encoding: 'utf8', timeout: 60_000 })
}

t.test('a pipe is read to its end, whenever it is opened and written', async (t) => {
  const chains = /chains neither host-gw nor vxlan/
  for (const script of [
    '"$1" sync <(echo "$2")',
    '"$1" sync <(echo "$2" | while read -rn 9 part; do printf "%s" "$part"; sleep 0.02; done)',
    '(sleep 0.2; echo "$2" >fifo) & "$1" sync fifo',
  ]) {
    t.match(sync(t, script), { status: 1, stderr: chains }, script)
  }
})

t.test('what never ends is said to be too large', async (t) => {
  const { status, stderr } = sync(t, '"$1" sync /dev/zero')
  t.equal(status, 1)
  t.match(stderr, /\/dev\/zero is too large\n.*16 MiB/)
  t.notMatch(stderr, /ulimit/)
})

t.test('a pipe that nobody writes to is not waited for without end', { skip: !LONG && 'FLATNET_LONG=1' }, async (t) => {
  t.match(sync(t, '"$1" sync fifo'), { status: 1, stderr: /cannot read fifo\n.*within 10 s/ })
})
