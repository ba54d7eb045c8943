/** Conversion of results between versions: section 11 of the list, CNV. */

import { check, done, err, ok, same, show } from '../assert.js'
import type { Case } from '../case.js'
import type { Json } from '../json.js'
import { family } from '../shapes.js'

const TWO_OF_EACH = [
  { address: '10.88.0.9/24', gateway: '10.88.0.1' },
  { address: 'fd00:88::9/64', gateway: 'fd00:88::1' },
  { address: '10.88.0.10/24' },
  { address: 'fd00:88::a/64' },
]

export const cases: Case[] = [
  {
    id: 'CNV-01',
    section: 'UP',
    level: 'MUST',
    duty: ['DL'],
    needs: { since: '0.3.0' },
    versions: 'each',
    claim: 'A delegate’s result in the oldest shape is taken: IPv4 first, its routes lifted',
    run(t) {
      const routes = [{ dst: '192.0.2.0/24' }, { dst: '2001:db8::/32' }]
      t.fake.on('ADD', { stdout: t.shape({ ips: TWO_OF_EACH.slice(0, 2).reverse(), routes }, '0.2.0') })
      const result = t.attachment().added()
      same(
        result.ips.map(({ address }: Json) => address),
        ['10.88.0.9/24', 'fd00:88::9/64'],
        'addresses',
      )
      const destinations = result.routes.map(({ dst }: Json) => dst)
      for (const { dst } of routes)
        check(destinations.includes(dst), `the route to ${dst} is in ${show(result.routes)}`)
    },
  },
  {
    id: 'CNV-02',
    section: 'UP',
    level: 'MUST',
    duty: ['DL'],
    needs: { until: '0.2.0' },
    versions: 'each',
    claim: 'Several addresses of a family are the first one in the oldest shape, or an error',
    run(t) {
      t.fake.on('ADD', { stdout: t.shape({ ips: TWO_OF_EACH }, '0.4.0') })
      const answer = t.attachment().add()
      if (answer.status !== 0) {
        err(answer)
        return
      }
      const result = ok(answer)
      same([result.ip4?.ip, result.ip6?.ip], ['10.88.0.9/24', 'fd00:88::9/64'], 'addresses')
      check(!('ips' in result) && !('interfaces' in result), `shapes are not mixed: ${show(result)}`)
    },
  },
  {
    id: 'CNV-02.ipam',
    section: 'UP',
    level: 'MUST',
    duty: ['IPAM'],
    needs: { until: '0.2.0', capabilities: ['ipRanges'] },
    claim: 'Several addresses of a family are one of them in the oldest shape, or an error that keeps nothing',
    run(t) {
      const attachment = t.attachment({ config: { runtimeConfig: { ipRanges: t.plugin.capabilities?.['ipRanges'] } } })
      const before = t.snapshot()
      const answer = attachment.add()
      if (answer.status !== 0) err(answer)
      else check(!('ips' in ok(answer)), `shapes are not mixed: ${show(answer.json)}`)
      if (answer.status === 0) done(attachment.del())
      t.noResidue(before)
    },
  },
  {
    id: 'CNV-03',
    section: 'UP',
    level: 'MUST',
    duty: ['DL'],
    needs: { until: '0.2.0' },
    versions: 'each',
    claim: 'In the oldest shape a route of a family without an address is left out or an error, not filed elsewhere',
    run(t) {
      const attachment = t.attachment()
      const routes = [{ dst: '192.0.2.0/24' }, { dst: '2001:db8::/64' }]
      for (const [ip, own, other] of [
        [TWO_OF_EACH[0], 'ip4', 'ip6'],
        [TWO_OF_EACH[1], 'ip6', 'ip4'],
      ] as const) {
        t.fake.on('ADD', { stdout: t.shape({ ips: [ip], routes }, '0.4.0') })
        const answer = attachment.add()
        if (answer.status !== 0) {
          err(answer)
          done(attachment.del())
          continue
        }
        const result = ok(answer)
        same(result[own]?.ip, ip?.address, `address of ${own}`)
        same(result[other], undefined, other)
        const filed = (result[own].routes ?? []).map(({ dst }: Json) => family(dst))
        check(!filed.includes(own === 'ip4' ? '6' : '4'), `routes of ${own}: ${show(result[own].routes)}`)
        check(filed.length > 0, `the route of its own family is in ${own}`)
        done(attachment.del())
      }
    },
  },
  {
    id: 'CNV-04',
    section: 'LIB',
    level: 'MUST',
    duty: ['DL'],
    needs: { until: '0.2.0' },
    versions: 'each',
    claim: 'A result without any address is an error before 0.3.0',
    run(t) {
      const attachment = t.attachment()
      const before = t.snapshot()
      t.fake.on('ADD', { stdout: { cniVersion: t.version, dns: {} } })
      err(attachment.add())
      done(attachment.del())
      t.noResidue(before)
    },
  },
  {
    id: 'CNV-05',
    section: 'UP',
    level: 'MUST',
    duty: ['DL'],
    needs: { since: '0.3.0', until: '0.4.0' },
    versions: 'each',
    claim: 'The family that older shapes want is derived from the address',
    run(t) {
      t.fake.on('ADD', { stdout: t.shape({ ips: TWO_OF_EACH.slice(0, 2) }, '1.0.0') })
      const { ips } = t.attachment().added()
      same(
        ips.map(({ version }: Json) => version),
        ['4', '6'],
        'versions of the addresses',
      )
    },
  },
  {
    id: 'CNV-06',
    section: 'UP',
    level: 'MUST',
    duty: ['CH'],
    needs: { since: '0.3.0', descriptor: ['noop'] },
    versions: 'each',
    claim: 'What is common to the versions survives: the order of the lists, and the interface of index 0',
    run(t) {
      const attachment = t.attachment({ config: t.plugin.noop })
      const [bridge, hostEnd, link] = attachment.prevResult.interfaces
      const { cniVersion, ips, routes } = attachment.prevResult
      const given = {
        cniVersion,
        interfaces: [link, hostEnd, bridge],
        ips: ips.map((ip: Json) => ({ ...ip, interface: 0 })).reverse(),
        routes: [...routes].reverse(),
        dns: { nameservers: ['192.0.2.2', '192.0.2.1'], search: ['b.example', 'a.example'] },
      }
      attachment.prevResult = given
      const result = attachment.added()
      for (const key of ['interfaces', 'ips', 'routes', 'dns'] as const) same(result[key], given[key], key)
    },
  },
]
