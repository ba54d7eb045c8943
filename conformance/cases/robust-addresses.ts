/** Addresses, prefixes and MTUs at the edge of what there is. */

import { check, done, err, ok, ok0, same, seen, show } from '../assert.js'
import type { Attachment } from '../attachment.js'
import type { Case } from '../case.js'
import type { Context } from '../context.js'
import type { Json } from '../json.js'
import { addressesIn, addressesOf, gatewaysIn } from '../witness.js'

function ranges(context: Context, ...sets: Json[][]): Json {
  if (context.plugin.config.ranges === undefined) context.skip('the plugin has no ranges')
  return { config: { ipam: { ranges: sets } } }
}

const bare = (address: string) => address.split('/')[0] ?? ''

/** An attachment whose delegate returns these addresses and routes; the answer of its ADD. */
function addressed(context: Context, one: Attachment, ips: Json[], routes: Json[] = []) {
  context.fake.on('ADD', { stdout: context.shape({ ips, routes }) })
  return one.add()
}

/** A bridge has one gateway: the next attachment's is on a bridge of its own. */
function withoutBridge({ plugin, host }: Context): void {
  if (plugin.config.bridge !== undefined) host.try(['ip', 'link', 'del', plugin.config.bridge])
}

export const cases: Case[] = [
  {
    id: 'ROB-48',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['IPAM'],
    claim: 'an IPv4-mapped subnet is taken as the IPv4 one, or fails with code 7',
    run(context) {
      const one = context.attachment()
      const answer = one.add(ranges(context, [{ subnet: '::ffff:10.66.0.0/120' }]))
      if (answer.status !== 0) err(answer, 7)
      else for (const address of addressesIn(ok(answer))) check(address.startsWith('10.66.0.'), `${address} is IPv4`)
    },
  },
  {
    id: 'ROB-48.gateway',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['IPAM'],
    claim: 'an IPv4-mapped gateway is taken as the IPv4 one, or fails with code 7',
    run(context) {
      const answer = context
        .attachment()
        .add(ranges(context, [{ subnet: '10.66.0.0/24', gateway: '::ffff:10.66.0.9' }]))
      if (answer.status !== 0) err(answer, 7)
      else same(gatewaysIn(ok(answer)), ['10.66.0.9'], 'gateway')
    },
  },
  {
    id: 'ROB-48.delegate',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['DL'],
    claim: 'an IPv4-mapped address of the delegate is taken as the IPv4 one, or is an error that leaves nothing',
    needs: { since: '0.3.0', link: true },
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const answer = addressed(context, one, [{ address: '::ffff:10.88.0.7/120' }])
      if (answer.status === 0)
        same(addressesOf(one.netns, one.ifName).map(bare), addressesIn(ok(answer)).map(bare), 'addresses')
      else {
        err(answer)
        context.noResidue(before)
      }
    },
  },
  {
    id: 'ROB-49',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['IPAM'],
    claim: 'pools of /31, /32, /127 and /128 work or fail with code 7, on ADD and STATUS alike',
    run(context) {
      for (const subnet of ['10.66.0.0/31', '10.66.0.0/32', 'fd66::/127', 'fd66::/128']) {
        const options = ranges(context, [{ subnet }])
        const one = context.attachment()
        const answer = one.add(options)
        if (answer.status !== 0) err(answer, 7)
        else ok0(one.del(options))
        if (!context.since('1.1.0')) continue
        const status = context.call('STATUS', { config: context.config(options.config) })
        same(status.status === 0, answer.status === 0, `success of STATUS with ${subnet}`)
      }
    },
  },
  {
    id: 'ROB-50',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['DL'],
    claim: 'addresses of /31, /32, /127 and /128 are configured as they are, and CHECK passes',
    needs: { since: '0.4.0', link: true },
    run(context) {
      const one = context.attachment()
      const cases: [Json, Json[]][] = [
        [{ address: '10.88.0.2/31', gateway: '10.88.0.3' }, [{ dst: '0.0.0.0/0', gw: '10.88.0.3' }]],
        [{ address: '10.88.0.2/32', gateway: '10.88.0.1' }, []],
        [{ address: 'fd00:88::2/127', gateway: 'fd00:88::3' }, [{ dst: '::/0', gw: 'fd00:88::3' }]],
        [{ address: 'fd00:88::2/128', gateway: 'fd00:88::1' }, []],
      ]
      const before = context.snapshot()
      for (const [ip, routes] of cases) {
        const answer = addressed(context, one, [ip], routes)
        ok(answer)
        same(addressesOf(one.netns, one.ifName), [ip.address], `addresses of ${one.ifName}`)
        ok0(one.check())
        ok0(one.del())
        withoutBridge(context)
      }
      context.noResidue(before)
    },
  },
  {
    id: 'ROB-50.outside',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['DL'],
    claim: 'a gateway outside the subnet, or none, gives a whole attachment or an error that leaves nothing',
    needs: { since: '0.4.0', link: true },
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const variants: [Json, Json[]][] = [
        [{ address: '10.88.0.2/32' }, []],
        [{ address: '10.88.0.2/24', gateway: '192.0.2.1' }, []],
        [{ address: '10.88.0.2/24', gateway: '192.0.2.1' }, [{ dst: '0.0.0.0/0' }]],
        [{ address: '10.88.0.2/32', gateway: '10.88.0.1' }, [{ dst: '0.0.0.0/0' }]],
        [{ address: 'fd00:88::2/128' }, []],
      ]
      for (const [ip, routes] of variants) {
        const answer = addressed(context, one, [ip], routes)
        if (answer.status === 0) {
          same(addressesOf(one.netns, one.ifName), [ip.address], `addresses of ${one.ifName}`)
          ok0(one.check())
        } else err(answer)
        ok0(one.del())
        withoutBridge(context)
        context.noResidue(before, `after ${show(ip)} and DEL all is as before`)
      }
    },
  },
  {
    id: 'ROB-51',
    section: 'robustness',
    level: 'MUST',
    duty: ['IPAM'],
    claim: 'small and huge pools take no time, and never give the network, the broadcast address or the gateway',
    run(context) {
      const expected: [string, number, string[]][] = [
        ['10.66.0.0/30', 1, ['10.66.0.2']],
        ['fd66::/126', 2, ['fd66::2', 'fd66::3']],
        ['10.0.0.0/8', 3, []],
        ['fd66::/64', 3, []],
        ['fd00::/8', 3, []],
      ]
      for (const [subnet, count, all] of expected) {
        const options = ranges(context, [{ subnet }])
        const many = Array.from({ length: count }, () => context.attachment({ netns: context.container }))
        const begin = performance.now()
        const addresses = many.flatMap((one) =>
          addressesIn(ok(one.add({ ...options, shell: 'ulimit -v 2000000' }))).map(bare),
        )
        check(performance.now() - begin < 3000, `addresses of ${subnet} come in time`)
        if (all.length > 0) {
          check(
            addresses.every((each) => all.includes(each)),
            `addresses of ${subnet}: ${addresses}`,
          )
          err(context.attachment({ netns: context.container }).add(options))
        }
        const base = subnet.split('/')[0] ?? ''
        for (const forbidden of [base, base.replace(/0$/, '1'), `${base}1`]) {
          check(!addresses.includes(forbidden), `${forbidden} of ${subnet} is not given`)
        }
        for (const one of many) ok0(one.del(options))
      }
    },
  },
  {
    id: 'ROB-51.zero',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['IPAM'],
    claim: 'a pool of /0 works or fails with code 7, in no time',
    run(context) {
      for (const subnet of ['0.0.0.0/0', '::/0']) {
        const answer = context.attachment().add({ ...ranges(context, [{ subnet }]), timeout: 5000 })
        check(!answer.timedOut, `ADD ends; ${seen(answer)}`)
        if (answer.status !== 0) err(answer, 7)
        else ok(answer)
      }
    },
  },
  {
    id: 'ROB-52',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['IPAM'],
    claim: 'ranges that overlap, are empty, mixed, reversed, outside their subnet or have host bits fail with code 7',
    needs: { since: '0.3.0' },
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const bad: Record<string, Json[][]> = {
        'overlap in one set': [[{ subnet: '10.66.0.0/24' }, { subnet: '10.66.0.0/25' }]],
        'overlap across sets': [[{ subnet: '10.66.0.0/24' }], [{ subnet: '10.66.0.128/25' }]],
        'families mixed in a set': [[{ subnet: '10.66.0.0/24' }, { subnet: 'fd66::/64' }]],
        'an empty set': [[]],
        'start after end': [[{ subnet: '10.66.0.0/24', rangeStart: '10.66.0.9', rangeEnd: '10.66.0.8' }]],
        'start outside': [[{ subnet: '10.66.0.0/24', rangeStart: '10.67.0.9' }]],
        'end outside': [[{ subnet: '10.66.0.0/24', rangeEnd: '10.67.0.9' }]],
        'host bits': [[{ subnet: '10.66.0.7/24' }]],
        'no subnet': [[{ rangeStart: '10.66.0.9' }]],
      }
      for (const [what, sets] of Object.entries(bad)) {
        const answer = one.add(ranges(context, ...sets))
        check(answer.status !== 0, `ADD fails for ${what}`)
        err(answer, 7)
        context.unchanged(before, `ADD with ${what} changes nothing`, context.lastingDirectories)
      }
    },
  },
  {
    id: 'ROB-52.gateway',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['IPAM'],
    claim: 'a gateway outside its subnet fails with code 7, or is in the result as it was given',
    run(context) {
      const answer = context.attachment().add(ranges(context, [{ subnet: '10.66.0.0/24', gateway: '192.0.2.1' }]))
      if (answer.status !== 0) err(answer, 7)
      else same(gatewaysIn(ok(answer)), ['192.0.2.1'], 'gateway')
    },
  },
  {
    id: 'ROB-52.runtime',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['IPAM'],
    claim: 'ranges of the runtime that overlap the configured ones fail with code 7',
    needs: { since: '0.3.0', capabilities: ['ipRanges'] },
    run(context) {
      const { config } = ranges(context, [{ subnet: '10.66.0.0/24' }])
      const answer = context
        .attachment()
        .add({ config: { ...config, runtimeConfig: { ipRanges: [[{ subnet: '10.66.0.0/25' }]] } } })
      err(answer, 7)
    },
  },
  {
    id: 'ROB-53',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['IPAM'],
    claim:
      'what is no address or prefix fails with code 7; multicast, loopback and the like do, too, or work as documented',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const never = [
        '10.66.0/24',
        '010.66.0.0/24',
        ' 10.66.0.0/24',
        '10.66.0.0/33',
        '10.66.0.0',
        '10.66.0.0/-1',
        'fd66::/129',
        'fe80::%eth0/64',
        '10.66.0.0/24/24',
        '',
      ]
      for (const subnet of never) {
        err(one.add(ranges(context, [{ subnet }])), 7)
        context.unchanged(before, `ADD with subnet ${subnet} changes nothing`, context.lastingDirectories)
      }
      for (const subnet of [
        '224.0.1.0/24',
        '127.0.5.0/24',
        '169.254.5.0/24',
        '240.0.0.0/24',
        'ff05::/64',
        'fe80::/64',
      ]) {
        const options = ranges(context, [{ subnet }])
        const answer = one.add(options)
        if (answer.status !== 0) err(answer, 7)
        ok0(one.del(options))
      }
    },
  },
  {
    id: 'ROB-53.delegate',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['DL'],
    claim: "what is no address in the delegate's result is an error that leaves nothing",
    needs: { since: '0.3.0', link: true },
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      for (const address of [
        '10.88.0.7',
        '10.88.0.7/33',
        '10.88.0.007/24',
        '10.88.0.7/24 ',
        'fd00::7/129',
        'fe80::7%eth0/64',
        'x/24',
        '',
        7,
      ]) {
        context.fake.on('ADD', {
          stdout: {
            cniVersion: context.version,
            ips: [{ ...(context.since('1.0.0') ? {} : { version: '4' }), address }],
          },
        })
        err(one.add())
        context.noResidue(before, `ADD with address ${show(address)} leaves nothing`)
      }
    },
  },
  {
    id: 'ROB-54',
    section: 'robustness',
    level: 'MUST',
    duty: ['IPAM'],
    claim:
      'a requested address that is the gateway, the network, the broadcast address or outside the range is an error; nothing is kept',
    needs: { capabilities: ['ips'], leases: true },
    run(context) {
      const { config } = ranges(context, [
        { subnet: '10.66.0.0/24', rangeStart: '10.66.0.10', rangeEnd: '10.66.0.20', gateway: '10.66.0.12' },
      ])
      const one = context.attachment()
      const before = context.snapshot()
      for (const ip of ['10.66.0.12', '10.66.0.0', '10.66.0.255', '10.66.0.9', '10.66.0.21', '10.67.0.1']) {
        err(one.add({ config: { ...config, runtimeConfig: { ips: [ip] } } }))
        context.noResidue(before, `ADD for ${ip} keeps nothing`)
      }
      done(one.add({ config: { ...config, runtimeConfig: { ips: ['10.66.0.13'] } } }))
    },
  },
  {
    id: 'ROB-55',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['IF'],
    claim: 'an mtu of 0 is the default, one that a link can have is that of the link, and others fail with code 7',
    needs: { link: true },
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const four = { stdout: context.shape({ ips: [{ address: '10.88.0.7/24', gateway: '10.88.0.1' }] }) }
      context.fake.on('ADD', four)
      for (const mtu of [1, 67, 65536, 2 ** 31]) {
        err(one.add({ config: { mtu } }), 7)
        context.noResidue(before, `ADD with mtu ${mtu} leaves nothing`)
      }
      const negative = one.add({ config: { mtu: -1 } })
      if (negative.status !== 0) err(negative, 7)
      ok0(one.del())
      for (const [mtu, expected] of [
        [0, 1500],
        [68, 68],
        [1400, 1400],
        [9000, 9000],
        [65535, 65535],
      ] as const) {
        ok(one.add({ config: { mtu } }))
        same(one.netns.link(one.ifName)?.mtu, expected, `mtu of ${one.ifName} with mtu ${mtu}`)
        ok0(one.del())
      }
    },
  },
  {
    id: 'ROB-55.ipv6',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['DL'],
    claim: 'IPv6 with an mtu below 1280 fails with code 7 and leaves nothing; with 1280 it works',
    needs: { link: true },
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      context.fake.on('ADD', { stdout: context.shape({ ips: [{ address: 'fd00:88::7/64', gateway: 'fd00:88::1' }] }) })
      err(one.add({ config: { mtu: 1279 } }), 7)
      context.noResidue(before, 'ADD with mtu 1279 leaves nothing')
      ok(one.add({ config: { mtu: 1280 } }))
    },
  },
  {
    id: 'ROB-56',
    section: 'robustness',
    level: 'MUST',
    duty: ['DL'],
    claim: 'where IPv6 is disabled in the container it is enabled or ADD fails; a result never lists an absent address',
    needs: { link: true, kernel: ['ipv6'] },
    run(context) {
      const one = context.attachment()
      one.netns.sh(
        'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6',
        'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6',
      )
      const before = context.snapshot()
      const answer = addressed(context, one, [
        { address: '10.88.0.7/24', gateway: '10.88.0.1' },
        { address: 'fd00:88::7/64', gateway: 'fd00:88::1' },
      ])
      if (answer.status !== 0) {
        err(answer)
        context.noResidue(before)
        return
      }
      same([...addressesOf(one.netns, one.ifName)].sort(), [...addressesIn(ok(answer))].sort(), 'addresses')
    },
  },
  {
    id: 'ROB-56.host',
    section: 'robustness',
    level: 'MUST',
    duty: ['DL'],
    claim: 'where IPv6 is disabled on the host it is enabled or ADD fails; a result never lists an absent address',
    needs: { link: true, kernel: ['ipv6'] },
    run(context) {
      for (const name of ['all', 'default']) {
        context.host.sh(`echo 1 >/proc/sys/net/ipv6/conf/${name}/disable_ipv6`)
      }
      const one = context.attachment()
      const before = context.snapshot()
      const answer = addressed(context, one, [
        { address: '10.88.0.7/24', gateway: '10.88.0.1' },
        { address: 'fd00:88::7/64', gateway: 'fd00:88::1' },
      ])
      if (answer.status !== 0) {
        err(answer)
        context.noResidue(before)
        return
      }
      same([...addressesOf(one.netns, one.ifName)].sort(), [...addressesIn(ok(answer))].sort(), 'addresses')
    },
  },
  {
    id: 'ROB-57',
    section: 'robustness',
    level: 'MAY',
    duty: ['DL'],
    claim: 'a duplicate IPv6 address on the segment is an error, or is not marked as unusable',
    needs: { link: true, kernel: ['ipv6'] },
    run(context) {
      const [one, two] = [context.attachment(), context.attachment()]
      const ips = [{ address: 'fd00:88::7/64', gateway: 'fd00:88::1' }]
      ok(addressed(context, one, ips))
      const before = context.snapshot()
      const answer = addressed(context, two, ips)
      if (answer.status !== 0) {
        err(answer)
        context.noResidue(before)
        return
      }
      const info = (two.netns.link(two.ifName).addr_info as Json[]).find(({ local }) => local === 'fd00:88::7')
      check(
        info !== undefined && info.dadfailed !== true && info.tentative !== true,
        `the address is usable: ${show(info)}`,
      )
    },
  },
]
