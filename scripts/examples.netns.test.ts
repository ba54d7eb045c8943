/** What the documents show works as it stands, in each version that it names. */

import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { missingFeatures } from '../conformance/features.js'
import { PLUGINS } from '../conformance/plugins.js'
import { examples, SHIPPED_VERSIONS, TABLE, versionsOf } from '../conformance/runtimes/examples.js'
import { Attachment, BIN, expectSuccess, type Json } from '../lib/testing/cni.js'
import { Netns, needs } from '../lib/testing/netns.js'

t.test('shipped lists are for old runtimes and for new ones', async (t) => {
  const lists = examples().filter(({ place }) => place.endsWith('.conflist'))
  t.equal(lists.length, readdirSync('docs').filter((name) => name.endsWith('.conflist')).length)
  for (const { place, list } of lists) t.match(list, SHIPPED_VERSIONS, place)
})

t.test('every example makes a pod, and says nothing', { skip: needs('root') }, async (t) => {
  const all = examples()
  const types = all.flatMap(({ list }) => list.plugins.map(({ type }) => type))
  for (const type of ['bridge', 'ptp', 'host-gw', 'vxlan', 'loopback'])
    t.ok(types.includes(type), `${type} has an example`)
  const missing = missingFeatures()
  const isLacking = (type: unknown) =>
    PLUGINS.find((plugin) => plugin.type === type)?.needs?.some((feature) => missing.has(feature)) === true
  for (const { place, list } of all) {
    if (list.plugins.some(({ type }) => isLacking(type))) continue // test-vm has a kernel for it
    for (const cniVersion of versionsOf(list)) {
      const folder = mkdtempSync(join(tmpdir(), 'flatnet-example-'))
      t.teardown(() => rmSync(folder, { recursive: true, force: true }))
      const host = Netns.create(t, 'node')
      host.batch(
        'link add eth0 type veth peer away',
        `addr add ${TABLE.address} dev eth0`,
        'link set eth0 up',
        'link set away up',
      )
      host.run('ip', 'route', 'add', 'default', 'via', '10.0.1.1')
      copyFileSync(TABLE.shown, `${folder}/nodes.json`)
      const config = JSON.parse(
        JSON.stringify({ ...list, cniVersion }).replaceAll(TABLE.installed, `${folder}/nodes.json`),
      )
      for (const plugin of config.plugins) {
        plugin.stateDir = `${folder}/run`
        if (plugin.ipam !== undefined) plugin.ipam.dataDir = `${folder}/leases`
      }
      const attachment = new Attachment(host, config, Netns.create(t, 'pod', { loopback: false }))
      const what = `${place} with ${cniVersion}`
      if (cniVersion === '1.1.0') expectSuccess(`${what}: STATUS`, attachment.status())
      const added = expectSuccess(`${what}: ADD`, attachment.tryAdd())
      t.equal(added.json.cniVersion, cniVersion, what)
      // The other nodes of the table are behind a router, which is what host-gw says of them.
      if (!config.plugins.some(({ type }: Json) => type === 'host-gw')) {
        t.equal(added.stderr, '', `${what}: ADD says nothing`)
        attachment.check()
      }
      if (config.plugins.some(({ nodesFile }: Json) => nodesFile !== undefined)) {
        const file = `${folder}/conflist`
        writeFileSync(file, JSON.stringify({ ...config, ...list, plugins: config.plugins }))
        const { stdout } = host.try([`${BIN}/flatnet`, 'sync', file])
        t.match(stdout, /on node-1: nothing to change/, `${what}: and sync takes the list`)
      }
      attachment.del()
      t.notOk(existsSync(`${folder}/leases/${config.name}/10.244.1.2`), `${what}: DEL`)
    }
  }
})
