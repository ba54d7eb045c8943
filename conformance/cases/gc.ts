/** GC: what no valid attachment accounts for goes, and nothing else. */

import { check, err, ok0, same } from '../assert.js'
import type { Attachment } from '../attachment.js'
import type { Answer } from '../call.js'
import type { Case } from '../case.js'
import type { Context } from '../context.js'
import type { Json } from '../json.js'
import { equal } from '../json.js'
import { matches, type Snapshot } from '../snapshot.js'
import { linksSettled, nothingLeftOnHost, ofHost, vethsOf } from '../witness.js'

const KEY = 'cni.dev/valid-attachments'
const FORMER_KEY = 'cni.dev/attachments'

/** GC with exactly these members besides the configuration. */
function gc(context: Context, keys: Json, over: Json = {}): Answer {
  return context.call('GC', { config: { ...context.config(over), ...keys } })
}

function validOf(...attachments: Attachment[]): Json[] {
  return attachments.map(({ valid }) => valid)
}

interface Kept {
  readonly first: Attachment
  readonly second: Attachment
  /** Has no business here any more. */
  readonly stale: Attachment
  /** The host before and after the stale one was made. */
  readonly without: Snapshot
  readonly with: Snapshot
  readonly links: readonly string[]
}

/** Three attachments; skips a plugin that keeps nothing of an attachment on the host. */
function three(context: Context): Kept {
  const first = context.attachment()
  const second = context.attachment()
  const stale = context.attachment()
  for (const one of [first, second]) one.added()
  const without = context.snapshot()
  const links = vethsOf(context.host)
  stale.added()
  const after = context.snapshot()
  if (equal(essence(context, without), essence(context, after))) {
    context.skip('the plugin keeps nothing of an attachment on the host')
  }
  const fresh = vethsOf(context.host).filter((name) => !links.includes(name))
  return { first, second, stale, without, with: after, links: fresh }
}

/** What there is of the host beyond declared leftovers. */
function essence(context: Context, snapshot: Snapshot): string[] {
  const leaves = context.plugin.leaves ?? []
  return ofHost(snapshot).filter((line) => !leaves.some((pattern) => matches(pattern, line)))
}

/** Fails where the stale one is still there, or one of the others is not as it was. */
async function onlyStaleGone(context: Context, { first, second, without, links }: Kept): Promise<void> {
  await linksSettled(context, links)
  nothingLeftOnHost(context, without, 'GC removes what the stale attachment has on the host')
  for (const one of [first, second]) ok0(one.check())
}

function nothingGone(context: Context, before: Snapshot, what: string): void {
  same(essence(context, context.snapshot()), essence(context, before), what)
}

export const cases: Case[] = [
  {
    id: 'GC-01',
    section: 'S2 GC',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'GC removes what a stale attachment holds, and the valid ones pass CHECK',
    needs: { since: '1.1.0' },
    async run(context) {
      const kept = three(context)
      ok0(gc(context, { [KEY]: validOf(kept.first, kept.second), [FORMER_KEY]: validOf(kept.first, kept.second) }))
      await onlyStaleGone(context, kept)
    },
  },
  {
    id: 'GC-01.again',
    section: 'S2 GC',
    level: 'SHOULD',
    duty: ['IPAM'],
    claim: 'an address that GC has freed can be allocated again',
    needs: { since: '1.1.0', capabilities: ['ips'], leases: true },
    run(context) {
      const ips = context.plugin.capabilities?.['ips']
      const one = context.attachment({ config: { runtimeConfig: { ips } } })
      const two = context.attachment({ config: { runtimeConfig: { ips } } })
      one.added()
      err(two.add())
      ok0(gc(context, { [KEY]: [], [FORMER_KEY]: [] }))
      two.added()
    },
  },
  {
    id: 'GC-01.masquerade',
    section: 'S2 GC',
    level: 'SHOULD',
    duty: ['DL'],
    claim: 'GC removes the rules by which a stale attachment got the host’s address',
    needs: { since: '1.1.0', link: true, kernel: ['nft nat'] },
    async run(context) {
      const config = { ipMasq: true }
      const [first, stale] = [context.attachment({ config }), context.attachment({ config })]
      first.added()
      const without = context.snapshot()
      const links = vethsOf(context.host)
      stale.added()
      const rules = (snapshot: Snapshot) => snapshot.filter((line) => line.startsWith('host nft '))
      if (equal(rules(without), rules(context.snapshot()))) context.skip('the plugin has no rule for each attachment')
      const fresh = vethsOf(context.host).filter((name) => !links.includes(name))
      const valid = validOf(first)
      ok0(gc(context, { [KEY]: valid, [FORMER_KEY]: valid }, config))
      await linksSettled(context, fresh)
      nothingLeftOnHost(context, without, 'GC removes the rules of the stale attachment')
      ok0(first.check())
    },
  },
  {
    id: 'GC-02',
    section: 'S2 GC',
    level: 'MUST',
    duty: ['P'],
    claim: 'an entry that matches in the container ID or in the interface name alone makes nothing valid',
    needs: { since: '1.1.0' },
    async run(context) {
      const kept = three(context)
      const { containerId, ifName } = kept.stale
      const half = [
        { containerID: containerId, ifname: 'other9' },
        { containerID: 'nobody', ifname: ifName },
        { containerID: `${containerId}0`, ifname: ifName },
      ]
      ok0(gc(context, { [KEY]: [...validOf(kept.first, kept.second), ...half] }))
      await onlyStaleGone(context, kept)
    },
  },
  {
    id: 'GC-03',
    section: 'S2 GC',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'an empty list of valid attachments, and null, make everything of the network stale',
    needs: { since: '1.1.0' },
    async run(context) {
      for (const list of [[], null]) {
        const one = context.attachment()
        const without = context.snapshot()
        const links = vethsOf(context.host)
        one.added()
        if (equal(essence(context, without), essence(context, context.snapshot()))) {
          context.skip('the plugin keeps nothing of an attachment on the host')
        }
        const fresh = vethsOf(context.host).filter((name) => !links.includes(name))
        ok0(gc(context, { [KEY]: list, [FORMER_KEY]: list }))
        await linksSettled(context, fresh)
        nothingLeftOnHost(context, without, `GC with ${JSON.stringify(list)} removes everything`)
        ok0(one.del())
      }
    },
  },
  {
    id: 'GC-04',
    section: 'S2 GC, LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'GC without a list removes everything or nothing of the network, or fails with code 7',
    needs: { since: '1.1.0' },
    async run(context) {
      const kept = three(context)
      const answer = gc(context, {})
      if (answer.status !== 0) err(answer, 7)
      else ok0(answer)
      const [one, two, three_] = [kept.first, kept.second, kept.stale].map((each) => each.check().status === 0)
      check(one === two && two === three_, 'all attachments pass CHECK, or none does')
      if (answer.status !== 0) nothingGone(context, kept.with, 'host after a GC that failed')
    },
  },
  {
    id: 'GC-05',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'the former key counts where the current one is absent, and only there',
    needs: { since: '1.1.0' },
    async run(context) {
      const kept = three(context)
      ok0(gc(context, { [FORMER_KEY]: validOf(kept.first, kept.second) }))
      await onlyStaleGone(context, kept)
      const before = context.snapshot()
      ok0(gc(context, { [FORMER_KEY]: [], [KEY]: validOf(kept.first, kept.second) }))
      nothingGone(context, before, 'host after GC whose current key names all')
    },
  },
  {
    id: 'GC-06',
    section: 'S2 GC',
    level: 'DF',
    duty: ['P'],
    claim: 'a malformed list is an error with code 6 or 7, and nothing is removed',
    needs: { since: '1.1.0' },
    run(context) {
      const kept = three(context)
      const lists: Json[] = [
        'all',
        7,
        {},
        { containerID: 'c1' },
        ['c1'],
        [{ ifname: 'eth0' }],
        [{ containerID: 7, ifname: 'eth0' }],
        [null],
      ]
      for (const list of lists) {
        err(gc(context, { [KEY]: list, [FORMER_KEY]: list }), 6, 7)
        nothingGone(context, kept.with, `host after GC with ${JSON.stringify(list)}`)
      }
    },
  },
  {
    id: 'GC-07',
    section: 'S2 GC',
    level: 'MUST',
    duty: ['P'],
    claim: 'valid attachments that the plugin never saw are no error, and nothing is made for them',
    needs: { since: '1.1.0' },
    run(context) {
      const one = context.attachment()
      one.added()
      const before = context.snapshot()
      const strangers = [
        { containerID: 'stranger', ifname: 'eth0' },
        { containerID: 'other', ifname: 'net1' },
      ]
      ok0(gc(context, { [KEY]: [one.valid, ...strangers], [FORMER_KEY]: [one.valid, ...strangers] }))
      context.noResidue(before, 'GC with only valid attachments changes nothing')
      ok0(one.check())
    },
  },
  {
    id: 'GC-08',
    section: 'S0.4, S2 GC',
    level: 'MUST',
    duty: ['P'],
    claim: 'GC of one network leaves another one with the same directories alone',
    needs: { since: '1.1.0' },
    run(context) {
      const one = context.attachment()
      const other = context.attachment({ config: { name: 'suite-other' } })
      const alike = context.attachment({ config: { name: 'suit' } })
      for (const each of [other, alike]) each.added()
      const together = [other, alike].every((each) => each.check().status === 0)
      if (!together) context.skip('two networks of one configuration exclude each other')
      one.added()
      ok0(one.del())
      const before = context.snapshot()
      ok0(gc(context, { [KEY]: [], [FORMER_KEY]: [] }))
      context.noResidue(before, 'GC of one network changes nothing of the others')
      for (const each of [other, alike]) ok0(each.check())
    },
  },
  {
    id: 'GC-09',
    section: 'S2 GC, S4',
    level: 'MUST',
    duty: ['DL'],
    claim: 'the delegate gets GC, with the same configuration and the same search path',
    needs: { since: '1.1.0' },
    run(context) {
      const one = context.attachment()
      one.added()
      context.fake.forget()
      const config = {
        ...context.config({ unknownToAll: { deep: [1, 'x'] } }),
        [KEY]: [one.valid],
        [FORMER_KEY]: [one.valid],
      }
      ok0(context.call('GC', { config }))
      same(context.fake.verbs(), ['GC'], 'verbs of the delegate')
      const call = context.fake.calls()[0]
      same(call?.config, config, 'stdin of the delegate')
      same(call?.env['CNI_PATH'], context.path, 'CNI_PATH of the delegate')
    },
  },
  {
    id: 'GC-10',
    section: 'S2 GC',
    level: 'SHOULD',
    duty: ['DL'],
    claim: 'where the delegate fails GC the rest is removed all the same, and the failure is reported',
    needs: { since: '1.1.0' },
    async run(context) {
      const kept = three(context)
      context.fake.fails('GC', 142, 'delegate will not')
      const error = err(gc(context, { [KEY]: validOf(kept.first, kept.second) }))
      check(`${error.msg} ${error.details ?? ''}`.includes('delegate will not'), `the text is passed on: ${error.msg}`)
      await linksSettled(context, kept.links)
      nothingLeftOnHost(context, kept.without, 'GC whose delegate fails removes the rest')
    },
  },
  {
    id: 'GC-11',
    section: 'S2 GC',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'GC succeeds without any state, and twice',
    needs: { since: '1.1.0' },
    run(context) {
      const before = context.snapshot()
      ok0(gc(context, { [KEY]: [], [FORMER_KEY]: [] }))
      ok0(gc(context, { [KEY]: [], [FORMER_KEY]: [] }))
      context.noResidue(before, 'GC without state makes nothing')
    },
  },
  {
    id: 'GC-12',
    section: 'S2 GC, LIB',
    level: 'MUST',
    duty: ['P'],
    claim: 'GC at a version before 1.1.0 fails with code 1',
    needs: { until: '1.0.0' },
    versions: 'each',
    run(context) {
      if (!context.versions.includes('1.1.0')) context.skip('the plugin advertises no version that has GC')
      err(gc(context, { [KEY]: [] }), 1)
    },
  },
]
