/** CHECK: success while all is as ADD left it, an error for each thing that is not. */

import { rmSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { err, ok0, same } from '../assert.js'
import type { Attachment } from '../attachment.js'
import type { Case } from '../case.js'
import type { Context } from '../context.js'
import type { Json } from '../json.js'
import { addressesIn, filesBelow } from '../witness.js'

/** An attachment for which CHECK has passed. */
function sound(context: Context): Attachment {
  const one = context.attachment()
  one.added()
  ok0(one.check())
  return one
}

/** A veth of the host that the result lists, and its container end. */
function hostEnd(context: Context, one: Attachment): string {
  const listed = ((one.result.interfaces ?? []) as Json[]).filter(({ sandbox }) => !sandbox).map(({ name }) => name)
  const veth = listed.find((name) => context.host.link(name)?.linkinfo?.info_kind === 'veth')
  if (veth === undefined) context.skip('the result lists no veth of the host')
  return veth
}

/** `result` with an interface that is not there, first or last. */
function withGhost(result: Json, where: 'first' | 'last'): Json {
  const ghost = { name: 'ghost0', mac: '02:00:00:00:00:99' }
  const interfaces = (result.interfaces ?? []) as Json[]
  if (where === 'last') return { ...result, interfaces: [...interfaces, ghost] }
  const ips = ((result.ips ?? []) as Json[]).map((ip) =>
    ip.interface === undefined ? ip : { ...ip, interface: ip.interface + 1 },
  )
  return { ...result, interfaces: [ghost, ...interfaces], ips }
}

export const cases: Case[] = [
  {
    id: 'CHK-01',
    section: 'S2 CHECK',
    level: 'MUST',
    duty: ['P'],
    claim: 'CHECK right after ADD succeeds, as often as one likes, and changes nothing',
    versions: 'each',
    needs: { since: '0.4.0' },
    run(context) {
      const one = context.attachment()
      one.added()
      const before = context.snapshot()
      for (let round = 0; round < 3; round++) ok0(one.check())
      context.unchanged(before, 'CHECK changes nothing')
    },
  },
  {
    id: 'CHK-01.table',
    section: 'S2 CHECK',
    level: 'MUST',
    duty: ['DL'],
    claim: 'CHECK succeeds where a route of the result is in another table than main',
    needs: { since: '1.1.0', kernel: ['policy routing'] },
    run(context) {
      const ips = [{ address: '10.88.0.7/24', gateway: '10.88.0.1' }]
      const routes = [{ dst: '10.99.0.0/16', gw: '10.88.0.1', table: 1005 }]
      context.fake.on('ADD', { stdout: context.shape({ ips, routes }) })
      sound(context)
    },
  },
  {
    id: 'CHK-02',
    section: 'S2 CHECK',
    level: 'MUST',
    duty: ['P'],
    claim: 'CHECK without prevResult is an error',
    needs: { since: '0.4.0' },
    run(context) {
      const one = context.attachment()
      one.added()
      err(one.check({ config: { prevResult: undefined } }))
      err(one.check({ config: { prevResult: null } }))
    },
  },
  {
    id: 'CHK-03',
    section: 'S2 CHECK',
    level: 'SHOULD',
    duty: ['IF'],
    claim: 'CHECK fails where the container link is gone, or is another kind of link',
    needs: { since: '0.4.0', link: true },
    run(context) {
      const one = sound(context)
      one.netns.sh(`ip link del ${one.ifName}`)
      err(one.check())
      one.netns.sh(`ip link add ${one.ifName} type bridge`, `ip link set ${one.ifName} up`)
      for (const address of addressesIn(one.result)) one.netns.sh(`ip addr add ${address} dev ${one.ifName} nodad`)
      err(one.check())
    },
  },
  {
    id: 'CHK-04',
    section: 'S2 CHECK',
    level: 'SHOULD',
    duty: ['IF'],
    claim: 'CHECK fails where an address of the result is gone, or has another prefix length',
    needs: { since: '0.4.0', link: true },
    run(context) {
      const probe = context.attachment()
      const addresses = addressesIn(probe.added())
      if (addresses.length === 0) context.skip('the result has no addresses')
      ok0(probe.del())
      for (const at of addresses.keys()) {
        for (const relength of [false, true]) {
          const one = context.attachment({ netns: probe.netns })
          const address = addressesIn(one.added())[at] ?? ''
          ok0(one.check())
          one.netns.sh(`ip addr del ${address} dev ${one.ifName}`)
          const [host = ''] = address.split('/')
          if (relength) one.netns.sh(`ip addr add ${host}/${host.includes(':') ? 80 : 28} dev ${one.ifName}`)
          err(one.check())
          ok0(one.del())
        }
      }
    },
  },
  {
    id: 'CHK-05',
    section: 'S2 CHECK',
    level: 'SHOULD',
    duty: ['DL'],
    claim: 'CHECK fails where a route of the result is gone',
    needs: { since: '0.4.0', link: true },
    run(context) {
      const ips = [
        { address: '10.88.0.7/24', gateway: '10.88.0.1' },
        { address: 'fd00:88::7/64', gateway: 'fd00:88::1' },
      ]
      const routes = [
        { dst: '10.99.0.0/16', gw: '10.88.0.1' },
        { dst: 'fd99::/64', gw: 'fd00:88::1' },
      ]
      context.fake.on('ADD', { stdout: context.shape({ ips, routes }) })
      const one = sound(context)
      for (const { dst, gw } of routes) {
        const family = dst.includes(':') ? '-6' : '-4'
        one.netns.sh(`ip ${family} route del ${dst}`)
        err(one.check())
        one.netns.sh(`ip ${family} route add ${dst} via ${gw} dev ${one.ifName}`)
        ok0(one.check())
      }
    },
  },
  {
    id: 'CHK-06',
    section: 'S2 CHECK',
    level: 'SHOULD',
    duty: ['IF'],
    claim: 'CHECK fails where the container link is down, or its host end is off its bridge or gone',
    needs: { since: '0.4.0' },
    run(context) {
      const one = sound(context)
      one.netns.sh(`ip link set ${one.ifName} down`)
      err(one.check())
      if (context.plugin.ifName !== undefined) return
      ok0(one.del())
      one.added()
      const veth = hostEnd(context, one)
      if (context.host.link(veth).master !== undefined) {
        context.host.sh(`ip link set ${veth} nomaster`)
        err(one.check())
        ok0(one.del())
        one.added()
      }
      context.host.sh(`ip link del ${hostEnd(context, one)}`)
      err(one.check())
    },
  },
  {
    id: 'CHK-07',
    section: 'S2 CHECK',
    level: 'MUST',
    duty: ['IF'],
    claim: 'CHECK succeeds where a later plugin has added routes and addresses, changed the MAC, and recorded it',
    needs: { since: '0.4.0', link: true },
    run(context) {
      const one = sound(context)
      const mac = '02:aa:bb:cc:dd:ee'
      one.netns.sh(
        `ip link set ${one.ifName} address ${mac}`,
        `ip addr add 192.0.2.7/24 dev ${one.ifName}`,
        `ip route add 198.51.100.0/24 via 192.0.2.1 dev ${one.ifName}`,
      )
      const interfaces = one.result.interfaces.map((link: Json) =>
        link.name === one.ifName && link.sandbox ? { ...link, mac } : link,
      )
      const index = interfaces.findIndex(({ name, sandbox }: Json) => name === one.ifName && sandbox)
      const version = context.since('1.0.0') ? {} : { version: '4' }
      one.result = {
        ...one.result,
        interfaces,
        ips: [...(one.result.ips ?? []), { ...version, address: '192.0.2.7/24', interface: index }],
        routes: [...(one.result.routes ?? []), { dst: '198.51.100.0/24', gw: '192.0.2.1' }],
      }
      ok0(one.check())
    },
  },
  {
    id: 'CHK-08',
    section: 'S2 CHECK',
    level: 'SHOULD',
    duty: ['CH'],
    claim: 'CHECK fails where a resource of a chained plugin that the result does not list is missing',
    needs: { since: '0.4.0', descriptor: ['spoil'] },
    run(context) {
      const one = sound(context)
      context.host.sh(...(context.plugin.spoil ?? []))
      err(one.check())
    },
  },
  {
    id: 'CHK-09',
    section: 'S2 CHECK',
    level: 'SHOULD',
    duty: ['IPAM'],
    claim: 'CHECK fails where one of several reservations is gone, and where all are',
    needs: { since: '0.4.0', descriptor: ['state'] },
    run(context) {
      const one = context.attachment({ config: twoRanges(context) })
      const addresses = addressesIn(one.added()).map((address) => address.split('/')[0] ?? '')
      ok0(one.check())
      const files = () => context.stateDirectories.flatMap(filesBelow)
      const records = files().filter((path) => addresses.includes(basename(path).replaceAll('_', ':')))
      if (records.length === 0) context.skip('no file is named by an address')
      for (const path of new Set(records)) {
        rmSync(path)
        err(one.check())
      }
    },
  },
  {
    id: 'CHK-10',
    section: 'S2 CHECK, S4',
    level: 'MUST',
    duty: ['DL'],
    claim: 'the delegate gets CHECK, and its failure is passed on with its code',
    needs: { since: '0.4.0' },
    run(context) {
      const one = context.attachment()
      one.added()
      context.fake.forget()
      context.fake.fails('CHECK', 142)
      err(one.check(), 142)
      same(context.fake.verbs(), ['CHECK'], 'verbs of the delegate')
    },
  },
  {
    id: 'CHK-11',
    section: 'S2 CHECK',
    level: 'SHOULD',
    duty: ['IF', 'CH'],
    claim: 'CHECK does not fail for an interface of prevResult that the plugin did not make',
    needs: { since: '0.4.0' },
    run(context) {
      const one = sound(context)
      const result = one.result
      for (const where of ['last', 'first'] as const) {
        one.result = withGhost(result, where)
        ok0(one.check())
      }
    },
  },
  {
    id: 'CHK-12',
    section: 'S2, S0.4',
    level: 'MUST',
    duty: ['P'],
    claim: 'CHECK at a version before 0.4.0 fails with code 1',
    needs: { until: '0.3.1' },
    versions: 'each',
    run(context) {
      const one = context.attachment()
      const result = one.added()
      err(one.check({ config: { prevResult: result } }), 1)
    },
  },
  {
    id: 'CHK-13',
    section: 'S2 CHECK',
    level: 'DF',
    duty: ['P'],
    claim: 'CHECK succeeds where another path leads to the same namespace',
    needs: { since: '0.4.0' },
    run(context) {
      const one = sound(context)
      const other = join(context.temp('paths'), 'netns')
      symlinkSync(one.netns.path, other)
      ok0(one.check({ netns: other }))
    },
  },
]

/** An IPAM configuration with two addresses for one attachment, where the plugin knows ranges. */
function twoRanges(context: Context): Json {
  if (context.plugin.config.ranges === undefined) return {}
  return { ipam: { ranges: [[{ subnet: '10.66.0.0/24' }], [{ subnet: 'fd66::/64' }]] } }
}
