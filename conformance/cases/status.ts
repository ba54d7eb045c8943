/** STATUS: healthy where the next ADD can work, code 50 where it cannot. */

import { mkdirSync } from 'node:fs'
import { check, err, ok, ok0 } from '../assert.js'
import type { Case } from '../case.js'
import type { Context } from '../context.js'
import type { Json } from '../json.js'
import { filesBelow, readOnly } from '../witness.js'

function status(context: Context, over: Json = {}) {
  return context.call('STATUS', { config: context.config(over) })
}

/** An IPAM configuration with room for two attachments; skips plugins without ranges. */
export function tiny(context: Context): Json {
  if (context.plugin.config.ranges === undefined) context.skip('the plugin has no ranges')
  return { ipam: { ranges: [[{ subnet: '10.66.0.0/29', rangeStart: '10.66.0.2', rangeEnd: '10.66.0.3' }]] } }
}

export const cases: Case[] = [
  {
    id: 'STA-01',
    section: 'S2 STATUS',
    level: 'MUST',
    duty: ['P'],
    claim: 'STATUS of a healthy plugin succeeds and changes nothing, beside a running ADD too',
    needs: { since: '1.1.0' },
    async run(context) {
      const before = context.snapshot()
      for (let round = 0; round < 3; round++) ok0(status(context))
      context.unchanged(before, 'STATUS changes nothing')
      const one = context.attachment()
      const adding = one.start('ADD')
      const asked = Array.from({ length: 4 }, () => context.start('STATUS', { config: context.config() }))
      for (const { done } of asked) ok0(await done)
      ok(await adding.done)
      const after = context.snapshot()
      ok0(status(context))
      context.unchanged(after, 'STATUS changes nothing')
    },
  },
  {
    id: 'STA-02.pool',
    section: 'S2 STATUS',
    level: 'MUST',
    duty: ['IPAM'],
    claim: 'STATUS fails with code 50 where no address is left',
    needs: { since: '1.1.0' },
    run(context) {
      const config = tiny(context)
      ok0(status(context, config))
      for (let n = 0; n < 2; n++) context.attachment({ config }).added()
      err(status(context, config), 50)
    },
  },
  {
    id: 'STA-02.state',
    section: 'S2 STATUS',
    level: 'MUST',
    duty: ['P'],
    claim: 'STATUS fails with code 50 where the state directory cannot be written',
    needs: { since: '1.1.0', descriptor: ['state', 'stateKey'], root: true },
    run(context) {
      const one = context.attachment()
      one.added()
      const files = (context.plugin.state ?? []).flatMap(filesBelow)
      ok0(one.del())
      if (files.length === 0) context.skip('the plugin keeps no files')
      for (const directory of context.plugin.state ?? []) {
        mkdirSync(directory, { recursive: true })
        readOnly(context, directory)
      }
      err(status(context), 50)
    },
  },
  {
    id: 'STA-02.link',
    section: 'S2 STATUS',
    level: 'MUST',
    duty: ['IF'],
    claim: 'STATUS fails with code 50 where the name of the bridge is taken by another kind of link',
    needs: { since: '1.1.0', link: true },
    run(context) {
      const { bridge } = context.plugin.config
      if (bridge === undefined) context.skip('the plugin makes no bridge')
      context.host.sh(`ip link add ${bridge} type veth peer name other0`)
      err(status(context), 50)
    },
  },
  {
    id: 'STA-04',
    section: 'S2 STATUS',
    level: 'MUST',
    duty: ['DL'],
    claim: 'a failure of the delegate is passed on with its code',
    needs: { since: '1.1.0' },
    run(context) {
      for (const code of [50, 51]) {
        context.fake.fails('STATUS', code)
        err(status(context), code)
      }
    },
  },
  {
    id: 'STA-05',
    section: 'S2 STATUS',
    level: 'MUST',
    duty: ['DL'],
    claim: 'STATUS fails where the executable of the delegate is missing',
    needs: { since: '1.1.0' },
    run(context) {
      err(context.call('STATUS', { config: context.config(), path: context.bin }))
    },
  },
  {
    id: 'STA-06',
    section: 'S2 STATUS',
    level: 'MUST',
    duty: ['P'],
    claim: 'STATUS needs no container ID, namespace, interface or arguments in the environment',
    needs: { since: '1.1.0' },
    run(context) {
      const names = ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_ARGS']
      const env = Object.fromEntries(names.map((name) => [name, undefined]))
      ok0(context.call('STATUS', { config: context.config(), env }))
    },
  },
  {
    id: 'STA-07',
    section: 'S2, LIB',
    level: 'MUST',
    duty: ['P'],
    claim: 'STATUS at a version before 1.1.0 fails with code 1',
    needs: { until: '1.0.0' },
    versions: 'each',
    run(context) {
      if (!context.versions.includes('1.1.0')) context.skip('the plugin advertises no version that has STATUS')
      err(status(context), 1)
    },
  },
  {
    id: 'STA-08',
    section: 'S2 STATUS',
    level: 'SHOULD',
    duty: ['DL', 'IPAM'],
    claim: 'STATUS succeeds again when what was missing is there again',
    needs: { since: '1.1.0' },
    run(context) {
      if (context.plugin.delegates !== undefined) {
        context.fake.fails('STATUS', 50)
        err(status(context), 50)
        context.fake.on('STATUS')
        ok0(status(context))
        return
      }
      const config = tiny(context)
      const [one, two] = [context.attachment({ config }), context.attachment({ config })]
      for (const each of [one, two]) each.added()
      err(status(context, config), 50)
      ok0(one.del())
      ok0(status(context, config))
      check(one.add().status === 0, 'ADD succeeds again')
    },
  },
]
