/** The configuration's format, as far as it binds a plugin: section 1 of the list. */

import { check, done, err, ok, ok0, same, seen, wellFormed } from '../assert.js'
import type { Case } from '../case.js'
import { gatewaysOnHost } from '../gateways.js'
import type { Json } from '../json.js'
import type { Snapshot } from '../snapshot.js'
import { linksSettled, vethsOf } from '../witness.js'

const BAD_NAMES = ['.net', '-net', '_net', 'a/b', '../net', 'a b', 'a%b', 'a\nb', 'a\u0000b', 'né', '/', '']

/** Calls with each configuration are refused with one of the codes, and nothing changes. */
function refusesEach(
  t: Parameters<Case['run']>[0],
  overs: readonly Json[],
  codes: readonly number[],
  verbs: readonly string[] = ['ADD'],
): void {
  const attachment = t.attachment()
  const before: Snapshot = t.snapshot()
  for (const verb of verbs) for (const config of overs) err(attachment.call(verb, { config }), ...codes)
  t.unchanged(before, 'a refused configuration changes nothing')
}

export const cases: Case[] = [
  {
    id: 'CFG-02',
    section: 'S1',
    level: 'MUST',
    duty: ['P'],
    claim: 'A malformed network name is code 7, and no file, directory or link appears',
    run: (t) =>
      refusesEach(
        t,
        BAD_NAMES.map((name) => ({ name })),
        [7],
        ['ADD', 'CHECK', 'DEL'],
      ),
  },
  {
    id: 'CFG-03',
    section: 'S1, S3',
    level: 'MUST',
    duty: ['P'],
    claim: 'A configuration without a network name is code 7',
    run: (t) => refusesEach(t, [{ name: undefined }, { name: '' }], [7]),
  },
  {
    id: 'CFG-04',
    section: 'S1',
    level: 'MUST',
    duty: ['P'],
    claim: 'A cniVersion of the wrong type is code 6',
    run: (t) =>
      refusesEach(t, [{ cniVersion: 1 }, { cniVersion: ['1.0.0'] }, { cniVersion: {} }, { cniVersion: true }], [6]),
  },
  {
    id: 'CFG-08',
    section: 'UP, LIB',
    level: 'DF',
    duty: ['P'],
    needs: { until: '0.2.0' },
    claim: 'Without any version the answer has the shape of 0.1.0 and 0.2.0',
    run(t) {
      const attachment = t.attachment()
      const result = ok(attachment.add({ config: { cniVersion: undefined } }))
      check(result.ip4 !== undefined || result.ip6 !== undefined, `there is ip4 or ip6: ${JSON.stringify(result)}`)
      check(result.ips === undefined && result.interfaces === undefined, 'there are no lists of a later version')
      done(attachment.del({ config: { cniVersion: undefined } }))
    },
  },
  {
    id: 'CFG-17',
    section: 'S1',
    level: 'MUST',
    duty: ['DL'],
    claim: 'A delegate’s type that is a path or empty runs nothing outside the search path',
    run(t) {
      const attachment = t.attachment()
      const before = t.snapshot()
      const section = t.plugin.delegates ?? 'ipam'
      const outside = t.temp('outside')
      t.fake.install(outside)
      for (const type of [
        `../outside/${t.fake.type}`,
        `${outside}/${t.fake.type}`,
        `./${t.fake.type}`,
        `..\\${t.fake.type}`,
        '..',
        '.',
        `x/../${t.fake.type}`,
        '',
      ]) {
        const answer = attachment.add({ config: { [section]: { type } } })
        // An empty type may mean that there is no delegate.
        if (type !== '' || answer.status !== 0) err(answer)
        same(t.fake.verbs(), [], `what was executed for ${type}`)
        ok0(attachment.del())
        t.fake.forget()
      }
      t.noResidue(before, 'after a refused type and DEL all is as before')
    },
  },
  {
    id: 'CFG-19',
    section: 'S1',
    level: 'MAY',
    duty: ['P'],
    claim: 'An unknown top-level key is ignored, or refused with code 2 and a text that names key and value',
    run(t) {
      const attachment = t.attachment()
      for (const value of ['chartreuse', 7, null, [1], { a: { b: 1 } }]) {
        const answer = attachment.add({ config: { 'x-unheard-of': value } })
        if (answer.status === 0) {
          ok(answer)
          ok0(attachment.del({ config: { 'x-unheard-of': value } }))
          continue
        }
        const error = err(answer, 2)
        check(`${error.msg} ${error.details}`.includes('x-unheard-of'), `the text names the key; ${seen(answer)}`)
      }
    },
  },
  {
    id: 'CFG-20',
    section: 'S1',
    level: 'MUST',
    duty: ['P'],
    claim: 'Keys that belong to the protocol are never refused as unknown',
    run(t) {
      const attachment = t.attachment()
      const own = {
        dns: { nameservers: ['192.0.2.53'], domain: 'example.org', search: ['example.org'], options: ['ndots:2'] },
        args: { 'cni.dev': {}, cni: { labels: [{ key: 'a', value: 'b' }] } },
        runtimeConfig: { 'org.example/none': {} },
        capabilities: { 'org.example/none': true },
        'cni.dev/valid-attachments': [],
        'cni.dev/attachments': [],
        'cni.dev/something-new': { a: 1 },
      }
      const answer = attachment.add({ config: own })
      check(answer.json?.code !== 2, `no protocol key is unknown; ${seen(answer)}`)
      ok(answer)
      ok0(attachment.del({ config: own }))
    },
  },
  {
    id: 'CFG-21',
    section: 'S1',
    level: 'SHOULD',
    duty: ['IF'],
    needs: { link: true, kernel: ['nft nat'], descriptor: ['delegates'] },
    claim: 'ipMasq gives packets to elsewhere the host’s address, and DEL removes its rules, the namespace gone or not',
    async run(t) {
      const elsewhere = t.netns('elsewhere')
      elsewhere.sh('ip link set lo up')
      t.host.sh(
        `ip link add out type veth peer name in netns ${elsewhere.path}`,
        'ip addr add 198.51.100.1/24 dev out',
        'ip link set out up',
        'echo 1 >/proc/sys/net/ipv4/ip_forward',
      )
      elsewhere.sh('ip addr add 198.51.100.2/24 dev in', 'ip link set in up')
      for (const gone of [false, true]) {
        const attachment = t.attachment({ config: { ipMasq: true } })
        const before = t.snapshot()
        const links = vethsOf(t.host)
        if (gatewaysOnHost(t, attachment.added()).length === 0) t.skip('the host is no gateway of the container')
        const fresh = vethsOf(t.host).filter((name) => !links.includes(name))
        // There is no route back to the container, so only a translated packet is answered.
        check(attachment.netns.ping('198.51.100.2'), 'a translated packet is answered')
        if (gone) attachment.netns.remove()
        done(attachment.del())
        if (gone) await linksSettled(t, fresh)
        t.noResidue(
          gone ? before.filter((line) => !line.startsWith('container')) : before,
          `DEL ${gone ? 'without the namespace ' : ''}removes the rules`,
          ['container*', 'host nft table *', 'host nft chain * hook=*', 'host sysctl *'],
        )
      }
    },
  },
  {
    id: 'CFG-22',
    section: 'S1',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'A well-known key of the wrong type is code 6 or 7, and nothing changes',
    run(t) {
      const wrong: Json[] = [
        { dns: [] },
        { dns: 'x' },
        { dns: { nameservers: 'x' } },
        { runtimeConfig: [] },
        { args: 'x' },
      ]
      if (t.plugin.kind === 'interface' && t.plugin.delegates !== undefined) {
        wrong.push({ ipMasq: 'yes' }, { ipMasq: 1 }, { mtu: 1400.5 }, { mtu: '1400' }, { mtu: [] })
      }
      refusesEach(t, wrong, [6, 7])
    },
  },
  {
    id: 'CFG-23',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'Well-known keys that are null are as if they were absent',
    run(t) {
      const attachment = t.attachment()
      const nulls: Json = { dns: null, args: null, 'cni.dev/something': null }
      if (t.plugin.kind !== 'chained') nulls.prevResult = null
      if (t.plugin.config.runtimeConfig === undefined) nulls.runtimeConfig = null
      if (t.plugin.kind === 'interface' && t.plugin.delegates === undefined) nulls.ipam = null
      ok(attachment.add({ config: nulls }))
      ok0(attachment.del({ config: { ...nulls, prevResult: null } }))
      const members = {
        portMappings: null,
        bandwidth: null,
        ips: null,
        ipRanges: null,
        mac: null,
        dns: null,
        aliases: null,
      }
      const answer = attachment.add({ config: { runtimeConfig: members } })
      check(wellFormed(answer), `null members of runtimeConfig are absent ones; ${seen(answer)}`)
      ok0(attachment.del({ config: { runtimeConfig: members } }))
    },
  },
  {
    id: 'CFG-25',
    section: 'S1',
    level: 'SHOULD',
    duty: ['IF', 'CH', 'IPAM'],
    claim: 'A list of plugins where the configuration of one belongs fails with code 6 or 7 and changes nothing',
    run(t) {
      const one = t.attachment()
      const before = t.snapshot()
      const { cniVersion, name, ...plugin } = one.config('ADD')
      err(one.add({ stdin: JSON.stringify({ cniVersion, name, plugins: [plugin] }) }), 6, 7)
      t.unchanged(before, 'ADD with a list changes nothing')
    },
  },
]
