/** A host with rules and settings of its own, and containers that do as they like. */

import { check, ok0, same } from '../assert.js'
import type { Case } from '../case.js'
import type { Context } from '../context.js'
import { linksSettled, nothingLeft, nothingLeftOnHost, vethsOf } from '../witness.js'

const FOREIGN = [
  'nft add table inet foreign',
  "nft 'add chain inet foreign theirs { type filter hook forward priority -5; policy accept; }'",
  'nft add rule inet foreign theirs ip saddr 192.0.2.0/24 counter drop comment \\"theirs\\"',
  "nft 'add set inet foreign s { type ipv4_addr; elements = { 198.51.100.1 }; }'",
  'nft add table ip nat',
  "nft 'add chain ip nat POSTROUTING { type nat hook postrouting priority 100; }'",
  'nft add rule ip nat POSTROUTING ip saddr 203.0.113.0/24 masquerade',
]

function foreign(context: Context): string[] {
  return context
    .snapshot()
    .filter((line) => line.startsWith('host nft ') && (line.includes('foreign') || line.includes('203.0.113.0')))
}

export const cases: Case[] = [
  {
    id: 'ROB-58',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim: 'tables of others stay as they are, with forwarding off and strict reverse paths too',
    needs: { kernel: ['nft'] },
    run(context) {
      context.host.sh(
        ...FOREIGN,
        'echo 0 >/proc/sys/net/ipv4/ip_forward',
        'echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter',
        'echo 1 >/proc/sys/net/ipv4/conf/default/rp_filter',
      )
      const one = context.attachment()
      const theirs = foreign(context)
      check(theirs.length >= 5, 'there are rules of others')
      one.added()
      same(foreign(context), theirs, 'rules of others after ADD')
      if (context.since('0.4.0')) ok0(one.check())
      ok0(one.del())
      same(foreign(context), theirs, 'rules of others after DEL')
    },
  },
  {
    id: 'ROB-59',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim: 'DEL succeeds where others have emptied, renamed or removed what the plugin made in the packet filter',
    needs: { kernel: ['nft'] },
    run(context) {
      const spoilers = [
        'for t in $(nft list tables | sed "s/^table //; s/ /:/"); do nft flush table $(echo $t | tr : " "); done',
        'for t in $(nft list tables | sed "s/^table //; s/ /:/"); do nft delete table $(echo $t | tr : " "); done',
        'nft -j list ruleset | tr "{" "\\n" >/dev/null; nft flush ruleset; nft add table inet foreign',
      ]
      for (const spoiler of spoilers) {
        const one = context.attachment({ containerId: `s${spoilers.indexOf(spoiler)}` })
        one.added()
        context.host.try(['sh', '-c', spoiler])
        ok0(one.del())
        ok0(one.del())
        if (context.plugin.prepare !== undefined) context.host.try(['sh', '-c', context.plugin.prepare.join('\n')])
      }
    },
  },
  {
    id: 'ROB-60',
    section: 'robustness',
    level: 'MUST',
    duty: ['IF'],
    claim: 'DEL succeeds and the host side is gone where the container has renamed, moved or enslaved its link',
    needs: { link: true },
    async run(context) {
      const other = context.netns('other')
      const one = context.attachment()
      const before = context.snapshot()
      const doings = [
        `ip link set ${one.ifName} down; ip link set ${one.ifName} name mine0`,
        `ip link set ${one.ifName} netns ${other.path}`,
        `ip link add br0 type bridge; ip link set ${one.ifName} master br0`,
      ]
      for (const doing of doings) {
        const links = vethsOf(context.host)
        one.added()
        const fresh = vethsOf(context.host).filter((name) => !links.includes(name))
        one.netns.sh(doing)
        ok0(one.del())
        await linksSettled(context, fresh)
        nothingLeftOnHost(context, before, `DEL after "${doing}" leaves nothing on the host`)
        one.netns.try(['sh', '-c', 'ip link del br0; ip link del mine0'])
      }
      same(context.fake.held(), [], 'addresses that the delegate has not got back')
    },
  },
  {
    id: 'ROB-60.chained',
    section: 'robustness',
    level: 'MUST',
    duty: ['CH'],
    claim: 'DEL succeeds and leaves nothing where the container has renamed or removed its link',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      one.added()
      one.netns.sh(`ip link set ${one.ifName} down`, `ip link set ${one.ifName} name mine0`)
      ok0(one.del())
      nothingLeft(context, before, 'DEL after a rename leaves nothing', ['container*'])
    },
  },
  {
    id: 'ROB-61',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['IF'],
    claim: 'where both ends of a link have other names DEL removes it, or fails and keeps the address',
    needs: { link: true },
    async run(context) {
      const links = vethsOf(context.host)
      const one = context.attachment()
      one.added()
      const [fresh] = vethsOf(context.host).filter((name) => !links.includes(name))
      if (fresh === undefined) context.skip('the plugin makes no veth')
      context.host.sh(`ip link set ${fresh} down`, `ip link set ${fresh} name renamed0`, 'ip link set renamed0 up')
      one.netns.sh(`ip link set ${one.ifName} down`, `ip link set ${one.ifName} name mine0`)
      const answer = one.del()
      if (answer.status === 0) {
        await linksSettled(context, ['renamed0'])
        same(context.fake.held(), [], 'addresses that the delegate has not got back')
      } else check(context.fake.held().length > 0, 'the address of a link that stays is not given back')
    },
  },
]
