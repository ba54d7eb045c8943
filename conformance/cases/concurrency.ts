/** Many at once. */

import { check, done, ok, ok0, same } from '../assert.js'
import type { Attachment } from '../attachment.js'
import type { Case } from '../case.js'
import type { Context } from '../context.js'
import { hasOwnAddresses } from '../descriptor.js'
import type { Json } from '../json.js'
import { addressesIn } from '../witness.js'

const MANY = 20

/** Names of the host's bridges. */
function bridges(context: Context): string[] {
  return context.host.ip('link', 'show', 'type', 'bridge').map(({ ifname }: Json) => ifname)
}

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
      const before = bridges(context)
      const answers = await Promise.all(many.map((one) => one.start('ADD', { timeout: 60_000 }).done))
      const addresses = answers.flatMap((answer) => addressesIn(ok(answer)))
      if (hasOwnAddresses(context.plugin))
        same(new Set(addresses).size, addresses.length, 'number of distinct addresses')
      if (context.plugin.config.bridge !== undefined) {
        const made = bridges(context).filter((name) => !before.includes(name))
        check(made.length <= 1, `one bridge is made, not ${made.length}: ${made.join(' ')}`)
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
