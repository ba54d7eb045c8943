/** Each file that a node remembers a table of nodes by, and in its place each thing that is no such file. */

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Cluster } from '../testing/cluster.js'
import { call, type Json } from '../testing/cni.js'
import { needs } from '../testing/netns.js'
import { ODDITIES, put } from '../testing/oddities.js'

const FILES = ['stamp', 'applied', 'peers', 'excluded', 'lock']

t.test('whatever is in the place of what a node remembers, peers are served', { skip: needs('root') }, async (t) => {
  const cluster = new Cluster(t)
  const node = cluster.addNode({ name: 'n1', addresses: ['10.9.0.1/24'], podCIDRs: ['10.244.1.0/24'] })
  node.writeTable([...cluster.table(), { name: 'n2', addresses: ['10.9.0.2'], podCIDRs: ['10.244.2.0/24'] }])
  const { host, stateDir } = node
  const { netns, id, prevResult } = node.makePod()
  const config = { ...node.config({ type: 'vxlan' }), prevResult }
  const run = (command: 'ADD' | 'DEL' | 'GC', more: Json = {}) =>
    call({ command, host, config: { ...config, ...more }, netns: command === 'GC' ? '' : netns, containerId: id })
  const gc = () => run('GC', { prevResult: undefined, 'cni.dev/valid-attachments': [] })
  for (const file of FILES) {
    const path = join(stateDir, config.name, 'vxlan', file)
    for (const oddity of Object.keys(ODDITIES)) {
      const claim = `${file} is ${oddity}`
      host.run('ip', 'route', 'flush', 'proto', '70')
      put(path, oddity)
      const { status, json, stderr } = run('ADD')
      if (oddity !== 'a directory' || status === 0)
        t.equal(status, 0, `${claim}: ADD: ${JSON.stringify(json)} ${stderr}`)
      else t.match(json, { code: 5, msg: /it is a directory/, details: /rm -r/ }, `${claim}: ADD says why not`)
      if (status === 0) t.equal(host.ip('route', 'show', '10.244.2.0/24').length, 1, `${claim}: the peer is served`)
      put(path, oddity)
      t.equal(run('DEL').status, 0, `${claim}: DEL`)
      const swept = gc()
      if (oddity !== 'a directory') t.equal(swept.status, 0, `${claim}: GC: ${JSON.stringify(swept.json)}`)
      rmSync(path, { recursive: true, force: true })
    }
  }
})
