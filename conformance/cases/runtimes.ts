/** What real runtimes do: section 20 of the list, replayed. */

import { chmodSync, copyFileSync, existsSync, renameSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { check, done, err, fail, ok, ok0, same, seen, show, wellFormed } from '../assert.js'
import type { Attachment } from '../attachment.js'
import type { Case } from '../case.js'
import type { Context } from '../context.js'
import { hasOwnAddresses } from '../descriptor.js'
import { answerWithSubnets } from '../gateways.js'
import type { Json } from '../json.js'
import { addressesIn } from '../witness.js'

/** ADD, CHECK and DEL work under these options, and leave nothing. */
function lives(t: Context, attachment: Attachment, options: Parameters<Attachment['add']>[0] = {}): Json {
  const before = t.snapshot()
  const result = ok(attachment.add(options))
  if (t.since('0.4.0')) ok0(attachment.check(options))
  ok0(attachment.del(options))
  t.noResidue(before)
  return result
}

function gc(t: Context, valid: Json, over: Json = {}) {
  return t.call('GC', {
    config: t.config({ 'cni.dev/valid-attachments': valid, 'cni.dev/attachments': valid, ...over }),
  })
}

/** As writers of doubles may: sorted keys, `<`, `>` and `&` escaped, integers with `.0` or an exponent. */
function asGoWrites(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(asGoWrites).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const members = Object.keys(value).sort()
    return `{${members.map((key) => `${asGoWrites(key)}:${asGoWrites(value[key])}`).join(',')}}`
  }
  if (typeof value === 'number' && Number.isInteger(value)) return value < 1e6 ? `${value}.0` : value.toExponential()
  return JSON.stringify(value).replace(/[<>&]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`)
}

const KUBERNETES = {
  IgnoreUnknown: '1',
  K8S_POD_NAMESPACE: 'default',
  K8S_POD_NAME: 'web-0',
  K8S_POD_INFRA_CONTAINER_ID: 'abc123',
  K8S_POD_UID: 'b5d0c0a2-0000-4000-8000-000000000000',
}

export const cases: Case[] = [
  {
    id: 'RTM-01',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'The caller’s whole environment, 200 foreign variables long, changes nothing',
    run(t) {
      const env = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`FOREIGN_${i}`, 'x'.repeat(100)]))
      lives(t, t.attachment(), { env })
      if (t.since('1.1.0')) ok0(t.call('STATUS', { config: t.config(), env }))
    },
  },
  {
    id: 'RTM-02',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'capabilities, a stale runtimeConfig and cni.dev keys in stdin are tolerated',
    run(t) {
      const config = {
        capabilities: { aliases: true, dns: true },
        runtimeConfig: { aliases: ['a'] },
        'cni.dev/x': { y: 1 },
      }
      lives(t, t.attachment(), { config })
    },
  },
  {
    id: 'RTM-03',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    needs: { since: '1.1.0' },
    claim: 'GC takes both keys, null for an empty list, and neither',
    run(t) {
      ok0(gc(t, []))
      ok0(gc(t, null))
      const neither = t.call('GC', { config: t.config() })
      if (neither.status !== 0) err(neither, 7)
    },
  },
  {
    id: 'RTM-04',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'A configuration as Go’s library writes it again, with sorted keys and exponents, means the same',
    run(t) {
      const attachment = t.attachment()
      const before = t.snapshot()
      const config = attachment.config('ADD', { args: { cni: { labels: [{ key: '<a>', value: '&' }] } } })
      ok(attachment.add({ stdin: asGoWrites(config) }))
      ok0(attachment.del({ stdin: asGoWrites(attachment.config('DEL')) }))
      t.noResidue(before)
    },
  },
  {
    id: 'RTM-05',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    needs: { since: '0.4.0' },
    claim: 'After a crash that lost the result, DEL without prevResult succeeds and CHECK without it fails',
    run(t) {
      const attachment = t.attachment()
      const before = t.snapshot()
      attachment.added()
      err(attachment.check({ config: { prevResult: undefined } }))
      ok0(attachment.del({ config: { prevResult: undefined } }))
      t.noResidue(before)
    },
  },
  {
    id: 'RTM-06',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'Two attachments whose network, ID and interface join to the same text are kept apart',
    run(t) {
      const one = t.attachment({ containerId: 'c', config: { name: 'a-b' } })
      const before = t.snapshot()
      const two = t.attachment({ containerId: 'b-c', config: { name: 'a' } })
      one.added()
      const withOne = t.snapshot()
      const other = two.add()
      // Two networks of one bridge or port may exclude each other; that is another question.
      if (!wellFormed(other)) t.skip(`the plugin serves no second network beside the first: ${other.stdout}`)
      ok0(two.del())
      t.noResidue(withOne, 'DEL of the second leaves the first')
      if (t.since('0.4.0')) ok0(one.check())
      ok0(one.del())
      check(before.length > 0, 'there was something')
    },
  },
  {
    id: 'RTM-07',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'After an ADD that failed and no DEL, a new ADD of the same ID works, at the latest after one DEL',
    run(t) {
      const attachment = t.attachment()
      const before = t.snapshot()
      err(
        attachment.add({
          config: t.plugin.delegates === undefined ? { name: '' } : { [t.plugin.delegates]: { type: 'no-such' } },
        }),
      )
      const again = attachment.add()
      if (!wellFormed(again)) {
        ok0(attachment.del())
        ok(attachment.add())
      }
      ok0(attachment.del())
      t.noResidue(before)
    },
  },
  {
    id: 'RTM-08',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    needs: { since: '1.1.0' },
    claim: 'DEL of a vanished container and then GC succeed',
    run(t) {
      const [gone, alive] = [t.attachment(), t.attachment()]
      gone.added()
      const kept = alive.add()
      gone.netns.remove()
      ok0(gone.del())
      if (kept.status !== 0) {
        ok0(gc(t, []))
        return
      }
      ok0(gc(t, [alive.valid]))
      ok0(alive.check())
    },
  },
  {
    id: 'RTM-09',
    section: 'LIB',
    level: 'DF',
    duty: ['DL'],
    claim: 'A plugin killed while its delegate runs leaves nothing after DEL, repeated once where the two overlap',
    async run(t) {
      const attachment = t.attachment()
      const before = t.snapshot()
      t.fake.on('ADD', { sleep: 0.6 })
      const { child, done: ended } = attachment.start('ADD')
      while (!t.fake.verbs().includes('ADD')) await pause(10)
      child.kill('SIGKILL')
      t.fake.on('DEL')
      done(attachment.del())
      await ended
      await pause(900)
      done(attachment.del())
      same(t.fake.held(), [], 'addresses that are still held')
      t.noResidue(before)
    },
  },
  {
    id: 'RTM-10',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'Within a second of the plugin’s end nobody holds its stdout and stderr open',
    async run(t) {
      const attachment = t.attachment()
      const { child, done: closed } = attachment.start('ADD')
      const exited = new Promise<number>((resolve) => child.once('exit', () => resolve(performance.now())))
      const answer = await closed
      const late = performance.now() - (await exited)
      check(late < 1000, `the pipes were closed ${Math.round(late)} ms after the end; ${seen(answer)}`)
      ok(answer)
    },
  },
  {
    id: 'RTM-11',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'An executable that is replaced during a burst of calls gives whole answers',
    run(t) {
      const bin = t.temp('moving')
      const executable = join(bin, t.plugin.type)
      for (let i = 0; i < 10; i++) {
        copyFileSync(t.executable, `${executable}.new`)
        renameSync(`${executable}.new`, executable)
        const answer = t.call('VERSION', { executable, config: { cniVersion: t.version } })
        check(ok(answer).supportedVersions?.length > 0, `the answer is whole; ${seen(answer)}`)
      }
    },
  },
  {
    id: 'RTM-13',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    versions: 'each',
    claim: 'Addresses are as a strict parser wants them: no zone, no leading zeros, always a prefix',
    run(t) {
      const result = t.attachment().added()
      const ips = result.ips?.map(({ address }: Json) => address) ?? [result.ip4?.ip, result.ip6?.ip].filter(Boolean)
      for (const text of ips) {
        const [address = '', length] = text.split('/')
        check(isIP(address) !== 0 && !address.includes('%'), `${text} has no zone`)
        const zeros = /(^|\.)0\d/.test(address) || !/^(0|[1-9]\d*)$/.test(length ?? '')
        check(!zeros, `${text} has no leading zeros and a prefix`)
      }
    },
  },
  {
    id: 'RTM-14',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    needs: { since: '0.4.0' },
    claim: 'CHECK and DEL work with a result that lost every member a Go library does not know',
    run(t) {
      const attachment = t.attachment()
      const before = t.snapshot()
      attachment.added()
      const { cniVersion, interfaces, ips, routes, dns } = attachment.result
      const only = (keys: string[]) => (object: Json) =>
        Object.fromEntries(Object.entries(object).filter(([key]) => keys.includes(key)))
      attachment.result = {
        cniVersion,
        ...(interfaces && {
          interfaces: interfaces.map(only(['name', 'mac', 'mtu', 'sandbox', 'socketPath', 'pciID'])),
        }),
        ...(ips && { ips: ips.map(only(['version', 'interface', 'address', 'gateway'])) }),
        ...(routes && { routes: routes.map(only(['dst', 'gw', 'mtu', 'advmss', 'priority', 'table', 'scope'])) }),
        dns: dns ?? {},
      }
      ok0(attachment.check())
      ok0(attachment.del())
      t.noResidue(before)
    },
  },
  {
    id: 'RTM-15',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'Trace-context variables are ignored, or passed on to delegates',
    run(t) {
      const env = {
        TRACEPARENT: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        TRACESTATE: 'a=b',
        BAGGAGE: 'x=y',
      }
      lives(t, t.attachment(), { env })
    },
  },
  {
    id: 'RTM-20',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'CNI_ARGS with the five Kubernetes keys are taken in ten orders, each key twice at each place',
    run(t) {
      const attachment = t.attachment()
      const pairs = Object.entries(KUBERNETES).map(([key, value]) => `${key}=${value}`)
      const turned = pairs.map((_, i) => [...pairs.slice(i), ...pairs.slice(0, i)])
      const orders = [...turned, ...turned.map((order) => order.toReversed())]
      for (const order of orders) {
        ok(attachment.add({ args: order.join(';') }))
        ok0(attachment.del({ args: order.join(';') }))
      }
    },
  },
  {
    id: 'RTM-22',
    section: 'LIB',
    level: 'DF',
    duty: ['IF'],
    needs: { link: true },
    claim: 'Several interfaces of one container are added at the same time',
    async run(t) {
      if (t.plugin.layer2 === undefined) answerWithSubnets(t)
      const before = t.snapshot()
      const attachments = ['eth0', 'eth1', 'net2'].map((ifName) =>
        t.attachment({ containerId: 'pod', ifName, netns: t.container, config: layer2OrPlain(t) }),
      )
      const loopback = join(t.bin, 'loopback')
      const config = { cniVersion: '0.3.1', name: 'cni-loopback', type: 'loopback' }
      const lo = { containerId: 'pod', ifName: 'lo', netns: t.container, config, executable: loopback }
      const beside = existsSync(loopback) ? [t.start('ADD', lo).done] : []
      const adds = attachments.map((attachment) => attachment.start('ADD').done)
      for (const answer of await Promise.all([...beside, ...adds])) ok(answer)
      for (const { ifName } of attachments) check(t.container.link(ifName) !== undefined, `${ifName} is there`)
      const dels = await Promise.all(attachments.map((attachment) => attachment.start('DEL').done))
      for (const answer of dels) ok0(answer)
      t.noResidue(before.length === 0 ? [] : before, 'all of them are gone', ['container *'])
    },
  },
  {
    id: 'RTM-23',
    section: 'LIB',
    level: 'DF',
    duty: ['IF'],
    needs: { descriptor: ['ifName'], since: '0.3.1', until: '0.3.1' },
    claim: 'The loopback is added at 0.3.1 whether it is up or down, with the family of each address',
    run(t) {
      for (const state of ['down', 'up']) {
        const attachment = t.attachment({ config: { name: 'cni-loopback' }, netns: t.netns() })
        attachment.netns.run('ip', 'link', 'set', 'lo', state)
        const { ips } = attachment.added()
        for (const ip of ips) check(ip.version === '4' || ip.version === '6', `the family is in ${show(ip)}`)
        check(attachment.netns.link('lo').flags.includes('UP'), 'lo is up')
      }
    },
  },
  {
    id: 'RTM-24',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'DEL after an ADD that got halfway, ten times in a row, succeeds and does not take long',
    run(t) {
      const attachment = t.attachment()
      const before = t.snapshot()
      if (t.plugin.delegates !== undefined) t.fake.fails('ADD', 111)
      attachment.add(t.plugin.delegates === undefined ? { config: { name: '' } } : {})
      t.fake.on('ADD')
      for (let i = 0; i < 10; i++) {
        const begin = performance.now()
        ok0(attachment.del())
        const took = performance.now() - begin
        check(took < 10_000, `DEL ${i + 1} took ${Math.round(took)} ms`)
      }
      t.noResidue(before)
    },
  },
  {
    id: 'RTM-25',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'Where the file of the namespace is gone, DEL with an empty CNI_NETNS succeeds, with the result and without',
    run(t) {
      for (const prevResult of [true, false]) {
        const attachment = t.attachment()
        attachment.added()
        attachment.netns.remove()
        ok0(attachment.del({ netns: '', ...(prevResult ? {} : { config: { prevResult: undefined } }) }))
      }
    },
  },
  {
    id: 'RTM-27',
    section: 'LIB',
    level: 'DF',
    duty: ['IF'],
    needs: { link: true, since: '0.3.0' },
    claim: 'The result has an interface of the asked name with an address, and no other of that name',
    run(t) {
      const attachment = t.attachment()
      const { interfaces, ips } = attachment.added()
      const named = interfaces.filter(({ name }: Json) => name === attachment.ifName)
      same(named.length, 1, `interfaces called ${attachment.ifName}`)
      const at = interfaces.indexOf(named[0])
      check(
        ips.some((ip: Json) => ip.interface === at),
        `an address points at interface ${at}: ${show(ips)}`,
      )
    },
  },
  {
    id: 'RTM-28',
    section: 'LIB',
    level: 'DF',
    duty: ['IF', 'IPAM'],
    needs: { since: '0.3.0' },
    claim: 'The families of a dual-stack attachment come in the same order each time',
    run(t) {
      const orders = [1, 2, 3].map(() => {
        const attachment = t.attachment()
        const order = attachment.added().ips.map(({ address }: Json) => (isIP(address.split('/')[0]) === 4 ? 4 : 6))
        done(attachment.del())
        return order.join()
      })
      same(new Set(orders).size, 1, `different orders of families (${orders.join(' / ')})`)
    },
  },
  {
    id: 'RTM-29',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'DEL with the list as it is on disk now, its version raised or lowered, succeeds',
    run(t) {
      for (const version of t.versions) {
        const attachment = t.attachment({ netns: t.netns() })
        attachment.added()
        ok0(attachment.del({ config: { cniVersion: version, prevResult: undefined } }))
      }
    },
  },
  {
    id: 'RTM-30',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    needs: { since: '1.1.0' },
    claim: 'STATUS over and over beside ADD and DEL succeeds, at a cost that does not grow',
    async run(t) {
      const attachment = t.attachment()
      const before = t.snapshot()
      const config = t.config()
      const times: number[] = []
      const polls = (async () => {
        for (let i = 0; i < 30; i++) {
          const begin = performance.now()
          ok0(await t.start('STATUS', { config }).done)
          times.push(performance.now() - begin)
        }
      })()
      for (let i = 0; i < 5; i++) {
        attachment.renew()
        ok(await attachment.start('ADD').done)
        ok0(await attachment.start('DEL').done)
      }
      await polls
      const median = (list: number[]) => [...list].sort((a, b) => a - b)[list.length >> 1] ?? 0
      const [early, late] = [median(times.slice(0, 10)), median(times.slice(-10))]
      check(late < early * 5 + 100, `STATUS took ${early.toFixed()} ms at first and ${late.toFixed()} ms at last`)
      t.noResidue(before)
    },
  },
  {
    id: 'RTM-31',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    needs: { since: '0.4.0' },
    versions: 'each',
    claim: 'CHECK without any delay after ADD succeeds',
    run(t) {
      const attachment = t.attachment()
      attachment.added()
      ok0(attachment.check())
    },
  },
  {
    id: 'RTM-32',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'DEL succeeds with args and capabilities of ADD and without them',
    run(t) {
      const before = t.snapshot()
      for (const again of [true, false]) {
        const attachment = t.attachment({ netns: t.netns() })
        const made = t.snapshot()
        const extra = { args: 'IgnoreUnknown=1;K8S_POD_NAME=x' }
        ok(attachment.add(extra))
        ok0(attachment.del(again ? extra : { config: { runtimeConfig: undefined } }))
        t.noResidue(made)
      }
      check(before.length > 0, 'there was something')
    },
  },
  {
    id: 'RTM-33',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'A key that comes twice in CNI_ARGS has its last value, or is code 4',
    run(t) {
      const attachment = t.attachment()
      const answer = attachment.add({ args: 'IgnoreUnknown=1;K8S_POD_NAME=a;K8S_POD_NAME=b;IgnoreUnknown=1' })
      if (answer.status !== 0) err(answer, 4)
      else ok0(attachment.del())
    },
  },
  {
    id: 'RTM-33.ip',
    section: 'LIB',
    level: 'DF',
    duty: ['IPAM'],
    needs: { capabilities: ['ips'] },
    claim: 'Of two values of IP in CNI_ARGS the last one is allocated, or they are code 4',
    run(t) {
      const [four = ''] = (t.plugin.capabilities?.['ips'] as string[]).filter((ip) => isIP(ip) === 4)
      const last = four.replace(/\d+$/, (digits) => String(Number(digits) + 1))
      const answer = t.attachment().add({ args: `IgnoreUnknown=1;IP=${four};K8S_POD_NAME=b;IP=${last}` })
      if (answer.status !== 0) err(answer, 4)
      else {
        const addresses = addressesIn(ok(answer)).map((address) => address.split('/')[0])
        check(addresses.includes(last) && !addresses.includes(four), `the last one counts: ${addresses}`)
      }
    },
  },
  {
    id: 'RTM-33.mac',
    section: 'LIB',
    level: 'DF',
    duty: ['IF', 'CH'],
    needs: { capabilities: ['mac'] },
    claim: 'Of two values of MAC in CNI_ARGS the link has the last one, or they are code 4',
    run(t) {
      const attachment = t.attachment()
      const answer = attachment.add({ args: 'IgnoreUnknown=1;MAC=02:00:00:00:00:0a;MAC=02:00:00:00:00:0b' })
      if (answer.status !== 0) err(answer, 4)
      else same(attachment.netns.link(attachment.ifName)?.address, '02:00:00:00:00:0b', 'hardware address')
    },
  },
  {
    id: 'RTM-34',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    needs: { since: '1.1.0' },
    claim: 'GC of a network that was never used succeeds, and changes nothing',
    run(t) {
      const before = t.snapshot()
      ok0(gc(t, null))
      ok0(gc(t, [], { name: 'never-used' }))
      t.noResidue(before)
    },
  },
  {
    id: 'RTM-35',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'On a rebooted host, with the state of before and an empty kernel, DEL succeeds and frees the records',
    run(t) {
      const attachment = t.attachment()
      const files = () => t.snapshot().filter((line) => line.startsWith('file '))
      const before = files()
      attachment.added()
      attachment.netns.remove()
      const rebooted = t.netns('rebooted')
      ok0(attachment.del({ host: rebooted, netns: attachment.netns.path }))
      t.unchanged([...before], 'no record is left', [
        'dir *',
        'host *',
        'container*',
        'rebooted *',
        ...(t.plugin.leaves ?? []),
      ])
    },
  },
  {
    id: 'RTM-36',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'Fifty VERSION calls are quick and answer the same',
    run(t) {
      const config = { cniVersion: t.version }
      const first = t.call('VERSION', { config }).stdout
      const begin = performance.now()
      for (let i = 0; i < 50; i++) same(t.call('VERSION', { config }).stdout, first, 'the answer')
      const each = (performance.now() - begin) / 50
      check(each < 1000, `a call took ${each.toFixed()} ms`)
    },
  },
  {
    id: 'RTM-39',
    section: 'LIB',
    level: 'DF',
    duty: ['DL'],
    claim: 'After an ADD that failed for want of an address the next sandbox of the pod works',
    run(t) {
      const failed = t.attachment({ containerId: 'sandbox1' })
      const before = t.snapshot()
      t.fake.fails('ADD', 11)
      err(failed.add())
      ok0(failed.del())
      t.fake.on('ADD')
      const next = t.attachment({ containerId: 'sandbox2', netns: t.container })
      ok(next.add())
      ok0(next.del())
      t.noResidue(before)
    },
  },
  {
    id: 'RTM-40',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'DEL five times, the namespace vanishing in between, succeeds each time',
    run(t) {
      const attachment = t.attachment()
      attachment.added()
      ok0(attachment.del())
      ok0(attachment.del())
      attachment.netns.unmount()
      ok0(attachment.del())
      attachment.netns.remove()
      ok0(attachment.del())
      ok0(attachment.del({ netns: '' }))
    },
  },
  {
    id: 'RTM-41',
    section: 'LIB',
    level: 'DF',
    duty: ['DL'],
    idle: true,
    timeout: 260,
    claim: 'A delegate that never answers is given up with code 11 before the four minutes of a caller are over',
    async run(t) {
      const where = t.temp('never')
      writeFileSync(join(where, 'suite-never'), '#!/bin/sh\n[ "$CNI_COMMAND" = ADD ] || exit 0\nexec /bin/sleep 300\n')
      chmodSync(join(where, 'suite-never'), 0o755)
      const attachment = t.attachment({ config: { [t.plugin.delegates ?? 'ipam']: { type: 'suite-never' } } })
      const before = t.snapshot()
      const answer = await attachment.start('ADD', { path: where, timeout: 240_000 }).done
      check(!answer.timedOut, `ADD ends; ${seen(answer)}`)
      err(answer, 11)
      t.noResidue(before)
    },
  },
  {
    id: 'RTM-42',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'A pod that crashes in a loop, forty times, leaves nothing',
    run(t) {
      const attachment = t.attachment()
      // What may stay behind stays behind after the first.
      ok(attachment.add())
      ok0(attachment.del())
      const before = t.snapshot()
      for (let i = 0; i < 40; i++) {
        ok(attachment.add({ containerId: `crash${i}` }))
        ok0(attachment.del({ containerId: `crash${i}` }))
      }
      t.noResidue(before)
    },
  },
  {
    id: 'RTM-42.address',
    section: 'LIB',
    level: 'DF',
    duty: ['IPAM'],
    needs: { descriptor: ['roundRobin'] },
    claim: 'An address that a crashing pod gives back is not the next one given away',
    run(t) {
      const attachment = t.attachment()
      const given = Array.from({ length: 6 }, (_, i) => {
        const result = attachment.added({ containerId: `crash${i}` })
        ok0(attachment.del({ containerId: `crash${i}` }))
        return addressesIn(result)
      })
      const flat = given.flat()
      same(new Set(flat).size, flat.length, 'number of distinct addresses')
    },
  },
  {
    id: 'RTM-43',
    section: 'LIB',
    level: 'DF',
    duty: ['IPAM'],
    needs: { since: '0.3.0' },
    claim: 'After a reboot new ADDs beside DELs of old containers give no address twice',
    async run(t) {
      if (!hasOwnAddresses(t.plugin)) t.skip('all attachments have the same addresses')
      const old = Array.from({ length: 8 }, (_, i) => t.attachment({ containerId: `old${i}`, netns: t.container }))
      for (const attachment of old) attachment.added()
      const rebooted = t.netns('rebooted')
      const fresh = Array.from({ length: 8 }, (_, i) => t.attachment({ containerId: `new${i}`, netns: t.container }))
      const [adds, dels] = await Promise.all([
        Promise.all(fresh.map((attachment) => attachment.start('ADD', { host: rebooted }).done)),
        Promise.all(old.map((attachment) => attachment.start('DEL', { host: rebooted, netns: '' }).done)),
      ])
      for (const answer of dels) ok0(answer)
      const addresses = adds.flatMap((answer) => ok(answer).ips.map(({ address }: Json) => address))
      if (new Set(addresses).size !== addresses.length) fail(`an address was given twice: ${addresses.join(' ')}`)
    },
  },
  {
    id: 'RTM-09.term',
    section: 'LIB',
    level: 'DF',
    duty: ['DL'],
    claim: 'SIGTERM while the delegate runs ends the delegate before it gets DEL, and nothing is left',
    async run(t) {
      const attachment = t.attachment()
      const before = t.snapshot()
      t.fake.on('ADD', { sleep: 1 })
      const { child, done: ended } = attachment.start('ADD')
      while (!t.fake.verbs().includes('ADD')) await pause(10)
      child.kill('SIGTERM')
      const answer = await ended
      check(answer.status !== 0, `ADD does not succeed; ${seen(answer)}`)
      await pause(1200) // a delegate that still runs takes its address now
      same(t.fake.held(), [], 'addresses that are still held')
      t.noResidue(before)
    },
  },
  {
    id: 'RTM-44',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'Without CNI_COMMAND the first line on stderr is "CNI, the plugin’s name, plugin v" and a semantic version',
    run(t) {
      const { status, stdout, stderr } = t.call('', { env: { CNI_COMMAND: undefined } })
      same({ status, stdout }, { status: 0, stdout: '' }, 'status and stdout')
      const [line = ''] = stderr.split('\n')
      check(/^CNI \S+ plugin v\d+\.\d+\.\d+(-[\w.-]+)?(\+[\w.-]+)?$/.test(line), `first line: ${JSON.stringify(line)}`)
      check(line.startsWith(`CNI ${t.plugin.type} plugin `), `it names ${t.plugin.type}: ${JSON.stringify(line)}`)
    },
  },
]

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

function layer2OrPlain(t: Context): Json {
  return t.plugin.layer2 ?? {}
}
