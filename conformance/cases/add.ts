/** ADD: what is there when it returns, and what is not when it fails. */

import { check, err, fail, ok, ok0, same } from '../assert.js'
import type { Attachment } from '../attachment.js'
import type { Answer } from '../call.js'
import type { Case } from '../case.js'
import type { Context } from '../context.js'
import { answerWithSubnets, gatewaysOnHost } from '../gateways.js'
import type { Json } from '../json.js'
import { addressesIn, addressesOf, answers, gatewaysIn, routesTo } from '../witness.js'

interface Stage {
  readonly name: string
  /** The answer of an ADD that must fail, and how its cause goes away. */
  provoke(attachment: Attachment): { readonly answer: Answer; restore?(): void }
}

/** Ways to make ADD fail, early and late, as far as the plugin's descriptor tells of them. */
function failures(context: Context): Stage[] {
  const { plugin, fake, host } = context
  const stages: Stage[] = []
  if (plugin.kind !== 'ipam') {
    stages.push({
      name: 'no namespace',
      provoke: (one) => ({ answer: one.add({ netns: '/run/netns/there-is-none' }) }),
    })
  }
  if (plugin.kind === 'chained') {
    stages.push({
      name: 'no prevResult',
      provoke: (one) => ({ answer: one.add({ config: { prevResult: undefined } }) }),
    })
  }
  if (plugin.kind === 'ipam') {
    stages.push({
      name: 'no section of its own',
      provoke: (one) => ({ answer: one.add({ config: { ipam: undefined } }) }),
    })
  }
  for (const [name, fault] of Object.entries(plugin.faults ?? {})) {
    stages.push({ name: `fault ${name}`, provoke: (one) => ({ answer: one.add({ config: fault }) }) })
  }
  if (plugin.delegates !== undefined) {
    const restore = () => fake.on('ADD')
    stages.push(
      {
        name: 'the delegate fails',
        provoke(one) {
          fake.fails('ADD', 11)
          return { answer: one.add(), restore }
        },
      },
      {
        name: 'a next hop that cannot be reached',
        provoke(one) {
          const ips = [{ address: '10.88.0.9/24', gateway: '10.88.0.1' }]
          const routes = [{ dst: '10.50.0.0/16', gw: '172.31.99.1' }]
          fake.on('ADD', { stdout: context.shape({ ips, routes }) })
          return { answer: one.add(), restore }
        },
      },
    )
  }
  if (plugin.capabilities?.['mac'] !== undefined) {
    stages.push({
      name: 'a bad MAC',
      provoke: (one) => ({ answer: one.add({ config: { runtimeConfig: { mac: 'zz:zz' } } }) }),
    })
  }
  if (plugin.config.bridge !== undefined && plugin.kind === 'interface') {
    stages.push({
      name: 'a name on the host that is taken',
      provoke(one) {
        host.sh('ip link add clash0 type veth peer name clash1')
        const answer = one.add({ config: { bridge: 'clash0' } })
        return { answer, restore: () => void host.sh('ip link del clash0') }
      },
    })
  }
  if (plugin.kind === 'interface' && plugin.ifName === undefined) {
    stages.push({
      name: 'an interface name that is taken',
      provoke(one) {
        one.netns.sh(`ip link add ${one.ifName} type bridge`)
        return { answer: one.add(), restore: () => void one.netns.sh(`ip link del ${one.ifName}`) }
      },
    })
  }
  return stages
}

/** Has the delegate give these addresses, each with the first one of its subnet for a gateway. */
function addressed(context: Context, addresses: readonly string[]): string[] {
  const ips = addresses.map((address) => ({ address, gateway: address.replace(/[0-9]+[/].*/, '1') }))
  context.fake.on('ADD', { stdout: context.shape({ ips }) })
  return [...addresses]
}

/** Fails where the result has others than these addresses for the container's link, or they are not usable on it. */
function allUsable(one: Attachment, result: Json, addresses: string[]): void {
  const info = one.netns.link(one.ifName).addr_info as Json[]
  const index = result.interfaces.findIndex(({ name, sandbox }: Json) => name === one.ifName && sandbox)
  const mine = (result.ips as Json[]).filter((ip) => ip.interface === index)
  same(mine.map(({ address }) => address).sort(), addresses.sort(), 'addresses of the link')
  for (const { address } of mine) {
    const found = info.find(({ local, prefixlen }) => `${local}/${prefixlen}` === address)
    check(found !== undefined, `${address} is on ${one.ifName}`)
    check(found.tentative !== true && found.dadfailed !== true, `${address} is usable when ADD returns`)
  }
}

/** A second interface of a container: both work, and the second goes on without the first. */
async function besides(context: Context, first: Attachment, second: Attachment): Promise<void> {
  ok0(first.del())
  check(first.netns.link(first.ifName) === undefined, `${first.ifName} is gone`)
  check(second.netns.link(second.ifName)?.flags.includes('UP'), `${second.ifName} is there and up`)
  if (context.since('0.4.0')) ok0(second.check())
  for (const gateway of gatewaysOnHost(context, second.result)) await answers(second.netns, gateway)
}

/** Two attachments of one container. */
function pair(context: Context): [Attachment, Attachment] {
  const first = context.attachment()
  return [first, context.attachment({ containerId: first.containerId, ifName: 'eth1', netns: first.netns })]
}

export const cases: Case[] = [
  {
    id: 'ADD-01',
    section: 'S2 ADD',
    level: 'MUST',
    duty: ['IF'],
    claim: 'a link named by CNI_IFNAME is in the container and up, and stdout holds the result',
    versions: 'each',
    run(context) {
      const one = context.attachment()
      one.added()
      const link = one.netns.link(one.ifName)
      check(link !== undefined, `there is a link ${one.ifName} in the container`)
      check(link.flags.includes('UP'), `${one.ifName} is up: ${link.flags}`)
    },
  },
  {
    id: 'ADD-02',
    section: 'S2 ADD',
    level: 'MUST',
    duty: ['IF'],
    claim: 'a link of that name that is there already is an error; it stays as it is, and nothing is left behind',
    needs: { link: true },
    run(context) {
      const kinds = ['type bridge', 'type veth peer name other0']
      for (const kind of kinds) {
        const one = context.attachment()
        one.netns.sh(
          `ip link add ${one.ifName} ${kind}`,
          `ip addr add 192.0.2.7/24 dev ${one.ifName}`,
          `ip link set ${one.ifName} up`,
        )
        const before = context.snapshot()
        err(one.add())
        context.noResidue(before, `after ADD over a link of ${kind} all is as before`)
        same(context.fake.held(), [], 'addresses that the delegate has given and not taken back')
      }
    },
  },
  {
    id: 'ADD-03',
    section: 'S2 ADD, S3',
    level: 'MUST',
    duty: ['IF'],
    claim: 'a second ADD without a DEL is an error, and the first attachment still works',
    needs: { link: true },
    async run(context) {
      const one = context.attachment()
      const result = one.added()
      const link = one.netns.link(one.ifName)
      err(one.add())
      same(one.netns.link(one.ifName)?.ifindex, link.ifindex, `index of ${one.ifName}`)
      one.result = result
      if (context.since('0.4.0')) ok0(one.check())
      for (const gateway of gatewaysOnHost(context, result)) await answers(one.netns, gateway)
    },
  },
  {
    id: 'ADD-04',
    section: 'S5 ADD',
    level: 'MUST',
    duty: ['DL'],
    claim:
      'every address of the result that belongs to the container link is on it, with its prefix length, and usable',
    needs: { link: true, since: '0.3.0' },
    run(context) {
      const one = context.attachment()
      const ips = addressed(context, ['10.88.0.7/24', 'fd00:88::7/64', 'fd00:89::7/64'])
      allUsable(one, one.added(), ips)
    },
  },
  {
    id: 'ADD-04.subnet',
    section: 'S5 ADD',
    level: 'MUST',
    duty: ['DL'],
    claim: 'several addresses of one subnet are all on the link and usable, or ADD fails and DEL leaves nothing',
    needs: { link: true, since: '0.3.0' },
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const ips = addressed(context, ['10.88.0.7/24', '10.88.0.8/24', 'fd00:88::7/64', 'fd00:88::8/64'])
      const answer = one.add()
      if (answer.status === 0) allUsable(one, ok(answer), ips)
      else err(answer)
      ok0(one.del())
      context.noResidue(before)
    },
  },
  {
    id: 'ADD-05',
    section: 'S5, S4',
    level: 'MUST',
    duty: ['DL'],
    claim: 'every route that the delegate returns is in the container',
    needs: { link: true },
    versions: 'each',
    run(context) {
      const routes = [
        { dst: '10.99.0.0/16', gw: '10.88.0.1' },
        { dst: '192.0.2.0/24' },
        { dst: 'fd99::/64', gw: 'fd00:88::1' },
      ]
      const ips = [
        { address: '10.88.0.7/24', gateway: '10.88.0.1' },
        { address: 'fd00:88::7/64', gateway: 'fd00:88::1' },
      ]
      context.fake.on('ADD', { stdout: context.shape({ ips, routes }) })
      const one = context.attachment()
      one.added()
      for (const { dst, gw } of routes) {
        const found = routesTo(one.netns, dst).filter(({ dev }) => dev === one.ifName)
        check(found.length > 0, `a route to ${dst} is in the container`)
        if (gw !== undefined) same(found[0].gateway, gw, `next hop to ${dst}`)
      }
    },
  },
  {
    id: 'ADD-06',
    section: 'S2 overview',
    level: 'MUST',
    duty: ['IF'],
    claim: 'packets go to and fro between the container and its gateway when ADD has returned',
    async run(context) {
      const one = context.attachment()
      const result = one.added()
      const gateways = gatewaysOnHost(context, result)
      const elsewhere = gatewaysIn(result)
      if (gateways.length === 0 && elsewhere.length > 0) context.skip(`the host has no gateway: ${elsewhere.join(' ')}`)
      const addresses = addressesOf(one.netns, one.ifName)
      if (gateways.length === 0 && addresses.length === 0) context.skip('there is no address to send to')
      const local = gateways.length > 0 ? gateways : addresses.map((address) => address.split('/')[0] ?? '')
      for (const address of local) await answers(one.netns, address)
    },
  },
  {
    id: 'ADD-07',
    section: 'S3',
    level: 'MUST',
    duty: ['IF'],
    claim: 'one container has two interfaces in one network, and deleting one leaves the other',
    needs: { link: true },
    async run(context) {
      const [first, second] = pair(context)
      answerWithSubnets(context)
      first.added()
      second.added()
      await besides(context, first, second)
    },
  },
  {
    id: 'ADD-07.subnet',
    section: 'S3',
    level: 'MUST',
    duty: ['DL'],
    claim: 'two interfaces of one container in one subnet work, or the second is refused and the first goes on',
    needs: { link: true },
    async run(context) {
      const [first, second] = pair(context)
      first.added()
      const answer = second.add()
      if (answer.status === 0) return await besides(context, first, second)
      err(answer)
      ok0(second.del())
      if (context.since('0.4.0')) ok0(first.check())
      for (const gateway of gatewaysOnHost(context, first.result)) await answers(first.netns, gateway)
    },
  },
  {
    id: 'ADD-08',
    section: 'S0.4',
    level: 'SHOULD',
    duty: ['IF', 'IPAM'],
    claim: 'the same container ID and interface name on two networks are two attachments',
    run(context) {
      const other = context.attachment({ containerId: 'same', config: { name: 'other' } })
      other.added()
      const one = context.attachment({ containerId: 'same', netns: context.netns() })
      const between = context.snapshot()
      one.added()
      ok0(one.del())
      context.noResidue(between, 'after ADD and DEL on one network the other is as before')
      if (context.since('0.4.0')) ok0(other.check())
    },
  },
  {
    id: 'ADD-09',
    section: 'S3',
    level: 'MUST',
    duty: ['P'],
    claim: 'ADD, DEL and ADD again with equal parameters succeed, as often as one likes',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      for (let round = 0; round < 3; round++) {
        one.added()
        ok0(one.del())
      }
      context.noResidue(before)
      one.added()
    },
  },
  {
    id: 'ADD-10',
    section: 'S2 DEL, S3',
    level: 'MUST',
    duty: ['P'],
    claim: 'after an ADD that failed at any stage, DEL restores what was before',
    run(context) {
      const stages = failures(context)
      const one = context.attachment()
      const before = context.snapshot()
      let failed = 0
      for (const { name, provoke } of stages) {
        const { answer, restore } = provoke(one)
        restore?.()
        ok0(one.del())
        context.noResidue(before, `after a failure (${name}) and DEL all is as before`)
        same(context.fake.held(), [], `addresses still held after a failure (${name}) and DEL`)
        if (answer.status !== 0) failed++
      }
      check(failed > 0, 'there is a way to make ADD fail')
    },
  },
  {
    id: 'ADD-11',
    section: 'S4',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'an ADD that failed has undone its own changes, without a DEL',
    run(context) {
      const stages = failures(context)
      const one = context.attachment()
      const before = context.snapshot()
      for (const { name, provoke } of stages) {
        const { answer, restore } = provoke(one)
        restore?.()
        if (answer.status === 0) {
          // Whether it may is another case's question.
          ok0(one.del())
          continue
        }
        context.noResidue(before, `after a failure (${name}) all is as before`)
        same(context.fake.held(), [], `addresses still held after a failure (${name})`)
      }
    },
  },
  {
    id: 'ADD-12',
    section: 'S2 ADD',
    level: 'MUST',
    duty: ['CH'],
    claim:
      'a chained plugin does its work on the link of prevResult and answers with that result, its own changes included',
    versions: 'each',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const result = one.added()
      same([...addressesIn(result)].sort(), [...addressesIn(one.prevResult)].sort(), 'addresses of the result')
      const names = ((one.prevResult.interfaces ?? []) as Json[]).map(({ name }) => name)
      const listed = ((result.interfaces ?? []) as Json[]).map(({ name }) => name)
      same(listed.slice(0, names.length), names, 'interfaces of the result')
      const after = context.snapshot()
      if (before.join('\n') === after.join('\n')) fail('ADD has changed nothing, in the kernel or in files')
    },
  },
  {
    id: 'ADD-13',
    section: 'CV',
    level: 'DF',
    duty: ['CH'],
    claim: 'a chained plugin without prevResult fails with code 7 and changes nothing',
    run(context) {
      const one = context.attachment({ bare: true })
      const before = context.snapshot()
      err(one.add(), 7)
      context.unchanged(before, 'ADD without prevResult changes nothing')
    },
  },
  {
    id: 'ADD-14',
    section: 'CV',
    level: 'SHOULD',
    duty: ['IF'],
    claim: 'an interface plugin that is given a link of the host in prevResult attaches it, or extends that result',
    needs: { since: '0.3.0' },
    run(context) {
      context.host.sh('ip link add tap-a type veth peer name tap-b', 'ip link set tap-a up')
      const mac = context.host.link('tap-a').address
      const one = context.attachment()
      one.prevResult = context.shape({ interfaces: [{ name: 'tap-a', mac }], dns: {} })
      const result = ok(one.add())
      const listed = ((result.interfaces ?? []) as Json[]).find(({ name }) => name === 'tap-a')
      check(listed !== undefined, `the result still lists tap-a: ${JSON.stringify(result)}`)
    },
  },
  {
    id: 'ADD-15',
    section: 'S2 STATUS',
    level: 'MUST',
    duty: ['DL'],
    claim: 'an ADD after a STATUS that failed is attempted on its merits',
    needs: { since: '1.1.0' },
    run(context) {
      context.fake.fails('STATUS', 50)
      err(context.call('STATUS', { config: context.config() }))
      context.attachment().added()
    },
  },
]
