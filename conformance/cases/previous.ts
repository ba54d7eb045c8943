/** prevResult: section 12 of the list. */

import { check, done, err, ok, ok0, same, seen, show } from '../assert.js'
import type { Case } from '../case.js'
import type { Context } from '../context.js'
import type { Json } from '../json.js'

const BAD_RESULTS: Record<string, Json> = {
  'a list': [],
  'a string': 'x',
  'a number': 7,
  'an address without a prefix': { ips: [{ address: '10.88.0.2' }] },
  'no address at all': { ips: [{ address: 'elephant/24' }] },
  'an index beyond the list': { interfaces: [], ips: [{ address: '10.88.0.2/24', interface: 5 }] },
  'a negative index': { interfaces: [{ name: 'eth0' }], ips: [{ address: '10.88.0.2/24', interface: -1 }] },
}

/** A bad result with the version that belongs to it, where it is an object. */
function versioned(t: Context, result: Json): Json {
  return Array.isArray(result) || typeof result !== 'object' ? result : { cniVersion: t.version, ...result }
}

export const cases: Case[] = [
  {
    id: 'PRV-01',
    section: 'S2 ADD, S5',
    level: 'MUST',
    duty: ['CH'],
    needs: { since: '1.1.0', descriptor: ['noop'] },
    claim: 'A chained plugin with nothing to do passes all of prevResult on, zeros included',
    run(t) {
      const attachment = t.attachment({ config: t.plugin.noop })
      const { interfaces, ips, routes } = attachment.prevResult
      attachment.prevResult = {
        cniVersion: t.version,
        interfaces: interfaces.map((link: Json) => ({ ...link, mtu: 1500 })),
        ips,
        routes: [
          ...routes,
          { dst: '192.0.2.0/24', gw: '10.88.0.1', mtu: 1400, advmss: 1300, priority: 7, table: 0, scope: 0 },
        ],
        dns: { nameservers: ['192.0.2.53'], domain: 'example.org', search: ['a.example'], options: ['ndots:2'] },
      }
      const result = attachment.added()
      for (const key of ['interfaces', 'ips', 'routes', 'dns']) same(result[key], attachment.prevResult[key], key)
    },
  },
  {
    id: 'PRV-02',
    section: 'S5',
    level: 'MUST',
    duty: ['CH'],
    needs: { since: '0.3.0' },
    versions: 'each',
    claim: 'A chained plugin changes or appends exactly what it changed, and the indexes still point right',
    run(t) {
      const attachment = t.attachment()
      const given = attachment.prevResult
      const result = attachment.added()
      same(result.ips, given.ips, 'ips')
      same(result.routes, given.routes, 'routes')
      const links = (netns: typeof t.host) => netns.ip('link')
      const [host, container] = [links(t.host), links(attachment.netns)]
      for (const [at, { name, mac, mtu, sandbox = '' }] of result.interfaces.entries()) {
        const before = given.interfaces[at]
        if (before !== undefined) same([name, sandbox], [before.name, before.sandbox ?? ''], `interface ${at}`)
        const link = (sandbox === '' ? host : container).find(({ ifname }) => ifname === name)
        check(link !== undefined, `${name} exists`)
        // A bridge takes on the address of a port.
        if (mac !== undefined && link.linkinfo?.info_kind !== 'bridge') same(mac, link.address, `mac of ${name}`)
        if (mtu !== undefined) same(mtu, link.mtu, `mtu of ${name}`)
      }
    },
  },
  {
    id: 'PRV-03',
    section: 'S2 ADD',
    level: 'MUST',
    duty: ['IF'],
    needs: { since: '0.3.0' },
    claim: 'An interface plugin passes a prevResult on, or refuses it; it does not lose it silently',
    run(t) {
      const attachment = t.attachment()
      const prevResult = t.shape({
        interfaces: [{ name: 'lo', sandbox: attachment.netns.path }],
        ips: [{ address: '127.0.0.2/8', interface: 0 }],
        routes: [],
        dns: {},
      })
      const answer = attachment.add({ config: { prevResult } })
      if (answer.status !== 0) {
        err(answer)
        return
      }
      const result = ok(answer)
      const there = result.interfaces?.findIndex(({ name }: Json) => name === 'lo') ?? -1
      check(there >= 0, `the interface of prevResult is still there; ${seen(answer)}`)
      const address = result.ips?.find(({ address }: Json) => address === '127.0.0.2/8')
      same(address?.interface, there, 'interface of the address of prevResult')
    },
  },
  {
    id: 'PRV-04',
    section: 'S3',
    level: 'MUST',
    duty: ['CH'],
    versions: 'each',
    claim: 'A prevResult of the configuration’s version is taken and answered in that version',
    run(t) {
      const result = t.attachment().added()
      same(result.cniVersion, t.version, 'cniVersion')
      const address = t.since('0.3.0') ? result.ips?.[0]?.address : result.ip4?.ip
      same(address, '10.88.0.2/24', `the address of prevResult in ${show(result)}`)
    },
  },
  {
    id: 'PRV-05',
    section: 'LIB',
    level: 'DF',
    duty: ['CH'],
    needs: { since: '0.3.0' },
    claim: 'A prevResult without a version has the configuration’s',
    run(t) {
      const attachment = t.attachment()
      const { cniVersion: _, ...rest } = attachment.prevResult
      attachment.prevResult = rest
      same(attachment.added().ips, rest.ips, 'ips')
    },
  },
  {
    id: 'PRV-06',
    section: 'LIB',
    level: 'DF',
    duty: ['CH'],
    needs: { since: '0.4.0' },
    claim:
      'A prevResult of a version other than the configuration’s is code 6 or 7 and changes nothing, or is converted',
    run(t) {
      const attachment = t.attachment()
      const before = t.snapshot()
      const older = t.shape(attachment.prevResult, '0.2.0')
      for (const prevResult of [older, { ...attachment.prevResult, cniVersion: '9.9.9' }]) {
        const answer = attachment.add({ config: { prevResult } })
        if (answer.status === 0) {
          const { ips } = ok(answer)
          same(ips?.[0]?.address, '10.88.0.2/24', `the first address of a converted prevResult (${seen(answer)})`)
          done(attachment.del())
        } else err(answer, 1, 6, 7)
        t.noResidue(before)
      }
    },
  },
  {
    id: 'PRV-07',
    section: 'S5 err',
    level: 'SHOULD',
    duty: ['CH'],
    needs: { since: '1.0.0' },
    claim: 'A malformed prevResult is code 6 or 7 on ADD and CHECK, and nothing changes',
    run(t) {
      const attachment = t.attachment()
      const before = t.snapshot()
      for (const [what, result] of Object.entries(BAD_RESULTS)) {
        const stdin = (verb: string) => {
          const { prevResult: _, ...config } = attachment.config(verb)
          return JSON.stringify({ ...config, prevResult: versioned(t, result) })
        }
        for (const verb of ['ADD', 'CHECK']) {
          const answer = attachment.call(verb, { stdin: stdin(verb) })
          check([6, 7].includes(answer.json?.code), `${what} is code 6 or 7; ${seen(answer)}`)
        }
      }
      t.unchanged(before, 'a malformed prevResult changes nothing', t.lastingDirectories)
    },
  },
  {
    id: 'PRV-08',
    section: 'S5',
    level: 'SHOULD',
    duty: ['CH'],
    needs: { since: '1.0.0' },
    claim: 'Members nobody knows in prevResult, its interfaces, addresses and routes are in the result',
    run(t) {
      const attachment = t.attachment()
      const strange = { 'org.example/strange': { a: [1, null] } }
      const given = attachment.prevResult
      attachment.prevResult = {
        ...given,
        ...strange,
        interfaces: given.interfaces.map((link: Json) => ({ ...link, ...strange })),
        ips: given.ips.map((ip: Json) => ({ ...ip, ...strange })),
        routes: given.routes.map((route: Json) => ({ ...route, ...strange })),
      }
      const result = attachment.added()
      const [key, value] = Object.entries(strange)[0] as [string, Json]
      same(result[key], value, 'the strange member of the result')
      for (const list of ['interfaces', 'ips', 'routes'])
        same(result[list][0][key], value, `the strange member in ${list}`)
    },
  },
  {
    id: 'PRV-09',
    section: 'S5',
    level: 'DF',
    duty: ['CH'],
    needs: { since: '0.4.0' },
    claim: 'Behind a plugin whose result lists no interface, ADD fails, or CHECK of its result succeeds',
    run(t) {
      const one = t.attachment()
      const { ips, interfaces, ...rest } = one.prevResult
      const bare = (ips as Json[]).map(({ interface: _, ...ip }) => ip)
      const container = (interfaces as Json[]).filter(({ sandbox }) => sandbox)
      for (const previous of [
        { ...rest, ips: bare },
        { ...rest, interfaces: container, ips: bare.map((ip) => ({ ...ip, interface: 0 })) },
      ]) {
        const before = t.snapshot()
        one.prevResult = previous
        const answer = one.add()
        if (answer.status === 0) ok0(one.check())
        else err(answer)
        ok0(one.del())
        t.noResidue(before)
      }
    },
  },
  {
    id: 'PRV-10',
    section: 'S5',
    level: 'DF',
    duty: ['CH'],
    needs: { since: '0.4.0' },
    claim: 'ADD for a container without the link that prevResult lists changes no link of another container',
    run(t) {
      const one = t.attachment()
      one.added()
      const two = t.attachment({ bare: true })
      const interfaces = (one.prevResult.interfaces as Json[]).map((link) =>
        link.sandbox ? { ...link, sandbox: two.netns.path } : link,
      )
      const ips = [{ interface: 2, address: '10.88.0.99/24', gateway: '10.88.0.1' }]
      two.prevResult = { ...one.prevResult, interfaces, ips }
      const ofOne = () =>
        t.snapshot().filter((line) => /^host (link|qdisc|filter) /.test(line) && line.includes(one.hostEnd))
      const before = ofOne()
      const answer = two.add()
      if (answer.status !== 0) err(answer)
      same(ofOne(), before, 'what the host has for the link of the first container')
      ok0(two.del())
      ok0(one.check())
    },
  },
]
