/** What comes in args and in CNI_ARGS. */

import { check, done, err, ok, ok0, same } from '../assert.js'
import type { Case } from '../case.js'
import type { Context } from '../context.js'
import type { Json } from '../json.js'
import { addressesIn } from '../witness.js'

const bare = (address: string) => address.split('/')[0] ?? ''

/** Two IPv4 addresses the plugin can be asked for. */
function wanted(context: Context): [string, string] {
  const ips = (context.plugin.capabilities?.['ips'] ?? []) as string[]
  const four = ips.map(bare).find((each) => !each.includes(':'))
  if (four === undefined) context.skip('the plugin takes no addresses')
  return [four, four.replace(/\d+$/, (last) => String(Number(last) + 1))]
}

/** The IPv4 addresses of a result. */
function fours(result: Json): string[] {
  return addressesIn(result)
    .map(bare)
    .filter((each) => !each.includes(':'))
}

/** Those of them that were asked for: where the configuration names addresses itself, what is asked for may come behind. */
function asked(context: Context, result: Json): string[] {
  const named = context.plugin.fixedAddresses ? JSON.stringify(context.plugin.config) : ''
  return fours(result).filter((each) => !named.includes(`"${each}/`))
}

const KUBERNETES = [
  'K8S_POD_NAMESPACE=default',
  'K8S_POD_NAME=web-0',
  'K8S_POD_INFRA_CONTAINER_ID=c1',
  'K8S_POD_UID=6d1f-8b',
]

export const cases: Case[] = [
  {
    id: 'ARG-01',
    section: 'CV',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'labels, unknown members and other namespaces of args are no error',
    run(context) {
      const args = {
        cni: { labels: [{ key: 'app', value: 'web' }], 'unknown-member': { deep: [1] } },
        'org.example': { list: [1, 'two', null], flag: true },
        'plain value': 7,
      }
      const one = context.attachment({ config: { args } })
      one.added()
      if (context.since('0.4.0')) ok0(one.check())
      ok0(one.del())
    },
  },
  {
    id: 'ARG-02',
    section: 'CV',
    level: 'SHOULD',
    duty: ['IPAM'],
    claim: 'addresses in args.cni.ips are the ones allocated, with or without a prefix length',
    needs: { capabilities: ['ips'] },
    run(context) {
      const [first] = wanted(context)
      const one = context.attachment()
      for (const ip of [first, `${first}/24`]) {
        same(fours(one.added({ config: { args: { cni: { ips: [ip] } } } })), [first], `addresses for ${ip}`)
        ok0(one.del())
      }
    },
  },
  {
    id: 'ARG-03',
    section: 'CV',
    level: 'MUST',
    duty: ['IPAM'],
    claim: 'IP in CNI_ARGS is ignored where args.cni.ips is given',
    needs: { capabilities: ['ips'] },
    run(context) {
      const [first, second] = wanted(context)
      const one = context.attachment()
      same(
        fours(one.added({ config: { args: { cni: { ips: [first] } } }, args: `IP=${second}` })),
        [first],
        'addresses',
      )
    },
  },
  {
    id: 'ARG-04',
    section: 'CV',
    level: 'DF',
    duty: ['IPAM'],
    claim: 'an address in runtimeConfig counts more than one in CNI_ARGS, or both are an error',
    needs: { capabilities: ['ips'] },
    run(context) {
      const [first, second] = wanted(context)
      const answer = context.attachment().add({ config: { runtimeConfig: { ips: [first] } }, args: `IP=${second}` })
      if (answer.status !== 0) err(answer)
      else same(fours(ok(answer)), [first], 'addresses')
    },
  },
  {
    id: 'ARG-04.mac',
    section: 'CV',
    level: 'DF',
    duty: ['IF', 'CH'],
    claim: 'a mac in runtimeConfig counts more than in args.cni, and that more than in CNI_ARGS',
    needs: { capabilities: ['mac'] },
    run(context) {
      const one = context.attachment()
      const [a, b, c] = ['02:00:00:00:00:0a', '02:00:00:00:00:0b', '02:00:00:00:00:0c']
      const seen = (config: Json) => {
        done(one.add({ config, args: `MAC=${c}` }))
        const { address } = one.netns.link(one.ifName)
        ok0(one.del())
        return address
      }
      same(seen({ runtimeConfig: { mac: a }, args: { cni: { mac: b } } }), a, 'hardware address with all three')
      same(seen({ runtimeConfig: undefined, args: { cni: { mac: b } } }), b, 'hardware address with args.cni')
      same(seen({ runtimeConfig: undefined }), c, 'hardware address with CNI_ARGS')
    },
  },
  {
    id: 'CAR-01',
    section: 'S2 param',
    level: 'MUST',
    duty: ['IPAM'],
    claim: 'IP in CNI_ARGS is the address allocated, behind those that the configuration names',
    needs: { capabilities: ['ips'] },
    run(context) {
      const [first] = wanted(context)
      same(asked(context, context.attachment().added({ args: `IP=${first}` })), [first], 'addresses')
    },
  },
  {
    id: 'CAR-01.mac',
    section: 'S2 param',
    level: 'MUST',
    duty: ['IF', 'CH'],
    claim: 'MAC in CNI_ARGS is the hardware address of the link',
    needs: { capabilities: ['mac'] },
    run(context) {
      const one = context.attachment()
      one.added({ args: 'MAC=02:00:00:00:00:0c' })
      same(one.netns.link(one.ifName)?.address, '02:00:00:00:00:0c', 'hardware address')
    },
  },
  {
    id: 'CAR-02',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'the arguments of Kubernetes are accepted in any order',
    run(context) {
      const one = context.attachment()
      const pairs = ['IgnoreUnknown=1', ...KUBERNETES]
      for (let turn = 0; turn < pairs.length; turn++) {
        const args = [...pairs.slice(turn), ...pairs.slice(0, turn)].join(';')
        done(one.add({ args }))
        if (context.since('0.4.0')) ok0(one.check({ args }))
        ok0(one.del({ args }))
      }
    },
  },
  {
    id: 'CAR-03',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'an unknown key without IgnoreUnknown is accepted, or an error that leaves nothing',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      for (const args of ['UNKNOWN=1', 'IgnoreUnknown=0;UNKNOWN=1', 'IgnoreUnknown=false;UNKNOWN=1']) {
        const answer = one.add({ args })
        if (answer.status === 0) {
          ok0(one.del())
        } else {
          err(answer)
          context.noResidue(before, `after ADD with CNI_ARGS ${args} all is as before`)
        }
      }
    },
  },
  {
    id: 'CAR-04',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'IgnoreUnknown is true as 1, true and True; any other word fails, where the plugin reads CNI_ARGS at all',
    run(context) {
      const one = context.attachment()
      for (const flag of ['1', 'true', 'True']) {
        done(one.add({ args: `UNKNOWN=x;IgnoreUnknown=${flag}` }))
        ok0(one.del())
      }
      const before = context.snapshot()
      const answer = one.add({ args: 'UNKNOWN=x;IgnoreUnknown=yes' })
      const { mac, ips } = context.plugin.capabilities ?? {}
      // Who takes a MAC or an address from there reads it.
      if (answer.status === 0 && mac === undefined && ips === undefined) return
      err(answer)
      context.noResidue(before, 'after ADD with IgnoreUnknown=yes all is as before')
    },
  },
  {
    id: 'CAR-04.case',
    section: 'LIB',
    level: 'DF',
    duty: ['IPAM'],
    claim: 'a key of CNI_ARGS in small letters is another key: ip is not IP',
    needs: { capabilities: ['ips'] },
    run(context) {
      const [, second] = wanted(context)
      const answer = context.attachment().add({ args: `IgnoreUnknown=1;ip=${second}` })
      if (answer.status !== 0) err(answer)
      else check(!fours(ok(answer)).includes(second), `${second} is not what was asked for: ${fours(answer.json)}`)
    },
  },
  {
    id: 'CAR-04.mac',
    section: 'LIB',
    level: 'DF',
    duty: ['IF', 'CH'],
    claim: 'a key of CNI_ARGS in small letters is another key: mac is not MAC',
    needs: { capabilities: ['mac'] },
    run(context) {
      const one = context.attachment()
      const answer = one.add({ args: 'IgnoreUnknown=1;mac=02:00:00:00:00:0c' })
      if (answer.status !== 0) err(answer)
      else check(one.netns.link(one.ifName)?.address !== '02:00:00:00:00:0c', 'the hardware address was not asked for')
    },
  },
  {
    id: 'CAR-05',
    section: 'S2 param',
    level: 'SHOULD',
    duty: ['P'],
    claim:
      'CNI_ARGS that are no pairs are accepted, or an error with code 4 that names the variable, and DEL works with them',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      for (const args of [
        'novalue',
        '=value',
        'IgnoreUnknown=1;;A=b',
        'IgnoreUnknown=1;A=b;',
        'IgnoreUnknown=1;novalue',
      ]) {
        const answer = one.add({ args })
        if (answer.status !== 0) {
          const { msg, details = '' } = err(answer, 4)
          check(`${msg} ${details}`.includes('CNI_ARGS'), `the text names CNI_ARGS: ${msg}`)
          context.noResidue(before, `after ADD with CNI_ARGS ${args} all is as before`)
        }
        ok0(one.del({ args }))
        context.noResidue(before, `after ADD and DEL with CNI_ARGS ${args} all is as before`)
      }
    },
  },
  {
    id: 'CAR-06',
    section: 'CV',
    level: 'SHOULD',
    duty: ['IPAM'],
    claim: 'IP with a prefix length, as a list, or IPv4-mapped is allocated as plain IPv4, or an error',
    needs: { capabilities: ['ips'] },
    run(context) {
      const [first] = wanted(context)
      const one = context.attachment()
      const before = context.snapshot()
      for (const ip of [`${first}/24`, `::ffff:${first}`, `${first},fd00:77::9`]) {
        const answer = one.add({ args: `IP=${ip}` })
        if (answer.status === 0) {
          same(asked(context, ok(answer)), [first], `addresses for IP=${ip}`)
          ok0(one.del())
        } else err(answer)
        context.noResidue(before, `after IP=${ip} and DEL all is as before`)
      }
    },
  },
]
