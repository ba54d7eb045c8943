import { spawn } from 'node:child_process'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Attachment, call, type Json } from '../../lib/testing/cni.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { fakeIpam, network } from '../../lib/testing/pod-network.js'

const skip = needs('root')

function topology(t: Test) {
  const host = Netns.create(t, 'node')
  const pod = (name = 'pod') => Netns.create(t, name, { loopback: false })
  return { host, pod }
}

function vethsOf(host: Netns): Json[] {
  return host.ip('link', 'show', 'type', 'veth')
}

t.test('ADD joins the container to the bridge, DEL leaves only the bridge', { skip }, async (t) => {
  const { host, pod } = topology(t)
  const container = pod()
  const attachment = new Attachment(host, network(t, { subnets: ['10.1.2.0/24', 'fd12::/64'] }), container, {
    args: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=web;K8S_POD_NAME=front',
  })
  const result = attachment.add()
  t.match(result, {
    interfaces: [{ name: 'cni0', mtu: 1500 }, { mtu: 1500 }, { name: 'eth0', mtu: 1500, sandbox: container.path }],
    ips: [
      { address: '10.1.2.2/24', gateway: '10.1.2.1', interface: 2 },
      { address: 'fd12::2/64', gateway: 'fd12::1', interface: 2 },
    ],
    routes: [
      { dst: '0.0.0.0/0', gw: '10.1.2.1' },
      { dst: '::/0', gw: 'fd12::1' },
    ],
  })
  const [eth0] = container.ip('addr', 'show', 'eth0')
  t.equal(eth0.operstate, 'UP')
  t.equal(eth0.address, result.interfaces[2].mac, 'the MAC is the one reported')
  const [veth] = vethsOf(host)
  t.match(veth, { ifname: result.interfaces[1].name, master: 'cni0', address: result.interfaces[1].mac })
  t.match(veth.ifalias, /^[0-9a-f]{16} net\/c1 eth0 web\/front$/, 'the alias says whose it is')
  t.ok(container.ping('10.1.2.1') && container.ping('fd12::1'), 'both gateways answer at once')
  attachment.check()
  attachment.del()
  attachment.del()
  t.same(vethsOf(host), [])
  t.same(
    container.ip('link', 'show').map(({ ifname }) => ifname),
    ['lo'],
  )
  t.match(host.ip('link', 'show', 'cni0'), [{ ifname: 'cni0', address: result.interfaces[0].mac }])
})

t.test('a fresh bridge has no tentative address, and keeps its MAC as ports come and go', { skip }, async (t) => {
  const { host, pod } = topology(t)
  const list = network(t, { subnets: ['fd12::/64'] })
  const first = new Attachment(host, list, pod(), { containerId: 'a' })
  const mac = first.add().interfaces[0].mac
  const addresses = host.ip('addr', 'show', 'cni0')[0].addr_info
  t.equal(addresses.length, 2)
  t.notOk(addresses.some((address: Json) => address.tentative))
  const second = new Attachment(host, list, pod(), { containerId: 'b' })
  second.add()
  first.del()
  t.equal(host.ip('link', 'show', 'cni0')[0].address, mac)
})

t.test('a bridge of somebody else keeps the MAC it has', { skip }, async (t) => {
  for (const alias of ['', 'uplink of rack 3']) {
    const { host, pod } = topology(t)
    host.run('ip', 'link', 'add', 'br0', 'type', 'bridge')
    host.run('ip', 'link', 'set', 'br0', 'up', ...(alias === '' ? [] : ['alias', alias]))
    const mac = host.ip('link', 'show', 'br0')[0].address
    const attachment = new Attachment(host, network(t, { config: { bridge: 'br0' } }), pod())
    t.equal(attachment.add().interfaces[0].mac, mac)
    t.equal(host.ip('link', 'show', 'br0')[0].address, mac, 'with a port')
    attachment.del()
    t.equal(host.ip('link', 'show', 'br0')[0].address, mac, 'without it')
  }
})

t.test('a reused address answers the first packet, IPv4 and IPv6', { skip }, async (t) => {
  const { host, pod } = topology(t)
  const witness = pod('witness')
  const fixed = (v4: string, v6: string) =>
    fakeIpam(t, {
      ips: [
        { address: v4, gateway: '10.1.2.1' },
        { address: v6, gateway: 'fd12::1' },
      ],
    })
  const other = fixed('10.1.2.2/24', 'fd12::2/64')
  new Attachment(host, other.list, witness, { containerId: 'w', bin: other.bin }).add()
  const reused = fixed('10.1.2.9/24', 'fd12::9/64')
  for (let round = 0; round < 4; round++) {
    // Never the MAC of the round before.
    const mac = `02:00:00:00:00:0${round}`
    const list = { ...reused.list, ...(round % 2 === 0 ? {} : { runtimeConfig: { mac } }) }
    const attachment = new Attachment(host, list, pod(), { containerId: `c${round}`, bin: reused.bin })
    attachment.add()
    for (const from of [witness, host]) {
      t.ok(from.ping('10.1.2.9', { seconds: 1 }), `round ${round}: IPv4 from ${from.name}`)
      t.ok(from.ping('fd12::9', { seconds: 1 }), `round ${round}: IPv6 from ${from.name}`)
    }
    attachment.del()
    const left = host.ip('neigh', 'show', '10.1.2.9')
    if (round % 2 === 0) t.same(left, [], 'DEL forgets the neighbour')
    else t.match(left, [{ state: ['STALE'], lladdr: mac }], 'or keeps what the next one must know')
  }
})

t.test(
  'a container is announced where others may remember another MAC of its address, and only there',
  { skip },
  async (t) => {
    const { host, pod } = topology(t)
    const witness = pod('witness')
    // What the witness hears that tells it of a MAC: ARP requests for their own sender, and neighbour advertisements.
    const heard = (): [number, number] => {
      const list = JSON.parse(witness.run('nft', '-j', 'list', 'counters')).nftables as Json[]
      const packets = (name: string) => list.find(({ counter }) => counter?.name === name)?.counter.packets
      return [packets('garp'), packets('adverts')]
    }
    const attach = (containerId: string, v4: string, v6: string, netns = pod(), more: Json = {}) => {
      const { list, bin } = fakeIpam(t, {
        ips: [
          { address: `${v4}/24`, gateway: '10.1.2.1' },
          { address: `${v6}/64`, gateway: 'fd12::1' },
        ],
      })
      const attachment = new Attachment(host, { ...list, ...more }, netns, { containerId, bin })
      return { attachment, interfaces: attachment.add().interfaces }
    }
    const first = attach('first', '10.1.2.200', 'fd12::200')
    attach('witness', '10.1.2.2', 'fd12::2', witness)
    witness.run(
      'nft',
      `table arp w { counter garp { }; chain c { type filter hook input priority 0; arp operation request arp saddr ip 10.1.2.0/24 \
      arp daddr ip 10.1.2.3-10.1.2.254 counter name garp; }; }
     table ip6 w { counter adverts { }; chain c { type filter hook input priority 0; icmpv6 type nd-neighbor-advert \
      ip6 daddr ff02::1 counter name adverts; }; }`,
    )

    const fresh = attach('fresh', '10.1.2.9', 'fd12::9')
    t.equal(fresh.interfaces[2].mac, '0a:58:0a:01:02:09', 'the MAC says the address')
    t.ok(witness.ping('10.1.2.9', { seconds: 1 }) && witness.ping('fd12::9', { seconds: 1 }))
    t.same(heard(), [0, 0], 'an address that is new is told to nobody')
    fresh.attachment.del()

    const again = attach('again', '10.1.2.9', 'fd12::9')
    t.ok(witness.ping('10.1.2.9', { seconds: 1 }) && witness.ping('fd12::9', { seconds: 1 }))
    t.same(heard(), [0, 0], 'nor is one whose MAC is the same again')
    again.attachment.del()

    const other = attach('other', '10.1.2.10', 'fd12::9')
    t.ok(heard()[1] > 0, 'an IPv6 address that comes back with another MAC is')
    t.ok(witness.ping('fd12::9', { seconds: 1 }), 'and answers the first packet')
    t.equal(host.ip('neigh', 'show', 'fd12::9')[0].lladdr, '0a:58:0a:01:02:0a', 'the host knows, too')
    other.attachment.del()
    t.same(host.ip('neigh', 'show', '10.1.2.10'), [], 'nothing is remembered of an address that keeps its MAC')
    t.same(host.ip('neigh', 'show', 'fd12::9')[0].state, ['STALE'])

    const [requests] = heard()
    attach('given', '10.1.2.11', 'fd12::11', pod(), { runtimeConfig: { mac: '02:00:00:00:00:11' } })
    t.ok(heard()[0] > requests, 'an IPv4 address with a MAC that was asked for is')
    first.attachment.del()

    // A neighbour that does not answer any more has no MAC in the table, and may have one in others.
    host.run('ip', 'neigh', 'replace', 'fd12::21', 'dev', 'cni0', 'nud', 'failed')
    const [, adverts] = heard()
    attach('failed', '10.1.2.21', 'fd12::21')
    t.ok(heard()[1] > adverts, 'an address that does not answer any more is')

    const [garps] = heard()
    attach('plain', '10.1.2.12', 'fd12::12', pod(), { isDefaultGateway: false })
    t.ok(heard()[0] > garps, 'so is every address where the host is no gateway')
  },
)

t.test('a container is heard when ADD is done, and not before unless it must be', { skip }, async (t) => {
  const QUIET: Json = { subnets: ['10.1.2.0/24', 'fd12::/64'] }
  const SNOOPING = 'a bridge that snoops'
  const whole: [string, Json, boolean][] = [
    ['host-local', network(t, QUIET), true],
    ['hairpin and isolation', network(t, { ...QUIET, config: { hairpinMode: true, portIsolation: true } }), true],
    ['who asks for duplicates', network(t, { ...QUIET, config: { enabledad: true } }), false],
    ['layer 2', network(t, { config: { ipam: {}, isDefaultGateway: false } }), false],
    [SNOOPING, network(t, QUIET), false],
  ]
  for (const [what, list, locks] of whole) {
    const { host, pod } = topology(t)
    if (what === SNOOPING) host.batch('link add cni0 type bridge mcast_snooping 1')
    const monitor = host.start(['ip', '-d', '-o', 'monitor', 'link'])
    let told = ''
    monitor.stdout?.on('data', (chunk) => {
      told += chunk
    })
    // Until it tells of a change that is made for that: it listens, and has told all that came before.
    const hears = async (sign: string) => {
      for (let n = 0; n < 50 && !told.includes(sign); n++) {
        host.run('ip', 'link', 'set', 'lo', 'alias', `${sign}${n}`)
        await setTimeout(100)
      }
      t.ok(told.includes(sign), `${what}: ${sign}`)
    }
    await hears('listens')
    new Attachment(host, list, pod()).add()
    await hears('added')
    const states = told
      .split('\n')
      .filter((line) => / veth.* bridge_slave /.test(line))
      .map((line) => `${/state (\w+)/.exec(line)?.[1]} ${/ locked (\w+)/.exec(line)?.[1]}`)
    t.ok(states.length > 0, what)
    t.equal(states.includes('UP on'), locks, `${what}: ${states.join(', ')}`)
    t.match(vethsOf(host), [{ linkinfo: { info_slave_data: { locked: false, learning: true } } }])
    t.match(host.ip('link', 'show', 'cni0'), [
      { linkinfo: { info_data: { mcast_snooping: what === SNOOPING ? 1 : 0 } } },
    ])
  }
})

t.test('a MAC that is set after ADD is announced by the kernel', { skip }, async (t) => {
  const { host, pod } = topology(t)
  const container = pod()
  new Attachment(host, network(t), container).add()
  t.ok(host.ping('10.1.2.2', { seconds: 1 }))
  container.run('ip', 'link', 'set', 'eth0', 'address', '02:00:00:00:00:77')
  t.ok(host.ping('10.1.2.2', { seconds: 1 }), 'the host knows')
})

t.test('with dhcp the MAC stays the one that asked', { skip }, (t) => {
  const { host, pod } = topology(t)
  const { list, bin } = fakeIpam(t, { ips: [{ address: '10.1.2.9/24', gateway: '10.1.2.1' }] })
  const [, directory = ''] = bin.split(':')
  const asked = join(directory, 'asked')
  // /sys shows the namespace that it was mounted in.
  const look = 'unshare --mount sh -c "mount -t sysfs sysfs /sys; cat /sys/class/net/eth0/address"'
  writeFileSync(
    join(directory, 'dhcp'),
    `#!/bin/sh
[ $CNI_COMMAND != ADD ] || nsenter --net=$CNI_NETNS ${look} > ${asked}
exec ${directory}/fake
`,
  )
  chmodSync(join(directory, 'dhcp'), 0o755)
  const macs = ['dhcp', 'fake'].map((type) => {
    const attachment = new Attachment(host, { ...list, ipam: { type } }, pod(), { bin })
    const { mac } = attachment.add().interfaces[2]
    attachment.check()
    attachment.del()
    return mac
  })
  t.same(macs, [readFileSync(asked, 'utf8').trim(), '0a:58:0a:01:02:09'])
  t.end()
})

t.test('a late DEL leaves the neighbour entry of who has the address now', { skip }, async (t) => {
  const { host, pod } = topology(t)
  const attach = (containerId: string, mac: string) => {
    const { list, bin } = fakeIpam(t, { ips: [{ address: 'fd12::9/64', gateway: 'fd12::1' }] })
    const attachment = new Attachment(host, { ...list, runtimeConfig: { mac } }, pod(), { containerId, bin })
    attachment.add()
    return attachment
  }
  const late = attach('late', '02:00:00:00:00:01')
  host.run('ip', 'link', 'delete', late.result.interfaces[1].name)
  attach('now', '02:00:00:00:00:02')
  late.del({ netns: '' })
  t.equal(host.ip('neigh', 'show', 'fd12::9')[0].lladdr, '02:00:00:00:00:02')
  t.ok(host.ping('fd12::9', { seconds: 1 }))
})

t.test('routes have metric, table, scope, mtu and advmss; CHECK finds each', { skip }, async (t) => {
  const { host, pod } = topology(t)
  const container = pod()
  const { list, bin } = fakeIpam(t, {
    ips: [{ address: '10.1.2.2/24', gateway: '10.1.2.1' }],
    routes: [
      { dst: '10.3.0.0/16', priority: 7 },
      { dst: '10.4.0.0/16', table: 1000 },
      { dst: '10.5.0.0/16', scope: 253 },
      { dst: '10.6.0.0/16', table: 0, mtu: 1400, advmss: 1300 },
      { dst: '0.0.0.0/0' },
    ],
  })
  const attachment = new Attachment(host, list, container, { bin })
  attachment.add()
  attachment.check()
  const route = (...args: string[]) => container.ip('route', 'show', ...args)[0]
  t.match(route('10.3.0.0/16'), { gateway: '10.1.2.1', metric: 7 })
  t.match(route('10.4.0.0/16', 'table', '1000'), { gateway: '10.1.2.1' })
  t.match(route('10.5.0.0/16'), { scope: 'link', gateway: undefined })
  t.match(route('10.6.0.0/16'), { metrics: [{ mtu: 1400, advmss: 1300 }] })
  t.equal(container.ip('route', 'show', 'default').length, 1, 'isDefaultGateway adds no second default route')
  container.run('ip', 'route', 'del', '10.4.0.0/16', 'table', '1000')
  t.match(attachment.tryCheck().json, { code: 100, details: 'route 10.4.0.0/16 in table 1000 is missing' })
})

t.test('a default route of another attachment stays in use', { skip }, async (t) => {
  const { host, pod } = topology(t)
  const container = pod()
  const attach = (ifName: string, subnets: string[], bridge: string) =>
    new Attachment(host, network(t, { name: bridge, subnets, config: { bridge } }), container, { ifName }).add()
  attach('eth0', ['10.1.0.0/24', 'fd11::/64'], 'br1')
  attach('eth1', ['10.2.0.0/24', 'fd22::/64'], 'br2')
  t.equal(container.ip('route', 'get', '192.0.2.1')[0].dev, 'eth0')
  t.equal(container.ip('route', 'get', '2001:db8::1')[0].dev, 'eth0')
})

t.test(
  '64 first ADDs at once, then 64 DELs: no error, 64 addresses, nothing left but the bridge',
  { skip },
  async (t) => {
    const { host, pod } = topology(t)
    const list = network(t, { subnets: ['10.1.2.0/24'] })
    const pods = Array.from({ length: 64 }, () => pod())
    const all = (command: string, answers: Json[] = []) =>
      Promise.all(
        pods.map(async (container, at) => {
          const child = spawn('nsenter', [`--net=${host.path}`, '--', `${process.cwd()}/bin/bridge`], {
            stdio: ['pipe', 'pipe', 'inherit'],
            env: {
              CNI_COMMAND: command,
              CNI_CONTAINERID: `c${at}`,
              CNI_NETNS: container.path,
              CNI_IFNAME: 'eth0',
              CNI_PATH: `${process.cwd()}/bin`,
            },
          })
          child.stdin.end(JSON.stringify({ ...list, prevResult: answers[at] }))
          let text = ''
          for await (const chunk of child.stdout) text += chunk
          return text === '' ? undefined : JSON.parse(text)
        }),
      )
    const results = await all('ADD')
    t.same(
      results.filter((result) => result.code !== undefined),
      [],
      'no error',
    )
    t.equal(new Set(results.map((result) => result.ips?.[0].address)).size, 64, 'different addresses')
    t.equal(new Set(results.map((result) => result.interfaces?.[0].mac)).size, 1, 'one bridge')
    t.same(
      (await all('DEL', results)).filter((answer) => answer !== undefined),
      [],
    )
    t.same(
      host.ip('link', 'show').map(({ ifname }) => ifname),
      ['lo', 'cni0'],
    )
  },
)

t.test('an uplink that lives on router advertisements goes on taking them', { skip }, async (t) => {
  const { host, pod } = topology(t)
  host.batch('link add up0 type veth peer name up1', 'link set up0 up', 'link set up1 up')
  host.run('ip', '-6', 'route', 'add', 'default', 'via', 'fe80::1', 'dev', 'up0', 'proto', 'ra')
  const config = network(t, { subnets: ['fd12::/64'] })
  const answer = call({ command: 'ADD', host, config, netns: pod() })
  t.equal(answer.status, 0)
  t.match(answer.stderr, /accept_ra/, 'and it is said')
  t.equal(host.run('sysctl', '-n', 'net.ipv6.conf.up0.accept_ra').trim(), '2')
})

t.test('layer 2: no address, SLAAC untouched; down where asked', { skip }, async (t) => {
  const { host, pod } = topology(t)
  for (const disableContainerInterface of [false, true]) {
    const container = pod()
    const list = { ...network(t, { config: { isDefaultGateway: false, disableContainerInterface } }), ipam: {} }
    const attachment = new Attachment(host, list, container)
    t.same(Object.keys(attachment.add()), ['cniVersion', 'interfaces'])
    attachment.check()
    t.equal(container.ip('link', 'show', 'eth0')[0].operstate, disableContainerInterface ? 'DOWN' : 'UP')
    t.equal(container.run('sysctl', '-n', 'net.ipv6.conf.eth0.accept_ra').trim(), '1')
    attachment.del()
  }
})
