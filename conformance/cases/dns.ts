/** Fields of a result that come from the configuration or the kernel: dns, and members of interfaces. */

import { check, err, ok, same } from '../assert.js'
import type { Case } from '../case.js'
import type { Json } from '../json.js'

const ALL = {
  nameservers: ['192.0.2.53', '2001:db8::53', '192.0.2.52'],
  domain: 'cluster.example',
  search: ['b.example', 'a.example'],
  options: ['ndots:5', 'timeout:1'],
}

export const cases: Case[] = [
  {
    id: 'DNS-01',
    section: 'S1, S5',
    level: 'SHOULD',
    duty: ['DL'],
    claim: 'the four members of dns in the configuration are in the result, unchanged and in order',
    versions: 'each',
    run(context) {
      same(context.attachment().added({ config: { dns: ALL } }).dns, ALL, 'dns of the result')
    },
  },
  {
    id: 'DNS-02',
    section: 'S5',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'without DNS anywhere the member is absent or empty, and there before 0.4.0',
    versions: 'each',
    needs: { since: '0.3.0' },
    run(context) {
      const { dns } = context.attachment().added({ config: { dns: undefined } })
      if (!context.since('0.4.0')) check(dns !== undefined, 'dns is there')
      if (dns !== undefined) same(dns, {}, 'dns of the result')
    },
  },
  {
    id: 'DNS-03',
    section: 'S1',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'a nameserver that is no address is refused with code 7 or passed through',
    run(context) {
      const answer = context.attachment().add({ config: { dns: { nameservers: ['not an address'] } } })
      if (answer.status === 0) ok(answer)
      else err(answer, 7)
    },
  },
  {
    id: 'IFC-01',
    section: 'S5 ADD',
    level: 'MAY',
    duty: ['IF'],
    claim: 'an mtu in the result is the one the kernel has',
    needs: { since: '1.1.0' },
    run(context) {
      const one = context.attachment()
      for (const { name, mtu, sandbox } of one.added().interfaces as Json[]) {
        if (mtu === undefined) continue
        same(mtu, (sandbox ? one.netns : context.host).link(name)?.mtu, `mtu of ${name}`)
      }
    },
  },
  {
    id: 'IFC-02',
    section: 'S5 ADD',
    level: 'MAY',
    duty: ['IF'],
    claim: 'socketPath is an absolute path and pciID not empty, where they are given at all',
    needs: { since: '1.1.0' },
    run(context) {
      for (const { socketPath, pciID } of context.attachment().added().interfaces as Json[]) {
        if (socketPath !== undefined) check(socketPath.startsWith('/'), `socketPath is absolute: ${socketPath}`)
        if (pciID !== undefined) check(typeof pciID === 'string' && pciID !== '', `pciID says something: ${pciID}`)
      }
    },
  },
  {
    id: 'IFC-03',
    section: 'S5, PRV',
    level: 'MUST',
    duty: ['CH'],
    claim: 'mtu, socketPath and pciID of a previous interface survive a chained plugin',
    needs: { since: '1.1.0' },
    run(context) {
      const one = context.attachment()
      const given = { mtu: 1234, socketPath: '/run/vhost.sock', pciID: '0000:03:00.1' }
      const at = (one.prevResult.interfaces as Json[]).findIndex(({ name }) => name === one.hostEnd)
      one.prevResult.interfaces[at] = {
        ...one.prevResult.interfaces[at],
        socketPath: given.socketPath,
        pciID: given.pciID,
      }
      one.prevResult.interfaces[0] = { ...one.prevResult.interfaces[0], mtu: 1234 }
      const result = one.added({ config: context.plugin.noop ?? {} })
      same(result.interfaces[0].mtu, given.mtu, 'mtu')
      same(result.interfaces[at].socketPath, given.socketPath, 'socketPath')
      same(result.interfaces[at].pciID, given.pciID, 'pciID')
    },
  },
  {
    id: 'IFC-03.older',
    section: 'S5, PRV',
    level: 'MUST',
    duty: ['CH'],
    claim: 'mtu, socketPath and pciID of a previous interface are not in a result before 1.1.0',
    needs: { since: '0.3.0', until: '1.0.0' },
    versions: 'each',
    run(context) {
      const one = context.attachment()
      const given = { mtu: 1234, socketPath: '/run/vhost.sock', pciID: '0000:03:00.1' }
      one.prevResult.interfaces[0] = { ...one.prevResult.interfaces[0], ...given }
      const first = one.added({ config: context.plugin.noop ?? {} }).interfaces[0]
      for (const member of Object.keys(given)) same(first[member], undefined, member)
    },
  },
  {
    id: 'IFC-04',
    section: 'S5 ADD',
    level: 'MUST',
    duty: ['IF'],
    claim: 'an interface has its hardware address as mac, or no mac where it has none',
    needs: { since: '0.3.0' },
    run(context) {
      const one = context.attachment()
      for (const { name, mac, sandbox } of one.added().interfaces as Json[]) {
        if (mac === undefined) continue
        check(mac !== '', `mac of ${name} is not empty`)
        same(mac, (sandbox ? one.netns : context.host).link(name)?.address, `mac of ${name}`)
      }
    },
  },
]
