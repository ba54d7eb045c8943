import { fileURLToPath } from 'node:url'
import t from 'tap'
import { packForEngine } from '../testing/engine.js'
import { Netns, needs } from '../testing/netns.js'

// biome-ignore lint/suspicious/noExplicitAny: whatever the driver printed
type Answer = { value?: any; error?: string; code?: string }
type Call = [noun: string, verb: string, ...args: unknown[]]

const ip = (text: string) => ({ ip: text })
const prefix = (text: string) => ({ prefix: text })

t.test('lib/netlink on the engine', { skip: needs('root') }, async (t) => {
  const module = fileURLToPath(new URL('../testing/netlink-driver.js', import.meta.url))
  const driver = await packForEngine(module, t.testdir({}), 'driver')

  /** Makes the calls inside `netns`, in one process on one socket. */
  const call = (netns: Netns, ...calls: Call[]): Answer[] => {
    const input = calls.map((each) => JSON.stringify(each)).join('\n')
    const { status, stdout, stderr } = netns.try([driver], { input })
    if (status !== 0) throw new Error(`exit ${status}: ${stderr}`)
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Answer)
  }
  const must = (netns: Netns, ...calls: Call[]) =>
    call(netns, ...calls).map(({ value, error }, at) => {
      if (error !== undefined) throw new Error(`${JSON.stringify(calls[at])}: ${error}`)
      return value
    })

  t.test('a veth is complete after create(), its peer born in the other namespace', async (t) => {
    const host = Netns.create(t)
    const pod = Netns.create(t)
    host.run('ip', 'link', 'add', 'br0', 'type', 'bridge')
    const [bridge] = must(host, ['links', 'get', 'br0'])
    const peer = { name: 'eth0', mtu: 1400, mac: '0a:58:0a:01:02:03', namespaceFd: { open: pod.path } }
    const options = { mtu: 1450, mac: '0a:58:0a:01:02:02', alias: 'pod', up: true, addressGenerationMode: 'none' }
    const bridgePort = { hairpin: true }
    const spec = { kind: 'veth', name: 'v0', master: bridge.index, bridgePort, ...options, peer }
    const [made] = must(host, ['links', 'create', spec])

    const [link] = host.ip('link', 'show', 'v0')
    t.match(link, {
      ifindex: made.index,
      mtu: 1450,
      address: '0a:58:0a:01:02:02',
      master: 'br0',
      ifalias: 'pod',
      inet6_addr_gen_mode: 'none',
      linkinfo: { info_kind: 'veth', info_slave_kind: 'bridge', info_slave_data: { hairpin: true, isolated: false } },
    })
    t.ok(link.flags.includes('UP'))
    t.match(made, { name: 'v0', kind: 'veth', up: true, alias: 'pod', master: bridge.index, peerNamespaceId: 0 })
    t.same(host.ip('-6', 'addr', 'show', 'v0'), [{}].slice(1), 'no link-local address came up with it')
    const [end] = pod.ip('link', 'show', 'eth0')
    t.match(end, { ifindex: made.peerIndex, mtu: 1400, address: '0a:58:0a:01:02:03' })
  })

  t.test('bridge, vxlan, ifb and macvlan are made as specified, and read back', async (t) => {
    const host = Netns.create(t)
    const mac = '0a:58:0a:01:01:00'
    const [bridge, vxlan, , macvlan] = must(
      host,
      ['links', 'create', { kind: 'bridge', name: 'b0', mac, mtu: 1450, multicastSnooping: false, up: true }],
      [
        ...(['links', 'create'] as const),
        { kind: 'vxlan', name: 'x0', mac, mtu: 1400, id: 7, local: ip('10.9.0.1'), port: 8472, learning: false },
      ],
      ['links', 'create', { kind: 'ifb', name: 'i0', txQueueLength: 5 }],
      ['links', 'create', { kind: 'macvlan', name: 'm0', link: 2, mode: 'bridge' }],
    )
    t.match(host.ip('link', 'show', 'b0'), [
      { mtu: 1450, address: mac, linkinfo: { info_kind: 'bridge', info_data: { mcast_snooping: 0 } } },
    ])
    t.match(bridge.data, { kind: 'bridge', multicastSnooping: false })
    t.match(host.ip('link', 'show', 'x0'), [
      { mtu: 1400, address: mac, linkinfo: { info_data: { id: 7, local: '10.9.0.1', port: 8472, learning: false } } },
    ])
    t.match(vxlan.data, { kind: 'vxlan', id: 7, local: '10.9.0.1', port: 8472, learning: false })
    t.match(host.ip('link', 'show', 'i0'), [{ txqlen: 5, linkinfo: { info_kind: 'ifb' } }])
    t.match(host.ip('link', 'show', 'm0'), [{ link: 'b0', linkinfo: { info_data: { mode: 'bridge' } } }])
    t.match(macvlan.data, { kind: 'macvlan', mode: 'bridge' })
  })

  t.test('find() is undefined and get() ENODEV where there is no link; the kernel explains the rest', async (t) => {
    const host = Netns.create(t)
    host.run('ip', 'link', 'add', 'br0', 'type', 'bridge')
    host.run('ip', 'link', 'add', 'x0', 'type', 'vxlan', 'id', '7', 'local', '10.9.0.1', 'dstport', '8472')
    t.same(
      call(
        host,
        ['links', 'find', 'nothere'],
        ['links', 'get', 'nothere'],
        ['links', 'create', { kind: 'bridge', name: 'br0' }],
        ['links', 'create', { kind: 'vxlan', name: 'x1', id: 7, local: ip('10.9.0.1'), port: 8472 }],
        ['links', 'change', 1, { mac: 'nonsense' }],
      ),
      [
        { value: null },
        { error: 'get link nothere: ENODEV', code: 'ENODEV' },
        { error: 'create link br0: EEXIST', code: 'EEXIST' },
        {
          error: 'create link x1: EEXIST (kernel: "A VXLAN device with the specified VNI already exists")',
          code: 'EEXIST',
        },
        { error: '"nonsense" is no hardware address' },
      ],
    )
  })

  t.test('links are changed, made ports, listed by the kernel and deleted', async (t) => {
    const host = Netns.create(t)
    host.batch('link add br0 type bridge', 'link add v0 type veth peer v1', 'link add br1 type bridge')
    const [{ index }, { index: master }] = must(host, ['links', 'get', 'v0'], ['links', 'get', 'br0'])
    const [, , mine, bridges, port] = must(
      host,
      ['links', 'change', index, { name: 'w0', master, mtu: 1300, promiscuous: true, txQueueLength: 3, up: true }],
      ['links', 'setPort', index, { hairpin: true, isolated: true, learning: false, locked: true }],
      ['links', 'list', { master }],
      ['links', 'list', { kind: 'bridge' }],
      ['links', 'get', 'w0'],
    )
    t.same(
      mine.map(({ name }: { name: string }) => name),
      ['w0'],
    )
    t.same(
      bridges.map(({ name }: { name: string }) => name),
      ['br0', 'br1'],
    )
    t.match(port.port, { hairpin: true, isolated: true, learning: false, locked: true, unicastFlood: true })
    const [link] = host.ip('link', 'show', 'w0')
    t.match(link, {
      mtu: 1300,
      txqlen: 3,
      master: 'br0',
      linkinfo: { info_slave_data: { hairpin: true, isolated: true, learning: false, locked: true } },
    })
    t.ok(link.flags.includes('PROMISC'))
    must(host, ['links', 'change', index, { master: 0, promiscuous: false }])
    t.equal(host.ip('link', 'show', 'w0')[0].master, undefined)
    t.same(call(host, ['links', 'delete', index], ['links', 'delete', index]), [
      { value: null },
      { error: `delete link number ${index}: ENODEV`, code: 'ENODEV' },
    ])
    t.equal(host.ip('link', 'show').length, 3, 'the peer went along')
  })

  t.test('addresses come and go', async (t) => {
    const host = Netns.create(t)
    host.batch('link add br0 type bridge', 'link set br0 up')
    const [{ index }] = must(host, ['links', 'get', 'br0'])
    const four = { prefix: prefix('10.1.2.1/24'), broadcast: ip('10.1.2.255') }
    const six = { prefix: prefix('fd00:1::1/64'), noDad: true, noPrefixRoute: true }
    const answers = call(
      host,
      ['addresses', 'add', index, four, { exclusive: true }],
      ['addresses', 'add', index, four, { exclusive: true }],
      ['addresses', 'add', index, four],
      ['addresses', 'add', index, six, { exclusive: true }],
      ['addresses', 'list', index, 6],
      ['addresses', 'remove', index, prefix('10.1.2.9/24')],
    )
    t.match(answers[1], { code: 'EEXIST' })
    t.match(
      answers[4]?.value.filter((each: { scope: string }) => each.scope === 'universe'),
      [{ linkIndex: index, prefix: 'fd00:1::1/64', noDad: true, noPrefixRoute: true, tentative: false }],
    )
    t.match(answers[5], { code: 'EADDRNOTAVAIL' })
    t.match(host.ip('-4', 'addr', 'show', 'br0')[0].addr_info, [{ local: '10.1.2.1', broadcast: '10.1.2.255' }])
    t.match(host.ip('-6', 'addr', 'show', 'br0', 'scope', 'global')[0].addr_info, [
      { local: 'fd00:1::1', prefixlen: 64, nodad: true, noprefixroute: true },
    ])
    must(host, ['addresses', 'remove', index, prefix('10.1.2.1/24')])
    t.same(must(host, ['addresses', 'list', index, 4]), [[]])
  })

  t.test('routes are added, listed by the kernel, looked up and removed', async (t) => {
    const host = Netns.create(t)
    host.batch('link add br0 type bridge', 'link set br0 up', 'addr add 10.1.2.1/24 dev br0')
    host.run('ip', '-6', 'addr', 'add', 'fd00:1::1/64', 'dev', 'br0', 'nodad')
    const [{ index: link }] = must(host, ['links', 'get', 'br0'])
    const via = ip('10.1.2.7')
    const to = prefix('10.244.2.0/24')
    const answers = call(
      host,
      ['routes', 'add', { to, via, link, protocol: 77, mtu: 1400 }, 'create-exclusive'],
      ['routes', 'add', { to, via, link }, 'create-exclusive'],
      ['routes', 'add', { to: prefix('10.244.3.0/24'), via: ip('99.0.0.1'), link }, 'create-exclusive'],
      [
        'routes',
        'add',
        { to: prefix('10.244.3.0/24'), via: ip('99.0.0.1'), link, onlink: true, protocol: 77 },
        'replace',
      ],
      ['routes', 'add', { to: prefix('10.244.4.0/24'), via: ip('fd00:1::9'), link, protocol: 77 }, 'replace'],
      ['routes', 'add', { to: prefix('10.244.0.0/16'), type: 'unreachable', priority: 9999, protocol: 77 }, 'replace'],
      ['routes', 'add', { to: 'default', via: ip('fd00:1::7'), table: 1000, protocol: 77 }, 'create-exclusive'],
      ['routes', 'list', { protocol: 77 }],
      ['routes', 'list', { table: 1000 }],
      ['routes', 'list', { table: 1001 }],
      ['routes', 'get', ip('10.244.2.9')],
      ['routes', 'get', ip('fd00:1::9')],
      ['routes', 'get', ip('10.244.99.9')],
      ['routes', 'get', ip('8.8.8.8')],
      ['routes', 'remove', { to }],
      ['routes', 'remove', { to }],
    )
    const code = (at: number) => answers[at]?.code
    t.equal(code(1), 'EEXIST')
    t.match(answers[2], {
      error:
        /^add route 10\.244\.3\.0\/24 via 99\.0\.0\.1 by link .*: ENETUNREACH \(kernel: "Nexthop has invalid gateway"\)$/,
    })
    t.same(answers[7]?.value.map((route: { to: string }) => route.to).sort(), [
      ...['10.244.0.0/16', '10.244.2.0/24', '10.244.3.0/24', '10.244.4.0/24', 'default'],
    ])
    t.match(answers[8]?.value, [{ family: 6, to: 'default', via: 'fd00:1::7', table: 1000, protocol: 77 }])
    t.same(answers[9]?.value, [], 'a table nobody has used is empty')
    t.match(answers[10]?.value, { via: '10.1.2.7', link, source: '10.1.2.1', mtu: 1400 })
    t.match(answers[11]?.value, { link, source: 'fd00:1::1' })
    for (const at of [12, 13]) {
      t.equal(answers[at]?.value ?? undefined, undefined, 'no route leads there')
      t.equal(answers[at]?.error, undefined)
    }
    t.equal(code(15), 'ESRCH')
    t.match(host.ip('route', 'show', 'proto', '77'), [
      { type: 'unreachable', dst: '10.244.0.0/16', metric: 9999 },
      { dst: '10.244.3.0/24', gateway: '99.0.0.1' },
      { dst: '10.244.4.0/24', via: { family: 'inet6', host: 'fd00:1::9' } },
    ])
    t.match(host.run('ip', 'route', 'show', '10.244.3.0/24'), /onlink/)
  })

  t.test('a batch applies what it can and names what was refused', async (t) => {
    const host = Netns.create(t)
    host.batch('link add br0 type bridge', 'link set br0 up', 'addr add 10.1.2.1/24 dev br0')
    const via = ip('10.1.2.7')
    const routes: object[] = Array.from({ length: 1000 }, (_, i) => ({
      to: prefix(`10.${128 + (i >> 8)}.${i & 255}.0/24`),
      via,
      protocol: 77,
    }))
    routes.splice(300, 0, routes[3] as object)
    routes.push({ to: prefix('10.5.0.0/16'), via: ip('99.0.0.1') })
    const [failures, none, listed] = must(
      host,
      ['batch', '', routes],
      ['batch', '', []],
      ['routes', 'list', { protocol: 77, family: 4 }],
    )
    t.same(failures, [
      [300, 'add route 10.128.3.0/24 via 10.1.2.7: EEXIST'],
      [1001, 'add route 10.5.0.0/16 via 99.0.0.1: ENETUNREACH (kernel: "Nexthop has invalid gateway")'],
    ])
    t.same(none, [])
    t.equal(listed.length, 1000)
    t.equal(host.ip('route', 'show', 'proto', '77').length, 1000)
    const [again] = must(host, ['batch', '', routes])
    t.equal(again.length, 1002, 'every one of many refusals arrives')
  })

  t.test('neighbours and FDB entries of a VXLAN link', async (t) => {
    const host = Netns.create(t)
    host.batch('link add x0 type vxlan id 7 local 10.9.0.1 dstport 8472 nolearning', 'link set x0 up')
    const [{ index }] = must(host, ['links', 'get', 'x0'])
    const mac = '0a:58:0a:f4:02:00'
    const entry = { mac, to: ip('10.9.0.7'), self: true }
    const answers = call(
      host,
      ['neighbours', 'replace', index, { address: ip('10.244.2.0'), mac }],
      ['neighbours', 'get', index, ip('10.244.2.0')],
      ['neighbours', 'get', index, ip('10.244.3.0')],
      ['neighbours', 'list', { linkIndex: index, family: 4 }],
      ['fdb', 'replace', index, entry],
      ['fdb', 'replace', index, { ...entry, to: ip('10.9.0.8') }],
      ['fdb', 'get', index, { mac, self: true }],
      ['fdb', 'get', index, { mac: '0a:58:0a:f4:03:00', self: true }],
      ['fdb', 'list', index],
    )
    t.match(answers[1]?.value, { linkIndex: index, address: '10.244.2.0', mac, state: 'permanent' })
    t.equal(answers[2]?.code, 'ENOENT')
    t.equal(answers[3]?.value.length, 1)
    t.match(answers[6]?.value, { linkIndex: index, mac, to: '10.9.0.8', self: true, state: 'permanent' })
    t.equal(answers[7]?.code, 'ENOENT')
    t.equal(answers[8]?.value.length, 1)
    t.match(host.ip('neigh', 'show', 'dev', 'x0'), [{ dst: '10.244.2.0', lladdr: mac, state: ['PERMANENT'] }])
    t.match(JSON.parse(host.run('bridge', '-j', 'fdb', 'show', 'dev', 'x0')), [{ mac, dst: '10.9.0.8' }])
    t.same(
      call(
        host,
        ['fdb', 'remove', index, { mac, self: true }],
        ['fdb', 'remove', index, { mac, self: true }],
        ['neighbours', 'remove', index, ip('10.244.2.0')],
        ['neighbours', 'remove', index, ip('10.244.2.0')],
      ).map(({ code }) => code),
      [undefined, 'ENOENT', undefined, 'ENOENT'],
    )
  })

  t.test('settings are those that sysctl shows', async (t) => {
    const host = Netns.create(t)
    host.batch('link add br0 type bridge')
    const [{ index }] = must(host, ['links', 'get', 'br0'])
    const look = () =>
      must(host, ['netconf', 'forwards', 4], ['netconf', 'forwards', 6], ['links', 'routesLocalnet', 'br0'])
    t.same(look(), [false, false, false])
    host.run('sysctl', '-qw', 'net.ipv4.ip_forward=1')
    t.same(look(), [true, false, false])
    host.run('sysctl', '-qw', 'net.ipv6.conf.all.forwarding=1', 'net.ipv4.conf.br0.route_localnet=1')
    t.same(look(), [true, true, true])
    must(host, ['links', 'change', index, { up: true, ipv4: { arpNotify: true } }])
    t.equal(host.run('sysctl', '-n', 'net.ipv4.conf.br0.arp_notify').trim(), '1')
    t.same(must(host, ['links', 'routesLocalnet', 'nothere']), [false])
  })

  t.test('rules come and go', async (t) => {
    const host = Netns.create(t)
    const rule = { family: 4, from: prefix('10.1.2.5/32'), table: 1000, priority: 500, mark: 5, markMask: 255 }
    const answers = call(host, ['rules', 'add', rule], ['rules', 'add', rule], ['rules', 'list', { table: 1000 }])
    t.equal(answers[1]?.code, 'EEXIST')
    t.match(answers[2]?.value, [{ family: 4, from: '10.1.2.5/32', priority: 500, mark: 5, action: 'table' }])
    t.match(host.ip('rule', 'show', 'priority', '500'), [{ src: '10.1.2.5', fwmark: '0x5', table: '1000' }])
    t.same(
      call(
        host,
        ['rules', 'remove', { family: 4, priority: 500 }],
        ['rules', 'remove', { family: 4, priority: 500 }],
      ).map(({ code }) => code),
      [undefined, 'ENOENT'],
    )
  })
})
