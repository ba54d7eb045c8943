/** DEL: total, repeatable, and of one attachment only. */

import { rmSync } from 'node:fs'
import { check, err, ok0, same } from '../assert.js'
import type { Case } from '../case.js'
import type { Json } from '../json.js'
import { filesBelow, linksSettled, nothingLeft, nothingLeftOnHost, vethsOf } from '../witness.js'

/** A prevResult of DEL in which something is wrong. */
const MALFORMED: Record<string, Json> = {
  'a string': 'garbage',
  'a number': 7,
  'a list': [],
  'a bad address': { ips: [{ address: 'nonsense', gateway: 'none' }] },
  'interfaces that are no list': { interfaces: 'eth0' },
  'an unknown version': { cniVersion: '9.9.9', ips: [] },
  'an index out of range': { interfaces: [], ips: [{ address: '10.88.0.2/24', interface: 7 }] },
}

export const cases: Case[] = [
  {
    id: 'DEL-01',
    section: 'S2 DEL',
    level: 'MUST',
    duty: ['P'],
    claim: 'DEL after ADD is silent and leaves what was before, but for declared leftovers',
    versions: 'each',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      one.added()
      ok0(one.del())
      if (context.plugin.kind === 'interface' && context.plugin.ifName === undefined) {
        check(one.netns.link(one.ifName) === undefined, `${one.ifName} is gone`)
      }
      context.noResidue(before)
      same(context.fake.held(), [], 'addresses that the delegate has not got back')
    },
  },
  {
    id: 'DEL-02',
    section: 'S2 DEL',
    level: 'MUST',
    duty: ['P'],
    claim: 'a second and a third DEL succeed and change nothing',
    run(context) {
      const one = context.attachment()
      one.added()
      ok0(one.del())
      const before = context.snapshot()
      ok0(one.del())
      ok0(one.del())
      context.noResidue(before, 'repeated DEL changes nothing')
    },
  },
  {
    id: 'DEL-03',
    section: 'S2 DEL',
    level: 'MUST',
    duty: ['P'],
    claim: 'DEL of an attachment that never was succeeds and changes nothing',
    run(context) {
      const one = context.attachment({ containerId: 'never-seen' })
      const before = context.snapshot()
      ok0(one.del())
      context.noResidue(before, 'DEL without ADD changes nothing')
    },
  },
  {
    id: 'DEL-04',
    section: 'S2 DEL',
    level: 'MUST',
    duty: ['IF', 'CH'],
    claim: 'DEL after the link was removed by hand succeeds and releases the rest',
    run(context) {
      if (context.plugin.ifName !== undefined) context.skip('its link cannot be removed')
      const one = context.attachment()
      const before = context.snapshot()
      one.added()
      one.netns.sh(`ip link del ${one.ifName}`)
      ok0(one.del())
      nothingLeft(context, before, 'DEL without a link leaves nothing')
      same(context.fake.held(), [], 'addresses that the delegate has not got back')
    },
  },
  {
    id: 'DEL-05',
    section: 'S2 DEL',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'DEL with a namespace path that is gone succeeds and releases what is on the host',
    async run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const links = vethsOf(context.host)
      one.added()
      const fresh = vethsOf(context.host).filter((name) => !links.includes(name))
      one.netns.remove()
      ok0(one.del())
      await linksSettled(context, fresh)
      nothingLeftOnHost(context, before, 'DEL without a namespace leaves nothing on the host')
      same(context.fake.held(), [], 'addresses that the delegate has not got back')
    },
  },
  {
    id: 'DEL-05.empty',
    section: 'S2 DEL',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'DEL without CNI_NETNS, the namespace being gone, succeeds and releases what is on the host',
    async run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const links = vethsOf(context.host)
      one.added()
      const fresh = vethsOf(context.host).filter((name) => !links.includes(name))
      one.netns.remove()
      ok0(one.del({ netns: '' }))
      await linksSettled(context, fresh)
      nothingLeftOnHost(context, before, 'DEL without a namespace leaves nothing on the host')
      same(context.fake.held(), [], 'addresses that the delegate has not got back')
    },
  },
  {
    id: 'DEL-06',
    section: 'S2 DEL',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'DEL with a namespace path that is a plain file succeeds and releases what is on the host',
    async run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const links = vethsOf(context.host)
      one.added()
      const fresh = vethsOf(context.host).filter((name) => !links.includes(name))
      one.netns.unmount()
      ok0(one.del())
      one.netns.remove()
      await linksSettled(context, fresh)
      nothingLeftOnHost(context, before, 'DEL with an unmounted namespace leaves nothing on the host')
      same(context.fake.held(), [], 'addresses that the delegate has not got back')
    },
  },
  {
    id: 'DEL-07',
    section: 'S2 DEL',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'DEL without prevResult, or with null or an empty one, succeeds and leaves what was before',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      for (const prevResult of [undefined, null, {}]) {
        one.added()
        ok0(one.del({ stdin: JSON.stringify({ ...one.config('DEL'), prevResult }) }))
        context.noResidue(before, `DEL with prevResult ${JSON.stringify(prevResult)} restores what was before`)
      }
    },
  },
  {
    id: 'DEL-08',
    section: 'S2 DEL',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'DEL with a malformed prevResult succeeds and leaves what was before',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const older = { ...(one.prevResult ?? {}), cniVersion: context.since('1.0.0') ? '0.2.0' : '1.0.0' }
      for (const [what, prevResult] of Object.entries({ ...MALFORMED, 'another version': older })) {
        one.added()
        ok0(one.del({ stdin: JSON.stringify({ ...one.config('DEL'), prevResult }) }))
        context.noResidue(before, `DEL whose prevResult is ${what} restores what was before`)
      }
    },
  },
  {
    id: 'DEL-09',
    section: 'S2 DEL',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'DEL succeeds where the records of the attachment are gone',
    needs: { descriptor: ['state'] },
    run(context) {
      const one = context.attachment()
      one.added()
      for (const file of context.stateDirectories.flatMap(filesBelow)) rmSync(file, { force: true })
      ok0(one.del())
    },
  },
  {
    id: 'DEL-09.rules',
    section: 'S2 DEL',
    level: 'SHOULD',
    duty: ['IF', 'CH'],
    claim: 'DEL succeeds where somebody has flushed the packet filter and the queues',
    needs: { kernel: ['nft'] },
    run(context) {
      const one = context.attachment()
      one.added()
      context.host.sh(
        'nft flush ruleset',
        'for l in $(ls /sys/class/net); do tc qdisc del dev $l root; done 2>/dev/null || :',
      )
      ok0(one.del())
    },
  },
  {
    id: 'DEL-10',
    section: 'S2 DEL',
    level: 'SHOULD',
    duty: ['CH'],
    claim: 'DEL without the runtimeConfig that ADD was given undoes what ADD did',
    needs: { descriptor: ['capabilities'] },
    run(context) {
      const runtimeConfig = context.plugin.capabilities
      const one = context.attachment()
      const before = context.snapshot()
      one.added({ config: { runtimeConfig } })
      ok0(one.del({ config: { runtimeConfig: undefined } }))
      context.noResidue(before, 'DEL without runtimeConfig restores what was before')
    },
  },
  {
    id: 'DEL-11',
    section: 'S3',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'DEL succeeds and releases the attachment though the configuration was edited since ADD',
    run(context) {
      const { plugin, versions, version } = context
      const one = context.attachment()
      const before = context.snapshot()
      const edits: Record<string, Json> = {
        'an older version': { cniVersion: versions[0] ?? version, prevResult: undefined },
      }
      if (plugin.config.bridge !== undefined) edits['another bridge'] = { bridge: 'renamed0' }
      if (plugin.config.ranges !== undefined)
        edits['another subnet'] = { ipam: { ranges: [[{ subnet: '10.199.0.0/24' }]] } }
      for (const [what, config] of Object.entries(edits)) {
        one.added()
        ok0(one.del({ config }))
        context.noResidue(before, `DEL after the configuration got ${what} restores what was before`)
      }
    },
  },
  {
    id: 'DEL-12',
    section: 'S2, S0.4',
    level: 'MUST',
    duty: ['P'],
    claim: 'DEL of another container, another interface or another network leaves its neighbours alone',
    run(context) {
      const one = context.attachment({ containerId: 'n1' })
      const longer = context.attachment({ containerId: 'n10' })
      const prefix = context.attachment({ containerId: 'n' })
      const otherNetwork = context.attachment({ containerId: 'n1', netns: context.netns(), config: { name: 'suite2' } })
      one.added()
      const before = context.snapshot()
      for (const other of [longer, prefix, otherNetwork]) ok0(other.del({ config: { prevResult: other.prevResult } }))
      if (context.plugin.ifName === undefined) ok0(one.del({ ifName: 'eth9', config: { prevResult: undefined } }))
      const files = (context.plugin.leaves ?? []).filter((pattern) => pattern.startsWith('file '))
      context.unchanged(before, 'DEL of others changes nothing', [...context.lastingDirectories, ...files])
      if (context.since('0.4.0')) ok0(one.check())
    },
  },
  {
    id: 'DEL-13',
    section: 'S4',
    level: 'MUST',
    duty: ['DL'],
    claim: 'the delegate gets DEL, whether the namespace is there or not',
    run(context) {
      const [one, two] = [context.attachment(), context.attachment()]
      for (const each of [one, two]) each.added()
      two.netns.remove()
      context.fake.forget()
      ok0(one.del())
      same(context.fake.verbs(), ['DEL'], 'verbs of the delegate with a namespace')
      context.fake.forget()
      ok0(two.del())
      same(context.fake.verbs(), ['DEL'], 'verbs of the delegate without a namespace')
      same(context.fake.calls()[0]?.env['CNI_CONTAINERID'], two.containerId, 'CNI_CONTAINERID of the delegate')
    },
  },
  {
    id: 'DEL-14',
    section: 'S2 DEL, S4',
    level: 'SHOULD',
    duty: ['DL'],
    claim: 'where the delegate fails DEL the plugin removes its own part and passes code and text on',
    run(context) {
      const one = context.attachment()
      one.added()
      context.fake.fails('DEL', 142, 'delegate will not')
      const error = err(one.del(), 142)
      check(`${error.msg} ${error.details ?? ''}`.includes('delegate will not'), `the text is passed on: ${error.msg}`)
      check(one.netns.link(one.ifName) === undefined, `${one.ifName} is gone`)
      context.fake.on('DEL')
      ok0(one.del())
    },
  },
]
