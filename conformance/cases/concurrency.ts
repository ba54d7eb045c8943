/** Many at once. */

import { check, done, ok, ok0, same } from '../assert.js'
import type { Attachment } from '../attachment.js'
import type { Case } from '../case.js'
import type { Context } from '../context.js'
import type { Json } from '../json.js'
import { addressesIn } from '../witness.js'

const MANY = 20

function attachments(context: Context, count: number): Attachment[] {
  return Array.from({ length: count }, () => context.attachment())
}

export const cases: Case[] = [
  {
    id: 'CON-01',
    section: 'S3 order',
    level: 'MUST',
    duty: ['P'],
    claim:
      'first ADDs of many containers at once all succeed, with addresses of their own and what they share made once',
    async run(context) {
      const many = attachments(context, MANY)
      const answers = await Promise.all(many.map((one) => one.start('ADD', { timeout: 60_000 }).done))
      const addresses = answers.flatMap((answer) => addressesIn(ok(answer)))
      if (context.plugin.kind !== 'interface' || context.plugin.ifName === undefined) {
        same(new Set(addresses).size, addresses.length, 'number of distinct addresses')
      }
      const { bridge } = context.plugin.config
      if (bridge !== undefined) {
        const bridges = context.host.ip('link', 'show', 'type', 'bridge').map(({ ifname }: Json) => ifname)
        same(bridges, [bridge], 'bridges of the host')
      }
      for (const one of many) if (context.since('0.4.0')) ok0(one.check())
    },
  },
  {
    id: 'CON-02',
    section: 'S3 order',
    level: 'MUST',
    duty: ['P'],
    claim: 'after a mix of ADD and DEL at once and a DEL of each, all is as before',
    async run(context) {
      const many = attachments(context, 16)
      const before = context.snapshot()
      const first = many.filter((_, at) => at % 2 === 0)
      const second = many.filter((_, at) => at % 2 === 1)
      for (const answer of await Promise.all(first.map((one) => one.start('ADD', { timeout: 60_000 }).done))) ok(answer)
      const mixed = [
        ...first.map((one) => one.start('DEL', { timeout: 60_000 }).done),
        ...second.map((one) => one.start('ADD', { timeout: 60_000 }).done),
      ]
      for (const answer of await Promise.all(mixed)) done(answer)
      for (const one of second) if (context.since('0.4.0')) ok0(one.check())
      for (const answer of await Promise.all(many.map((one) => one.start('DEL', { timeout: 60_000 }).done))) ok0(answer)
      context.noResidue(before)
      check(context.fake.held().length === 0, `the delegate has all addresses back: ${context.fake.held()}`)
    },
  },
]
