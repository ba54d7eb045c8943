/** Addresses and MACs that somebody on the bridge has already, whatever IPAM or the runtime says. */

import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Attachment, type Json } from '../../lib/testing/cni.js'
import { LONG } from '../../lib/testing/long.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { fakeIpam, network } from '../../lib/testing/pod-network.js'
import { reference } from '../../lib/testing/reference.js'

const skip = needs('root')
const noReference = skip || (reference() === undefined ? 'needs the reference plugins' : false)

/** A pod of its own on a network; what ADD and CHECK say is at hand. */
function pod(t: Test, host: Netns, list: Json, containerId: string, options: Json = {}) {
  const netns = Netns.create(t, containerId, { loopback: false })
  const attachment = new Attachment(host, list, netns, { containerId, ...options })
  return { netns, attachment }
}

const addressesIn = (result: Json): string[] => result.ips.map(({ address }: Json) => address.split('/')[0])

/** The same bridge, subnets and store under another name. */
const renamed = (list: Json, name: string): Json => ({ ...list, name })

t.test('pods of two networks on one bridge never share an address, whichever programs attached them', async (t) => {
  const cases: [string, string | undefined, number, string | false][] = [
    ['both are ours', undefined, 2, skip],
    ['the first is the reference', reference()?.directory, 2, noReference],
  ]
  for (const [what, bin, count, reason] of cases) {
    t.test(what, { skip: reason }, async (t) => {
      const host = Netns.create(t, 'node')
      const list = network(t, {
        name: 'cbr0',
        subnets: ['10.1.2.0/28', 'fd12::/64'],
        config: { cniVersion: '1.0.0' }, // the newest that every reference knows
      })
      const first = Array.from({ length: count }, (_, at) =>
        addressesIn(pod(t, host, list, `first-${at}`, bin === undefined ? {} : { bin }).attachment.add()),
      )
      // Nothing of them is remembered: they are found all the same.
      host.run('ip', 'neigh', 'flush', 'dev', 'cni0')
      for (const port of host.ip('link', 'show', 'master', 'cni0')) {
        host.run('ip', 'link', 'set', port.ifname, 'type', 'bridge_slave', 'fdb_flush')
      }
      const second = Array.from({ length: count }, (_, at) => {
        const { attachment } = pod(t, host, renamed(list, 'podnet'), `second-${at}`)
        const result = attachment.add()
        attachment.check()
        return addressesIn(result)
      })
      const all = [...first, ...second].flat()
      t.equal(all.length, 4 * count)
      t.equal(new Set(all).size, all.length, `no address twice: ${all.join(' ')}`)
    })
  }
})

t.test('stores of leases in two places do not lead to one address twice', { skip }, async (t) => {
  const forget = (host: Netns, alsoMacs: boolean) => {
    host.run('ip', 'neigh', 'flush', 'dev', 'cni0')
    if (!alsoMacs) return
    for (const port of host.ip('link', 'show', 'master', 'cni0')) {
      host.run('ip', 'link', 'set', port.ifname, 'type', 'bridge_slave', 'fdb_flush')
    }
  }
  const elsewhere = (list: Json, name: string): Json => {
    return { ...list, name, ipam: { ...list.ipam, dataDir: `${list.ipam.dataDir}-other` } }
  }
  const NODES: [what: string, subnets: string[], name: string, alsoMacs: boolean][] = [
    ['another network, of which nothing is remembered', ['10.1.2.0/28'], 'other', true],
    ['the same with IPv6 alone', ['fd12::/64'], 'other', true],
    ['the same network, of which the bridge knows the MAC', ['10.1.2.0/28', 'fd12::/64'], 'net', false],
  ]
  for (const [what, subnets, name, alsoMacs] of NODES) {
    const host = Netns.create(t, 'node')
    const list = network(t, { subnets })
    const { attachment, netns } = pod(t, host, list, 'first')
    const first = addressesIn(attachment.add())
    netns.try(['ping', '-nqc1', '-W1', subnets[0] === 'fd12::/64' ? 'fd12::1' : '10.1.2.1'])
    forget(host, alsoMacs)
    const answer = pod(t, host, elsewhere(list, name), 'second').attachment.tryAdd()
    t.equal(answer.status, 0, what)
    t.notOk(
      addressesIn(answer.json).some((one) => first.includes(one)),
      what,
    )
    t.match(answer.stderr, /net\/first eth0\)( with MAC [0-9a-f:]+)?[;,] /, `${what}: the holder is named`)
    t.notMatch(answer.stderr, /,,|,;/)
    attachment.del()
    const third = pod(t, host, elsewhere(list, 'third'), 'third').attachment.add()
    t.match(addressesIn(third), first, `${what}: free when the holder is gone`)
  }
})

t.test('an address that lives on a port of the bridge without any lease is not given away', { skip }, async (t) => {
  const host = Netns.create(t, 'node')
  const list = network(t, { subnets: ['10.1.2.0/28'] })
  const { attachment } = pod(t, host, list, 'c1')
  attachment.add()
  const stranger = Netns.create(t, 'stranger')
  host.run('ip', 'link', 'add', 'vx', 'master', 'cni0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', stranger.name)
  host.run('ip', 'link', 'set', 'vx', 'up')
  stranger.batch('addr add 10.1.2.3/28 dev eth0', 'link set eth0 up')
  t.ok(host.ping('10.1.2.3'))
  const answer = pod(t, host, list, 'c2').attachment.tryAdd()
  t.same(addressesIn(answer.json), ['10.1.2.4'])
  t.match(answer.stderr, /10\.1\.2\.3 of vx with MAC [0-9a-f:]+;/, 'and the warning names who has it')
  const asked = pod(t, host, { ...list, capabilities: { ips: true } }, 'c3', { capabilities: { ips: ['10.1.2.3'] } })
  t.match(asked.attachment.tryAdd().json, { code: 103, details: /vx/ }, 'nor where it is asked for')
  t.same(asked.netns.ip('link', 'show').length, 1)
  t.same(
    readdirSync(join(list.ipam.dataDir, 'net')).filter((name) => name.startsWith('10.')),
    ['10.1.2.2', '10.1.2.4'],
    'what was refused is given back',
  )
})

t.test('an IPAM plugin that insists is refused, and gets its lease back', { skip }, async (t) => {
  const host = Netns.create(t, 'node')
  const ipam = fakeIpam(t, { ips: [{ address: '10.1.2.5/24', gateway: '10.1.2.1' }] })
  const holder = pod(t, host, ipam.list, 'c1', {
    bin: ipam.bin,
    args: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=db',
  })
  holder.attachment.add()
  t.ok(host.ping('10.1.2.5'))
  ipam.calls()
  const { json } = pod(t, host, ipam.list, 'c2', { bin: ipam.bin }).attachment.tryAdd()
  t.match(json, { code: 103, msg: /10\.1\.2\.5 is already in use/, details: /net\/c1 eth0 shop\/db/ })
  t.same(ipam.calls(), ['ADD', 'DEL', 'ADD', 'DEL'])
  t.ok(host.ping('10.1.2.5'), 'its holder has not noticed')
})

t.test('what is left of pods that are gone costs no address', { skip }, async (t) => {
  const host = Netns.create(t, 'node')
  const list = network(t, { subnets: ['10.1.2.0/28', 'fd12::/124'] })
  const ROUNDS = LONG ? 200 : 2
  const pods = Array.from({ length: 10 }, (_, at) => pod(t, host, list, `c${at}`))
  const seen = new Set<string>()
  for (let round = 0; round < ROUNDS; round++) {
    for (const { attachment, netns } of pods) {
      const { status, stdout, stderr, json } = attachment.tryAdd()
      if (status !== 0 || stderr !== '') t.fail(`round ${round}: ${stdout}${stderr}`)
      for (const address of addressesIn(json)) seen.add(address)
      netns.run('ping', '-nqc1', '10.1.2.1')
      netns.run('ping', '-nqc1', 'fd12::1')
      attachment.del()
    }
  }
  t.equal(seen.size, 13 + 14, 'round and round')
})

t.test(
  'a lease of another network costs its address only while its container is on this bridge',
  { skip },
  async (t) => {
    const host = Netns.create(t, 'node')
    const list = network(t, { subnets: ['10.1.2.0/28'] })
    const other = join(list.ipam.dataDir, 'gone')
    mkdirSync(other, { recursive: true })
    writeFileSync(join(other, '10.1.2.2'), 'a-pod-that-is-gone\r\neth0')
    t.same(addressesIn(pod(t, host, list, 'c1').attachment.add()), ['10.1.2.2'], 'nobody answers for it')
    const elsewhere = { ...renamed(list, 'elsewhere'), bridge: 'cni9', isDefaultGateway: false }
    const result = ['e0', 'e1', 'e2'].map((id) => addressesIn(pod(t, host, elsewhere, id).attachment.add())[0])
    t.same(result, ['10.1.2.2', '10.1.2.3', '10.1.2.4'], 'two bridges may have the same addresses')
    t.same(addressesIn(pod(t, host, list, 'c2').attachment.add()), ['10.1.2.3'])
  },
)

t.test('a MAC that somebody on the bridge has is refused with its name', { skip }, async (t) => {
  const MAC = '02:00:00:00:00:77'
  for (const config of [{}, { macspoofchk: true }, { ipam: {}, isDefaultGateway: false }] as Json[]) {
    const host = Netns.create(t, 'node')
    const list = { ...network(t, { config }), capabilities: { mac: true } }
    const what = JSON.stringify(config)
    const asking = (id: string, mac: string, name = 'net') =>
      pod(t, host, renamed(list, name), id, { capabilities: { mac } })
    const args = 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=db;MAC='
    const victim = pod(t, host, list, 'victim', { args: `${args}${MAC}` })
    victim.attachment.add()
    const own = victim.netns.ip('link', 'show', 'eth0')[0].address
    t.equal(own, MAC, what)
    // Idle for so long that the bridge has forgotten it.
    for (const port of host.ip('link', 'show', 'master', 'cni0')) {
      host.run('ip', 'link', 'set', port.ifname, 'type', 'bridge_slave', 'fdb_flush')
    }
    const [bridge] = host.ip('link', 'show', 'cni0')
    const hostEnd = victim.attachment.result.interfaces[1].mac
    const cases: [string, string, RegExp][] = [
      ['a pod of the network', MAC, /net\/victim eth0 shop\/db/],
      ['the bridge', bridge.address, /cni0 itself/],
      ["the host's end of a pod", hostEnd, /net\/victim eth0/],
    ]
    for (const [whose, mac, holder] of cases) {
      for (const name of ['net', 'other']) {
        const { attachment, netns } = asking('c2', mac, name)
        t.match(attachment.tryAdd().json, { code: 103, msg: /MAC/, details: holder }, `${what}: ${whose}, ${name}`)
        t.equal(netns.ip('link', 'show').length, 1)
      }
    }
    const stranger = Netns.create(t, 'stranger')
    host.run(
      'ip',
      'link',
      'add',
      'vx',
      'master',
      'cni0',
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      stranger.name,
    )
    host.run('ip', 'link', 'set', 'vx', 'up')
    stranger.batch('link set eth0 address 02:00:00:00:00:88', 'addr add 10.1.2.99/24 dev eth0', 'link set eth0 up')
    stranger.try(['ping', '-nqc1', '-W1', '10.1.2.98'])
    t.match(
      asking('c3', '02:00:00:00:00:88').attachment.tryAdd().json,
      { code: 103, details: /vx/ },
      `${what}: a stranger`,
    )
    t.equal(asking('c4', '02:00:00:00:00:99').attachment.tryAdd().status, 0, `${what}: another MAC`)
    victim.attachment.del()
    t.equal(asking('c5', MAC).attachment.tryAdd().status, 0, `${what}: its own after the pod is gone`)
  }
})

t.test('a MAC that says the address of another pod is refused, one that says the own is not', { skip }, async (t) => {
  const host = Netns.create(t, 'node')
  const list = { ...network(t, { subnets: ['10.1.2.0/28'] }), capabilities: { mac: true, ips: true } }
  const asking = (id: string, mac: string, ip: string) => pod(t, host, list, id, { capabilities: { mac, ips: [ip] } })
  t.match(asking('c1', '0a:58:0a:01:02:05', '10.1.2.4').attachment.tryAdd().json, { code: 103, details: /10\.1\.2\.5/ })
  t.equal(asking('c1', '0a:58:0a:01:02:05', '10.1.2.5').attachment.tryAdd().status, 0)
  t.equal(asking('c2', '0a:58:0a:09:09:09', '10.1.2.6').attachment.tryAdd().status, 0, 'of no network here')
})

t.test(
  'a MAC behind an uplink may move here: a machine that migrates has it twice for a while',
  { skip },
  async (t) => {
    const host = Netns.create(t, 'node')
    const list = { ...network(t), capabilities: { mac: true } }
    pod(t, host, list, 'c1').attachment.add()
    host.batch('link add up0 type vxlan id 7 dstport 8472', 'link set up0 master cni0', 'link set up0 up')
    host.run('bridge', 'fdb', 'add', '02:00:00:00:00:77', 'dev', 'up0', 'master', 'dynamic')
    t.equal(pod(t, host, list, 'c2', { capabilities: { mac: '02:00:00:00:00:77' } }).attachment.tryAdd().status, 0)
  },
)
