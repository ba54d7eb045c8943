/** A plugin that runs another one: what it hands on, and what it does with the answer. */

import { check, done, err, ok, ok0, same } from '../assert.js'
import type { Case } from '../case.js'
import type { Context } from '../context.js'
import type { Json } from '../json.js'
import { addressesIn, addressesOf } from '../witness.js'

const ONE = { ips: [{ address: '10.88.0.7/24', gateway: '10.88.0.1' }] }

/** A configuration with something of everything that is not the plugin's own. */
function rich(context: Context): Json {
  return {
    args: { cni: { labels: [{ key: 'a', value: 'b' }] }, 'example.org': { deep: [1, { x: null }] } },
    runtimeConfig: { 'example.org/unknown': { list: [1, 2.5, 'three'] } },
    'cni.dev/unknown': [{ containerID: 'x' }],
    dns: { nameservers: ['192.0.2.53'] },
    'io.example/unknown': { '': 0, ключ: 'значение', nested: [[], {}, true, null] },
    ...(context.since('0.3.0') ? { prevResult: context.shape({ interfaces: [], ips: [], dns: {} }) } : {}),
  }
}

/** A failed ADD: the delegate was called with ADD and DEL, and with the same otherwise. */
function rolledBack(context: Context, provoke: () => void, codes: readonly number[] = []): void {
  const one = context.attachment()
  context.fake.forget()
  provoke()
  err(one.add(), ...codes)
  same(context.fake.verbs(), ['ADD', 'DEL'], 'verbs of the delegate')
  const [add, del] = context.fake.calls()
  same(del?.stdin, add?.stdin, 'stdin of its DEL')
  same({ ...del?.env, CNI_COMMAND: 'ADD' }, add?.env, 'environment of its DEL but for the verb')
}

export const cases: Case[] = [
  {
    id: 'DLG-01',
    section: 'S4',
    level: 'MUST',
    duty: ['DL'],
    claim: 'the delegate gets the whole configuration on stdin, unknown members included',
    run(context) {
      const one = context.attachment({ config: rich(context) })
      for (const verb of context.since('0.4.0') ? ['ADD', 'CHECK', 'DEL'] : ['ADD', 'DEL']) {
        context.fake.forget()
        const config = one.config(verb)
        done(one.call(verb))
        same(context.fake.calls()[0]?.config, config, `stdin of the delegate at ${verb}`)
      }
    },
  },
  {
    id: 'DLG-02',
    section: 'S4',
    level: 'MUST',
    duty: ['DL'],
    claim: 'the delegate has every variable of the environment, with the same value',
    run(context) {
      const one = context.attachment()
      const extra = { EMPTY: '', 'WITH SPACE': 'a  b', MULTI: 'line\nline', TRACE_ID: 'ü=;"', CAP_ARGS: '{}' }
      one.added({ args: 'IgnoreUnknown=1;K8S_POD_NAME=p', env: extra })
      const env = context.fake.calls()[0]?.env ?? {}
      const expected = {
        ...extra,
        CNI_COMMAND: 'ADD',
        CNI_CONTAINERID: one.containerId,
        CNI_NETNS: one.netns.path,
        CNI_IFNAME: one.ifName,
        CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAME=p',
        CNI_PATH: context.path,
      }
      for (const [name, value] of Object.entries(expected)) same(env[name], value, `variable ${name} of the delegate`)
    },
  },
  {
    id: 'DLG-03',
    section: 'S4',
    level: 'SHOULD',
    duty: ['DL'],
    claim: 'the delegate is looked for in CNI_PATH, and neither in PATH nor in the working directory',
    run(context) {
      const { bin } = context.fake
      const empty = context.temp('empty')
      context.attachment().added({ path: `${context.bin}:${empty}:/there/is/none:${bin}` })
      for (const outside of [{ env: { PATH: `${bin}:/usr/bin:/bin:/usr/sbin:/sbin` } }, { shell: `cd ${bin}` }]) {
        context.fake.forget()
        err(context.attachment().add({ path: context.bin, ...outside }))
        same(context.fake.verbs(), [], 'verbs of a delegate outside CNI_PATH')
      }
    },
  },
  {
    id: 'DLG-04',
    section: 'S4',
    level: 'SHOULD',
    duty: ['DL'],
    claim: 'what the delegate writes on stderr comes out on stderr, whether it succeeds or fails',
    run(context) {
      const { fake } = context
      const one = context.attachment()
      fake.on('ADD', { stdout: context.shape(ONE), stderr: 'said on success\n' })
      const answer = one.add()
      ok(answer)
      check(answer.stderr.includes('said on success'), `stderr of a success is passed on: ${answer.stderr}`)
      done(one.del())
      fake.on('ADD', { stdout: { code: 142, msg: 'no' }, exit: 1, stderr: 'said on failure\n' })
      const failure = one.add()
      err(failure)
      check(failure.stderr.includes('said on failure'), `stderr of a failure is passed on: ${failure.stderr}`)
    },
  },
  {
    id: 'DLG-05',
    section: 'S4',
    level: 'MUST',
    duty: ['DL'],
    claim: 'each verb reaches the delegate as the same verb, once',
    run(context) {
      const one = context.attachment()
      const verbs = ['ADD', ...(context.since('0.4.0') ? ['CHECK'] : []), 'DEL']
      for (const verb of verbs) {
        context.fake.forget()
        done(one.call(verb))
        same(context.fake.verbs(), [verb], `verbs of the delegate at ${verb}`)
      }
      if (!context.since('1.1.0')) return
      for (const verb of ['STATUS', 'GC']) {
        context.fake.forget()
        done(context.call(verb, { config: { ...context.config(), 'cni.dev/valid-attachments': [] } }))
        same(context.fake.verbs(), [verb], `verbs of the delegate at ${verb}`)
      }
    },
  },
  {
    id: 'DLG-06',
    section: 'S4',
    level: 'SHOULD',
    duty: ['DL'],
    claim: 'where the delegate fails ADD it is run again with DEL, and its code is passed on',
    run(context) {
      rolledBack(context, () => context.fake.fails('ADD', 142), [142])
    },
  },
  {
    id: 'DLG-07',
    section: 'S4',
    level: 'SHOULD',
    duty: ['DL'],
    claim: 'where the plugin fails after the delegate succeeded, the delegate gets DEL',
    needs: { link: true },
    run(context) {
      const routes = [{ dst: '10.50.0.0/16', gw: '172.31.99.1' }]
      rolledBack(context, () => context.fake.on('ADD', { stdout: context.shape({ ...ONE, routes }) }))
    },
  },
  {
    id: 'DLG-08',
    section: 'S4',
    level: 'SHOULD',
    duty: ['DL'],
    claim: 'where the delegate succeeds with garbage, with nothing, or without addresses, it gets DEL and ADD fails',
    needs: { link: true },
    run(context) {
      const replies: Json[] = ['garbage', '', '{"ips":', '[]', context.shape({ ips: [], dns: {} })]
      for (const stdout of replies) rolledBack(context, () => context.fake.on('ADD', { stdout }))
      const one = context.attachment()
      const before = context.snapshot()
      for (const stdout of replies) {
        context.fake.on('ADD', { stdout })
        err(one.add())
        check(one.netns.link(one.ifName) === undefined, `there is no ${one.ifName} after ${JSON.stringify(stdout)}`)
        context.noResidue(before, 'after an ADD that failed all is as before')
      }
    },
  },
  {
    id: 'DLG-09',
    section: 'S5 IPAM',
    level: 'MUST',
    duty: ['DL'],
    claim: 'a result of the delegate without cniVersion is taken for one of the version in use',
    versions: 'each',
    run(context) {
      const { cniVersion: _, ...result } = context.shape(ONE)
      context.fake.on('ADD', { stdout: result })
      same(addressesIn(context.attachment().added()), ['10.88.0.7/24'], 'addresses of the result')
    },
  },
  {
    id: 'DLG-10',
    section: 'S5 IPAM',
    level: 'SHOULD',
    duty: ['DL'],
    claim: 'interfaces and interface indexes that the delegate returns are not taken over',
    needs: { since: '0.3.0', link: true },
    run(context) {
      const interfaces = [{ name: 'fake0', mac: '02:00:00:00:00:07' }]
      const ips = [{ ...ONE.ips[0], interface: 0 }]
      context.fake.on('ADD', { stdout: context.shape({ interfaces, ips }) })
      const one = context.attachment()
      const result = one.added()
      const list = result.interfaces as Json[]
      check(!list.some(({ name }) => name === 'fake0'), `fake0 is not in the result: ${JSON.stringify(list)}`)
      same(list[result.ips[0].interface]?.name, one.ifName, 'interface of the address')
      same(addressesOf(one.netns, one.ifName), ['10.88.0.7/24'], 'addresses of the link')
    },
  },
  {
    id: 'DLG-11',
    section: 'S4',
    level: 'MUST',
    duty: ['DL'],
    claim:
      'without the executable of the delegate ADD fails and leaves nothing, and DEL removes its own part and fails',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      err(one.add({ path: context.bin }))
      context.noResidue(before, 'after an ADD that failed all is as before')
      one.added()
      err(one.del({ path: context.bin }))
      check(one.netns.link(one.ifName) === undefined, `${one.ifName} is gone`)
      ok0(one.del())
    },
  },
  {
    id: 'DLG-12',
    section: 'S4',
    level: 'MAY',
    duty: ['DL'],
    claim: 'codes of the delegate are passed on unchanged',
    run(context) {
      const one = context.attachment()
      for (const code of [11, 50, 100, 4711]) {
        context.fake.fails('ADD', code)
        err(one.add(), code)
        done(one.del())
      }
    },
  },
  {
    id: 'DLG-13',
    section: 'S5, S1 dns',
    level: 'SHOULD',
    duty: ['DL'],
    claim: 'DNS of the configuration counts where there is some, else that of the delegate',
    run(context) {
      const theirs = { nameservers: ['192.0.2.53'], domain: 'their.example', search: ['their.example'] }
      const ours = { nameservers: ['198.51.100.53'], search: ['our.example'] }
      context.fake.on('ADD', { stdout: context.shape({ ...ONE, dns: theirs }) })
      const one = context.attachment()
      same(one.added({ config: { dns: ours } }).dns, ours, 'DNS with some in the configuration')
      done(one.del())
      same(one.added({ config: { dns: undefined } }).dns, theirs, 'DNS with none in the configuration')
      done(one.del())
      same(one.added({ config: { dns: {} } }).dns, theirs, 'DNS with an empty one in the configuration')
    },
  },
  {
    id: 'IPM-01',
    section: 'S5 IPAM',
    level: 'MUST',
    duty: ['IPAM'],
    claim: 'a result has neither interfaces nor interface indexes',
    versions: 'each',
    run(context) {
      const result = context.attachment().added()
      same(result.interfaces, undefined, 'interfaces')
      for (const ip of (result.ips ?? []) as Json[]) same(ip.interface, undefined, 'interface of an address')
      check(addressesIn(result).length > 0, `there is an address: ${JSON.stringify(result)}`)
    },
  },
  {
    id: 'IPM-02',
    section: 'S4',
    level: 'MUST',
    duty: ['IPAM'],
    claim: 'the configuration of an interface plugin around its section is no concern of it',
    run(context) {
      const outer = {
        type: 'macvlan',
        master: 'eth7',
        mode: 'bridge',
        bridge: ['not', 'a', 'string'],
        mtu: 'large',
        isGateway: 7,
        vlan: { id: 7 },
        capabilities: { mac: true, ips: true },
      }
      const one = context.attachment({ config: outer })
      one.added()
      if (context.since('0.4.0')) ok0(one.check())
      ok0(one.del())
    },
  },
  {
    id: 'IPM-03',
    section: 'S2 DEL',
    level: 'MUST',
    duty: ['IPAM'],
    claim: 'an address is released though the namespace is gone',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      one.added()
      one.netns.remove()
      ok0(one.del())
      context.noResidue(
        before.filter((line) => !line.startsWith('container')),
        'after DEL the host is as before',
      )
    },
  },
  {
    id: 'IPM-04',
    section: 'S4, S5 err',
    level: 'MUST',
    duty: ['IPAM'],
    claim: 'without its section ADD fails with code 7, and DEL succeeds or does so too',
    run(context) {
      const one = context.attachment({ config: { ipam: undefined } })
      const before = context.snapshot()
      err(one.add(), 7)
      context.unchanged(before, 'ADD without the section changes nothing')
      const answer = one.del()
      if (answer.status === 0) ok0(answer)
      else err(answer, 7)
    },
  },
  {
    id: 'IPM-05',
    section: 'S2 STATUS, S5',
    level: 'SHOULD',
    duty: ['IPAM'],
    claim: 'ADD on a pool without a free address fails with code 11 or one of its own, and keeps nothing',
    run(context) {
      if (context.plugin.config.ranges === undefined) context.skip('the plugin has no ranges')
      const config = {
        ipam: { ranges: [[{ subnet: '10.66.0.0/29', rangeStart: '10.66.0.2', rangeEnd: '10.66.0.3' }]] },
      }
      for (let n = 0; n < 2; n++) context.attachment({ config }).added()
      const last = context.attachment({ config })
      const before = context.snapshot()
      const { code } = err(last.add())
      check(code === 11 || (code >= 100 && code !== 999), `code 11 or one from 100: ${code}`)
      context.unchanged(before, 'ADD on a full pool changes nothing', context.plugin.leaves ?? [])
      if (context.since('1.1.0')) err(context.call('STATUS', { config: context.config(config) }), 50)
      ok0(last.del())
    },
  },
  {
    id: 'IPM-05.set',
    section: 'S5',
    level: 'SHOULD',
    duty: ['IPAM'],
    claim: 'where one of two pools is full, nothing is kept of the other',
    needs: { since: '0.3.0' },
    run(context) {
      if (context.plugin.config.ranges === undefined) context.skip('the plugin has no ranges')
      const full = [{ subnet: '10.66.0.0/29', rangeStart: '10.66.0.2', rangeEnd: '10.66.0.2' }]
      const config = { ipam: { ranges: [[{ subnet: '10.65.0.0/24' }], full, [{ subnet: 'fd65::/64' }]] } }
      context.attachment({ config }).added()
      const second = context.attachment({ config })
      const before = context.snapshot()
      err(second.add())
      context.noResidue(before, 'ADD on a full pool keeps nothing')
    },
  },
  {
    id: 'DLG-14',
    section: 'S4, S5 err',
    level: 'SHOULD',
    duty: ['DL'],
    claim: 'a code of the delegate that is no whole number of 1 or more is not passed on',
    run(context) {
      const one = context.attachment()
      for (const code of ['-1.5', '1e308', '0', '-7', '"7"', 'null']) {
        context.fake.on('ADD', { stdout: `{"cniVersion":"1.0.0","code":${code},"msg":"odd code"}`, exit: 1 })
        const own = err(one.add()).code
        check(own >= 1 && own < 2 ** 31, `code for the delegate's ${code}: ${own}`)
        done(one.del())
      }
    },
  },
]
