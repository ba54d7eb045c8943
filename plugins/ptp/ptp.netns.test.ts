/** ptp: what the kernel has after ADD, beside the reference, and what is left after DEL. */

import t, { type Test } from 'tap'
import { Attachment, type Json } from '../../lib/testing/cni.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { fakeIpam, filesBelow, network } from '../../lib/testing/pod-network.js'
import { reference } from '../../lib/testing/reference.js'

const skip = needs('root')
const other = reference()
const DUAL = ['10.1.2.0/24', 'fd12::/64']

/** ptp in the place of bridge. */
function ptp(t: Test, config: Json = {}): Json {
  return network(t, { subnets: DUAL, config: { type: 'ptp', isDefaultGateway: undefined, ...config } })
}

function topology(t: Test, count = 1) {
  const host = Netns.create(t, 'node', { duplicates: false })
  const pods = Array.from({ length: count }, () => Netns.create(t, 'pod', { loopback: false }))
  return { host, pods: pods as [Netns, ...Netns[]] }
}

/** Addresses and routes of a link, without what the kernel makes by itself. */
function seen(netns: Netns, link: string): string[] {
  const [entry] = netns.ip('addr', 'show', 'dev', link)
  const addresses = entry.addr_info.flatMap(({ local, prefixlen, scope }: Json) =>
    scope === 'global' ? [`${local}/${prefixlen}`] : [],
  )
  const routes = ['-4', '-6'].flatMap((family) =>
    netns
      .ip(family, 'route', 'show', 'dev', link)
      .filter(({ protocol, dst }: Json) => protocol !== 'kernel' && dst !== 'fe80::/64')
      .map(({ dst, gateway = '', prefsrc = '' }: Json) => `${dst} ${gateway} ${prefsrc}`),
  )
  return [...addresses, ...routes].sort()
}

t.test('containers reach the host, each other and the way out; DEL leaves nothing', { skip }, async (t) => {
  const { host, pods } = topology(t, 2)
  const ranges = DUAL.map((subnet) => [{ subnet }])
  const list = ptp(t, { ipMasq: true })
  list.ipam = { ...list.ipam, ranges, routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }] }
  const before = host.ip('link')
  const [pod, neighbour] = pods as [Netns, Netns]
  const one = new Attachment(host, list, pod)
  const two = new Attachment(host, list, neighbour, { containerId: 'c2' })
  const result = one.add()
  two.add()
  t.match(result.interfaces, [{ name: /^veth/ }, { name: 'eth0', sandbox: pod.path }])
  t.same(
    result.ips.map(({ address, gateway, interface: at }: Json) => [address, gateway, at]),
    [
      ['10.1.2.2/24', '10.1.2.1', 1],
      ['fd12::2/64', 'fd12::1', 1],
    ],
  )
  for (const target of ['10.1.2.1', 'fd12::1', '10.1.2.3', 'fd12::3']) t.ok(pod.ping(target), target)
  t.ok(host.ping('10.1.2.3'), 'the host reaches the second')
  t.match(host.run('nft', 'list', 'table', 'inet', 'flatnet-masq'), /10\.1\.2\.2/)
  one.check()

  one.del()
  one.del()
  t.ok(neighbour.ping('fd12::1'), 'the second is as it was')
  two.del({ netns: '' })
  t.same(host.ip('link').length, before.length)
  t.same(filesBelow(list.stateDir), [])
  t.not(host.try(['nft', 'list', 'table', 'inet', 'flatnet-masq']).status, 0, 'masquerading has ended')
})

t.test(
  'in every version result, addresses and routes are those of the reference',
  { skip: skip || other === undefined },
  async (t) => {
    const { host, pods } = topology(t)
    const [pod] = pods
    const life = (version: string, bin: string | undefined) => {
      const list: Json = { ...ptp(t), cniVersion: version }
      list.ipam = { ...list.ipam, routes: [{ dst: '0.0.0.0/0' }] }
      // Two seconds of duplicate address detection tell nothing of the version.
      if (version !== '1.0.0') list.ipam.ranges = [[{ subnet: '10.1.2.0/24' }]]
      const one = new Attachment(host, list, pod, { ...(bin === undefined ? {} : { bin }) })
      const result = one.add()
      const name = host.ip('link', 'show', 'type', 'veth')[0].ifname
      if (version >= '0.4.0') one.check()
      const state = { container: seen(pod, 'eth0'), host: seen(host, name) }
      one.del()
      const text = JSON.stringify(result)
        .replace(/veth[0-9a-f]+/g, 'veth')
        .replace(/"mac":"[^"]*"/g, '"mac":""')
      return { state, result: JSON.parse(text) }
    }
    const versions = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0']
    if (other?.version === '1.9.1') versions.push('1.1.0')
    for (const version of versions) {
      const [ours, theirs] = [life(version, undefined), life(version, other?.directory)]
      t.same(ours.state, theirs.state, version)
      // The MTU came with 1.1.0.
      for (const one of ours.result.interfaces ?? []) delete one.mtu
      for (const one of theirs.result.interfaces ?? []) delete one.mtu
      t.same(ours.result, theirs.result, version)
    }
  },
)

t.test('CHECK says what has been taken away', { skip }, async (t) => {
  const { host, pods } = topology(t)
  const [pod] = pods
  const one = new Attachment(host, ptp(t, { ipMasq: true }), pod)
  const link = one.add().interfaces[0].name
  host.run('ip', 'route', 'del', '10.1.2.2/32')
  host.run('ip', 'addr', 'del', 'fd12::1/128', 'dev', link)
  pod.run('ip', 'route', 'del', '10.1.2.0/24')
  host.run('nft', 'flush', 'ruleset')
  const { json } = one.tryCheck()
  t.equal(json.code, 100)
  for (const part of [
    `route to 10.1.2.2/32 by ${link}`,
    `${link} lacks fd12::1/128`,
    'route 10.1.2.0/24 via 10.1.2.1',
  ]) {
    t.match(json.details, part)
  }
  t.match(json.details, /masquerade|flatnet-masq/)
})

t.test('an address that another container of the node has is not given away', { skip }, async (t) => {
  const { host, pods } = topology(t, 3)
  const add = (list: Json, at: number) => new Attachment(host, list, pods[at] as Netns, { containerId: `c${at}` })
  add(ptp(t), 0).add()
  const second = add({ ...ptp(t), name: 'other' }, 1).add()
  t.same(
    second.ips.map(({ address }: Json) => address),
    ['10.1.2.3/24', 'fd12::3/64'],
    'of another network with the same range it gets the next one',
  )
  const { list, bin } = fakeIpam(t, { cniVersion: '1.1.0', ips: [{ address: '10.1.2.2/24' }] }, {})
  const third = new Attachment(host, { ...list, type: 'ptp', isDefaultGateway: undefined }, pods[2] as Netns, { bin })
  t.match(third.tryAdd().json, { code: 103, details: /^veth[0-9a-f]+ \(net\/c0 eth0/ })
  t.same((pods[2] as Netns).ip('link', 'show', 'type', 'veth'), [], 'and what was made is gone')
})

t.test('two addresses of a family share their gateway; GC removes what is not valid', { skip }, async (t) => {
  const { host, pods } = topology(t)
  const ips = ['10.1.2.7/24', '10.1.2.8/24'].map((address) => ({ address, gateway: '10.1.2.1' }))
  const { list, bin, calls } = fakeIpam(t, { cniVersion: '1.1.0', ips })
  const one = new Attachment(host, { ...list, type: 'ptp', isDefaultGateway: undefined }, pods[0], { bin })
  one.add()
  one.check()
  for (const address of ['10.1.2.7', '10.1.2.8']) t.ok(host.ping(address), address)
  calls()
  t.equal(one.gc([]).status, 0)
  t.same(host.ip('link', 'show', 'type', 'veth'), [])
  t.same(calls(), ['GC'])
})

t.test('without IPAM ADD, CHECK and STATUS fail with code 7, and DEL succeeds', { skip }, async (t) => {
  const { host, pods } = topology(t)
  const one = new Attachment(host, { cniVersion: '1.1.0', name: 'net', type: 'ptp', stateDir: t.testdir({}) }, pods[0])
  t.match(one.tryAdd().json, { code: 7, msg: /ptp needs IPAM/ })
  t.match(one.status().json, { code: 7 })
  one.del()
})
