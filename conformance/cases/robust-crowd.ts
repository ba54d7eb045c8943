/** The same attachment from many sides, and many attachments over time. */

import { utimesSync } from 'node:fs'
import { check, ok, ok0, same, wellFormed } from '../assert.js'
import type { Case } from '../case.js'
import { hasOwnAddresses } from '../descriptor.js'
import { addressesIn, filesBelow, random } from '../witness.js'

const YEAR = 365 * 24 * 3600

export const cases: Case[] = [
  {
    id: 'ROB-30',
    section: 'robustness',
    level: 'MUST',
    duty: ['IF', 'IPAM'],
    claim: 'of ten ADDs of one attachment at once at most one makes it, and one DEL removes it',
    async run(context) {
      if (context.plugin.ifName !== undefined) context.skip('its ADD may be repeated')
      const one = context.attachment()
      const before = context.snapshot()
      const answers = await Promise.all(Array.from({ length: 10 }, () => one.start('ADD').done))
      const successes = answers.filter(wellFormed)
      const different = new Set(successes.map((answer) => addressesIn(answer.json).join(' ')))
      check(different.size <= 1, `all successes are one attachment: ${[...different].join(' | ')}`)
      if (context.plugin.kind === 'interface') {
        check(successes.length <= 1, `at most one ADD succeeds: ${successes.length}`)
        const links = one.netns.ip('link', 'show').map(({ ifname }) => ifname)
        same(
          links.filter((name) => name !== 'lo'),
          successes.length === 0 ? [] : [one.ifName],
          'links of the container',
        )
        if (successes.length === 1 && context.since('0.4.0'))
          ok0(one.check({ config: { prevResult: successes[0]?.json } }))
      }
      ok0(one.del())
      context.noResidue(before)
      same(context.fake.held(), [], 'addresses that the delegate has not got back')
    },
  },
  {
    id: 'ROB-31',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim: 'after a hundred rounds of ADD and DEL of one attachment at once a last DEL restores what was before',
    async run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      for (let round = 0; round < 100; round++) {
        context.fake.forget()
        const both = round % 2 === 0 ? ['ADD', 'DEL'] : ['DEL', 'ADD']
        for (const answer of await Promise.all(both.map((verb) => one.start(verb).done))) wellFormed(answer)
      }
      ok0(one.del())
      context.noResidue(before)
    },
  },
  {
    id: 'ROB-32',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim: 'two networks that share a bridge and directories work at the same time',
    async run(context) {
      const probes = [context.attachment(), context.attachment({ config: { name: 'suite2' } })]
      for (const probe of probes) probe.added()
      if (context.since('0.4.0') && !probes.every((probe) => probe.check().status === 0)) {
        context.skip('two networks of one configuration exclude each other')
      }
      const many = Array.from({ length: 12 }, (_, n) =>
        context.attachment({ config: n % 2 === 0 ? {} : { name: 'suite2' } }),
      )
      const answers = await Promise.all(many.map((one) => one.start('ADD').done))
      const results = answers.map(ok)
      for (const parity of [0, 1]) {
        const addresses = results.filter((_, n) => n % 2 === parity).flatMap(addressesIn)
        if (hasOwnAddresses(context.plugin)) same(new Set(addresses).size, addresses.length, 'distinct addresses')
      }
      if (context.since('0.4.0')) for (const one of [...probes, ...many]) ok0(one.check())
    },
  },
  {
    id: 'ROB-33',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'a GC beside an ADD leaves a whole attachment or none, and the valid ones alone',
    needs: { since: '1.1.0' },
    async run(context) {
      const kept = context.attachment()
      kept.added()
      const one = context.attachment()
      const before = context.snapshot()
      for (let round = 0; round < 15; round++) {
        const config = { ...context.config(), 'cni.dev/valid-attachments': [kept.valid] }
        one.renew()
        const adding = one.start('ADD')
        const answers = await Promise.all([context.start('GC', { config }).done, adding.done])
        for (const answer of answers) wellFormed(answer)
        ok0(one.del())
        ok0(kept.check())
      }
      context.noResidue(before, 'after GC beside ADD and a DEL all is as before')
    },
  },
  {
    id: 'ROB-34',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'files from a year ahead, as after a clock that was set back, and from a year ago do not matter',
    needs: { descriptor: ['state'] },
    // The clock itself is the machine's: no namespace has one of its own.
    run(context) {
      const [one, two] = [context.attachment(), context.attachment()]
      const before = context.snapshot()
      for (const offset of [YEAR, -YEAR]) {
        one.added()
        const time = Date.now() / 1000 + offset
        for (const path of context.stateDirectories.flatMap(filesBelow)) utimesSync(path, time, time)
        const addresses = [one, two].flatMap((each) =>
          each === two ? addressesIn(two.added()) : addressesIn(one.result),
        )
        if (hasOwnAddresses(context.plugin)) same(new Set(addresses).size, addresses.length, 'distinct addresses')
        if (context.since('0.4.0')) for (const each of [one, two]) ok0(each.check())
        for (const each of [one, two]) ok0(each.del())
        context.noResidue(before)
      }
    },
  },
  {
    id: 'ROB-35',
    section: 'robustness',
    level: 'MUST',
    duty: ['IPAM'],
    claim: '500 ADDs and 500 DELs in random order lose and double nothing, and take no longer towards the end',
    needs: { since: '0.3.0' },
    run(context) {
      if (context.plugin.config.ranges === undefined) context.skip('the plugin has no ranges')
      const config = { ipam: { ranges: [[{ subnet: '10.60.0.0/23' }]] } }
      const before = context.snapshot()
      const many = Array.from({ length: 500 }, () => context.attachment({ config, netns: context.container }))
      const next = random(35)
      const addresses: string[] = []
      const times = many.map((one) => {
        const begin = performance.now()
        addresses.push(...addressesIn(one.added()))
        return performance.now() - begin
      })
      same(new Set(addresses).size, 500, 'number of distinct addresses')
      const middle = (part: number[]) => part.sort((a, b) => a - b)[Math.floor(part.length / 2)] ?? 0
      const [early, late] = [middle(times.slice(0, 100)), middle(times.slice(-100))]
      check(
        late < 4 * early + 5,
        `an ADD takes ${late.toFixed(1)} ms at the end and ${early.toFixed(1)} ms in the beginning`,
      )
      const shuffled = many.map((one) => ({ one, at: next() })).sort((a, b) => a.at - b.at)
      const half = shuffled.slice(0, 250)
      for (const { one } of half) ok0(one.del())
      const again = half.flatMap(({ one }) => addressesIn(one.added()))
      same(new Set(again).size, 250, 'number of distinct addresses the second time')
      for (const { one } of shuffled) ok0(one.del())
      context.noResidue(
        before.filter((line) => !line.startsWith('container')),
        'after DEL of all nothing is left',
        ['container *'],
      )
    },
  },
]
