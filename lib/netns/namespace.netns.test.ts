/** DEL where CNI_NETNS cannot be opened: what says nothing of the container does not make its address free. */

import { spawnSync } from 'node:child_process'
import { existsSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { BIN, call, environment, expectSuccess } from '../testing/cni.js'
import { Netns, needs } from '../testing/netns.js'
import { network } from '../testing/pod-network.js'

const skip = needs('root') || (spawnSync('strace', ['-V']).status === 0 ? false : 'needs strace')

/** Every errno by which open(2) could be taken to say that no namespace is there, and two that say nothing. */
const ERRNOS = ['ELOOP', 'ENXIO', 'ENODEV', 'ENAMETOOLONG', 'EINVAL', 'EMFILE', 'EIO']

t.test(
  'a pod that only its namespace leads to keeps link and lease while that cannot be opened',
  { skip },
  async (t) => {
    const host = Netns.create(t, 'host')
    const container = Netns.create(t, 'pod', { loopback: false })
    const config = network(t)
    const add = expectSuccess('ADD', call({ command: 'ADD', host, config, netns: container })).json
    // As the reference makes it: nothing on the host tells whose the link is: no name, alias or MAC.
    const veth = add.interfaces[1].name
    host.run('ip', 'link', 'set', veth, 'alias', '')
    host.batch(`link set ${veth} down`, `link set ${veth} name theirs address 02:00:00:00:00:01`, 'link set theirs up')
    const theirs = { ...config, stateDir: `${config.stateDir}-of-nobody` }
    const lease = join(config.ipam.dataDir, 'net', '10.1.2.2')
    const isThere = () => container.try(['ip', 'link', 'show', 'eth0']).status === 0
    for (const errno of ERRNOS) {
      const strace = ['strace', '-f', '-o', '/dev/null', '-P', container.path, '-e', `inject=openat:error=${errno}`]
      const env = environment({ command: 'DEL', host, config: theirs, netns: container })
      const { status, stdout } = host.try([...strace, join(BIN, 'bridge')], { input: JSON.stringify(theirs), env })
      t.equal(status, 1, `${errno}: DEL fails: ${stdout}`)
      t.ok(isThere() && existsSync(lease), `${errno}: link and lease stay`)
    }
    t.equal(call({ command: 'DEL', host, config: theirs, netns: container }).status, 0)
    t.notOk(isThere() || existsSync(lease), 'DEL at last')
  },
)

t.test('a path by which no namespace was ever opened is as good as none', { skip }, async (t) => {
  const host = Netns.create(t, 'host')
  const container = Netns.create(t, 'pod', { loopback: false })
  const config = network(t)
  const loop = join(t.testdir({}), 'loop')
  symlinkSync(loop, loop)
  for (const path of [loop, `${loop}/below`, `/run/${'x'.repeat(300)}`, `${container.path}/below`]) {
    expectSuccess('ADD', call({ command: 'ADD', host, config, netns: container }))
    const { status, stdout } = call({ command: 'DEL', host, config, netns: path })
    t.equal(status, 0, `${path}: ${stdout}`)
    t.equal(container.try(['ip', 'link', 'show', 'eth0']).status, 1, 'the link is found by its record all the same')
    t.match(call({ command: 'ADD', host, config, netns: path }).json, { code: 4 }, `${path}: ADD`)
  }
})
