/** Routes of a result, in the container's kernel. */

import { check, done, err, ok0, same } from '../assert.js'
import type { Attachment } from '../attachment.js'
import type { Case } from '../case.js'
import type { Context } from '../context.js'
import type { Json } from '../json.js'
import { routesTo } from '../witness.js'

const IPS = [
  { address: '10.88.0.7/24', gateway: '10.88.0.1' },
  { address: 'fd00:88::7/64', gateway: 'fd00:88::1' },
]

/** An attachment whose delegate returns these routes; ADD has succeeded. */
function routed(context: Context, routes: Json[], ips: Json[] = IPS): Attachment {
  context.fake.on('ADD', { stdout: context.shape({ ips, routes }) })
  const one = context.attachment()
  one.added()
  return one
}

/** The only route to a destination. */
function only(one: Attachment, destination: string): Json {
  const found = routesTo(one.netns, destination).filter(({ dev }) => dev === one.ifName)
  same(found.length, 1, `number of routes to ${destination}`)
  return found[0]
}

/** `ip -N` prints numbers as text. */
function scopeOf(route: Json): number {
  return Number(route.scope ?? 0)
}

function tableOf(route: Json): number {
  return Number(route.table ?? 254)
}

export const cases: Case[] = [
  {
    id: 'RTE-01',
    section: 'S5 ADD',
    level: 'MAY',
    duty: ['DL'],
    claim: 'a route without gw goes by the gateway of its family, or straight to the link',
    needs: { link: true },
    run(context) {
      const one = routed(context, [{ dst: '10.99.0.0/16' }, { dst: 'fd99::/64' }])
      for (const [dst, gateway] of [
        ['10.99.0.0/16', '10.88.0.1'],
        ['fd99::/64', 'fd00:88::1'],
      ] as const) {
        const route = only(one, dst)
        check(route.gateway === undefined || route.gateway === gateway, `next hop to ${dst}: ${route.gateway}`)
      }
      done(one.del())
      const direct = routed(context, [{ dst: '10.99.0.0/16' }], [{ address: '10.88.0.7/24' }])
      check(routesTo(direct.netns, '10.99.0.0/16').length === 1, 'there is a route without a gateway anywhere')
    },
  },
  {
    id: 'RTE-02',
    section: 'S5 ADD',
    level: 'MUST',
    duty: ['DL'],
    claim: "mtu and advmss of a route are the kernel's metrics of it",
    needs: { since: '1.1.0', link: true },
    run(context) {
      const one = routed(context, [
        { dst: '10.99.0.0/16', gw: '10.88.0.1', mtu: 1400, advmss: 1300 },
        { dst: 'fd99::/64', gw: 'fd00:88::1', mtu: 1390, advmss: 1290 },
        { dst: '10.98.0.0/16', gw: '10.88.0.1', mtu: 0, advmss: 0 },
      ])
      const metrics = (dst: string): Json => Object.assign({}, ...(only(one, dst).metrics ?? []))
      same(metrics('10.99.0.0/16'), { mtu: 1400, advmss: 1300 }, 'metrics in IPv4')
      same(metrics('fd99::/64'), { mtu: 1390, advmss: 1290 }, 'metrics in IPv6')
      same(metrics('10.98.0.0/16'), {}, 'metrics of a route whose mtu and advmss are 0')
    },
  },
  {
    id: 'RTE-03',
    section: 'S5 ADD',
    level: 'MUST',
    duty: ['DL'],
    claim: "priority of a route is its metric; 0 is the kernel's default",
    needs: { since: '1.1.0', link: true },
    run(context) {
      const one = routed(context, [
        { dst: '10.99.0.0/16', gw: '10.88.0.1', priority: 77 },
        { dst: 'fd99::/64', gw: 'fd00:88::1', priority: 78 },
        { dst: '10.98.0.0/16', gw: '10.88.0.1', priority: 0 },
        { dst: 'fd98::/64', gw: 'fd00:88::1' },
      ])
      same(only(one, '10.99.0.0/16').metric, 77, 'metric in IPv4')
      same(only(one, 'fd99::/64').metric, 78, 'metric in IPv6')
      same(only(one, '10.98.0.0/16').metric, undefined, 'default metric in IPv4')
      same(only(one, 'fd98::/64').metric, 1024, 'default metric in IPv6')
    },
  },
  {
    id: 'RTE-04',
    section: 'S5 ADD',
    level: 'MUST',
    duty: ['DL'],
    claim: 'a route with a table is in that table only; 0 is the main table',
    needs: { since: '1.1.0', link: true, kernel: ['policy routing'] },
    run(context) {
      const one = routed(context, [
        { dst: '10.99.0.0/16', gw: '10.88.0.1', table: 99 },
        { dst: '10.98.0.0/16', gw: '10.88.0.1', table: 1005 },
        { dst: '10.97.0.0/16', gw: '10.88.0.1', table: 0 },
        { dst: 'fd99::/64', gw: 'fd00:88::1', table: 99 },
        { dst: 'fd98::/64', gw: 'fd00:88::1', table: 70000 },
      ])
      const expected = {
        '10.99.0.0/16': 99,
        '10.98.0.0/16': 1005,
        '10.97.0.0/16': 254,
        'fd99::/64': 99,
        'fd98::/64': 70000,
      }
      for (const [dst, table] of Object.entries(expected)) same(tableOf(only(one, dst)), table, `table of ${dst}`)
    },
  },
  {
    id: 'RTE-05',
    section: 'S5 ADD',
    level: 'MUST',
    duty: ['DL'],
    claim: "scope of a route is the kernel's, and a route of link or host scope gets no gateway",
    needs: { since: '1.1.0', link: true },
    run(context) {
      const one = routed(context, [
        { dst: '10.99.0.0/16', gw: '10.88.0.1', scope: 0 },
        { dst: '10.98.0.0/16', scope: 253 },
        { dst: '10.97.0.0/16', scope: 254 },
      ])
      const expected = { '10.99.0.0/16': 0, '10.98.0.0/16': 253, '10.97.0.0/16': 254 }
      for (const [dst, scope] of Object.entries(expected)) {
        const route = only(one, dst)
        same(scopeOf(route), scope, `scope of ${dst}`)
        if (scope !== 0) same(route.gateway, undefined, `next hop to ${dst}`)
      }
    },
  },
  {
    id: 'RTE-06',
    section: 'S5',
    level: 'SHOULD',
    duty: ['DL'],
    claim: 'two default routes succeed; a next hop of the other family or off the link fails and leaves nothing',
    needs: { since: '0.3.0', link: true },
    run(context) {
      const one = routed(context, [
        { dst: '0.0.0.0/0', gw: '10.88.0.1' },
        { dst: '0.0.0.0/0', gw: '10.88.0.2' },
      ])
      const hops = routesTo(one.netns, '0.0.0.0/0').map(({ gateway }) => gateway)
      check(hops.includes('10.88.0.1'), `the first default route is there: ${hops}`)
      ok0(one.del())
      const before = context.snapshot()
      const bad: Record<string, Json> = {
        'a next hop off the link': { dst: '10.99.0.0/16', gw: '192.0.2.1' },
        'a next hop of IPv4 for IPv6': { dst: 'fd99::/64', gw: '10.88.0.1' },
        'a destination with host bits': { dst: '10.99.0.7/16', gw: '10.88.0.1' },
      }
      for (const [what, route] of Object.entries(bad)) {
        context.fake.on('ADD', { stdout: context.shape({ ips: IPS, routes: [route] }) })
        err(one.add())
        context.noResidue(before, `after ADD with ${what} all is as before`)
      }
    },
  },
  {
    id: 'RTE-06.twice',
    section: 'S5',
    level: 'SHOULD',
    duty: ['DL'],
    claim: 'one route given twice succeeds with one route, or fails and leaves nothing',
    needs: { since: '0.3.0', link: true },
    run(context) {
      const route = { dst: '10.99.0.0/16', gw: '10.88.0.1' }
      context.fake.on('ADD', { stdout: context.shape({ ips: IPS, routes: [route, route] }) })
      const one = context.attachment()
      const before = context.snapshot()
      const answer = one.add()
      if (answer.status === 0) {
        only(one, route.dst)
        return
      }
      err(answer)
      context.noResidue(before, 'after an ADD that failed all is as before')
    },
  },
  {
    id: 'RTE-07',
    section: 'S0.2–S0.4',
    level: 'SHOULD',
    duty: ['DL'],
    claim: 'a default route of another attachment stays in use',
    needs: { link: true },
    run(context) {
      const gateway = '10.88.0.1'
      const one = routed(context, [{ dst: '0.0.0.0/0', gw: gateway }])
      const answer = (second: Attachment) =>
        second.add({ config: context.plugin.config.bridge === undefined ? {} : { bridge: 'suite-b2' } })
      const ips = [{ address: '10.89.0.7/24', gateway: '10.89.0.1' }]
      context.fake.on('ADD', { stdout: context.shape({ ips, routes: [{ dst: '0.0.0.0/0', gw: '10.89.0.1' }] }) })
      const second = context.attachment({
        containerId: one.containerId,
        ifName: 'eth1',
        netns: one.netns,
        config: { name: 'suite2' },
      })
      done(answer(second))
      const [used] = one.netns.ip('route', 'get', '192.0.2.1')
      same(used.dev, one.ifName, 'link towards an outside address')
      same(used.gateway, gateway, 'next hop towards an outside address')
    },
  },
  {
    id: 'RTE-08',
    section: 'S5 ADD',
    level: 'DF',
    duty: ['DL'],
    claim: 'an IPv6 destination with host bits leads to its prefix, and the result repeats it as the delegate gave it',
    needs: { since: '0.4.0', link: true },
    run(context) {
      const one = routed(context, [{ dst: 'fd99:0:0:1::1/48', gw: 'fd00:88::1' }])
      only(one, 'fd99::/48')
      const repeated = ((one.result.routes ?? []) as Json[]).map(({ dst }) => dst)
      check(repeated.includes('fd99:0:0:1::1/48'), `destinations of the result: ${repeated.join(', ')}`)
      ok0(one.check())
      ok0(one.del())
    },
  },
]
