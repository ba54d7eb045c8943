import t from 'tap'
import { call, type Json, REFERENCE_BIN } from '../../lib/testing/cni.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { NODE, node, OUTSIDE } from '../../lib/testing/node.js'
import { ask, askFromPort, isSilent, sendInVain, serve } from '../../lib/testing/peer.js'
import { filesBelow } from '../../lib/testing/pod-network.js'

const skip = needs('root')

const PORTMAP = { type: 'portmap', capabilities: { portMappings: true } }
const tcp = (hostPort: number, containerPort = 80, hostIP?: string) => ({
  hostPort,
  containerPort,
  protocol: 'tcp',
  hostIP,
})
const udp = (hostPort: number, containerPort = 80, hostIP?: string) => ({
  hostPort,
  containerPort,
  protocol: 'udp',
  hostIP,
})
const ports = (...portMappings: Json[]) => ({ capabilities: { portMappings } })

/** Frames between ports of a bridge pass iptables and nftables, or not. */
function callFromBridges(host: Netns, on: 0 | 1): void {
  for (const tables of ['iptables', 'ip6tables']) host.run('sysctl', '-qw', `net.bridge.bridge-nf-call-${tables}=${on}`)
}

for (const bridged of [0, 1] as const) {
  t.test(`a host port is reached from everywhere, bridge-nf-call-iptables ${bridged}`, { skip }, async (t) => {
    const { host, outside, pod, ruleset } = node(t)
    callFromBridges(host, bridged)
    const server = pod('server', [PORTMAP], ports(tcp(8080), udp(5353)))
    server.attachment.add()
    const client = pod('client')
    client.attachment.add()
    await serve(server.netns, 'server', 80)
    for (const family of [4, 6] as const) {
      const own = family === 4 ? '10.1.2.3' : 'fd12::3'
      const gateway = family === 4 ? '10.1.2.1' : 'fd12::1'
      t.equal(ask(outside, NODE[family], 8080), `server sees ${OUTSIDE[family]}`, 'from outside, as itself')
      t.equal(ask(outside, NODE[family], 5353, 'udp'), `server sees ${OUTSIDE[family]}`, 'over UDP')
      t.match(ask(host, NODE[family], 8080), /^server sees/, 'from the host by its address')
      t.match(ask(host, gateway, 8080), /^server sees/, "from the host by the bridge's address")
      t.match(ask(client.netns, NODE[family], 8080), /^server sees/, 'from another pod of the bridge')
      t.match(ask(client.netns, gateway, 8080), /^server sees/, 'and by the gateway')
      t.match(ask(client.netns, NODE[family], 5353, 'udp'), /^server sees/, 'and over UDP')
      t.equal(ask(server.netns, NODE[family], 8080), `server sees ${gateway}`, 'from the pod itself')
      t.ok(isSilent(outside, NODE[family], 8081), 'another port is not mapped')
      t.not(ask(client.netns, NODE[family], 8080), `server sees ${own}0`)
    }
    t.equal(ask(host, '127.0.0.1', 8080), 'server sees 10.1.2.1', 'from the host by 127.0.0.1')
    server.attachment.check()
    server.attachment.del({ netns: '' })
    server.attachment.del({ netns: '' })
    t.ok(isSilent(outside, NODE[4], 8080), 'DEL ends it')
    t.equal(ruleset(), '', 'and leaves nothing in nftables')
    t.equal(host.run('sysctl', '-n', 'net.ipv4.conf.cni0.route_localnet').trim(), '0')
    client.attachment.del()
  })
}

t.test('what is not addressed to this host is never intercepted', { skip }, async (t) => {
  const { host, outside, pod } = node(t, { config: { ipMasq: true } })
  const server = pod('server', [PORTMAP], ports(tcp(8080), udp(8080)))
  server.attachment.add()
  const client = pod('client')
  client.attachment.add()
  await serve(server.netns, 'server', 80)
  await serve(outside, 'outside', 8080)
  for (const family of [4, 6] as const) {
    t.match(ask(client.netns, OUTSIDE[family], 8080), /^outside sees/, 'a pod reaches that port elsewhere')
    t.match(ask(host, OUTSIDE[family], 8080, 'udp'), /^outside sees/, 'the host does too')
  }
  await serve(host, 'host', 8081)
  t.equal(ask(host, '::1', 8081), 'host sees ::1')
})

t.test('127/8 of the host stays shut to those on the bridge', { skip }, async (t) => {
  const { host, pod } = node(t)
  const { netns, attachment } = pod('server', [PORTMAP], ports(tcp(8080)))
  attachment.add()
  await serve(host, 'host', 9000)
  netns.run('ip', 'addr', 'add', '127.0.0.77/32', 'dev', 'eth0')
  netns.run('sysctl', '-qw', 'net.ipv4.conf.all.route_localnet=1')
  netns.run('ip', 'route', 'add', '127.0.0.1/32', 'via', '10.1.2.1', 'src', '10.1.2.2')
  t.equal(host.run('sysctl', '-n', 'net.ipv4.conf.cni0.route_localnet').trim(), '1')
  t.ok(isSilent(netns, '127.0.0.1', 9000), 'with the guard nobody answers')
  host.run('nft', 'flush', 'chain', 'inet', 'flatnet-portmap', 'guard')
  t.match(ask(netns, '127.0.0.1', 9000), /^host sees/, 'it is the guard that shuts it')
})

t.test('DEL does without what others have emptied', { skip }, (t) => {
  for (const what of ['set claimed4', 'map any6', 'map pods4', 'set answered6', 'set hairpin4']) {
    const [kind = '', set = ''] = what.split(' ')
    const { host, pod, ruleset } = node(t)
    const [a, b] = [pod('a', [PORTMAP], ports(tcp(8080), udp(53))), pod('b', [PORTMAP], ports(tcp(8081)))]
    a.attachment.add()
    b.attachment.add()
    host.run('nft', 'flush', kind, 'inet', 'flatnet-portmap', set)
    a.attachment.del()
    t.notMatch(ruleset(), /10\.1\.2\.2 |fd12::2 |8080/, what)
    b.attachment.del()
  }
  t.end()
})

t.test('a port that another container holds is refused, and the holder named', { skip }, async (t) => {
  const { host, pod, ruleset } = node(t)
  const holder = pod('holder', [PORTMAP], ports(tcp(8080), udp(53, 53, NODE[4])))
  holder.attachment.add()
  const before = ruleset()
  const taken: [string, Json][] = [
    ['the same', tcp(8080)],
    ['one address of a port on all', tcp(8080, 80, NODE[4])],
    ['all of a port on one address', udp(53, 53)],
    ['the same on one address', udp(53, 53, NODE[4])],
  ]
  for (const [what, mapping] of taken) {
    const other = pod('other', [PORTMAP], ports(tcp(9999), mapping))
    t.match(
      other.attachment.tryAdd().json,
      { code: 104, msg: /already mapped by net\/holder\/eth0 test\/holder/ },
      what,
    )
    other.attachment.del()
    t.equal(ruleset(), before, `${what}: nothing was changed`)
  }
  const fine = pod('fine', [PORTMAP], ports(udp(8080), udp(53, 53, '127.0.0.2'), tcp(81), tcp(81)))
  fine.attachment.add()
  await serve(fine.netns, 'fine', 80)
  t.match(ask(host, '127.0.0.1', 81), /^fine sees/, 'other protocols, addresses and doubles are no conflict')
  const veth = holder.attachment.result.interfaces[1].name
  host.run('ip', 'link', 'delete', veth)
  const heir = pod('heir', [PORTMAP], ports(tcp(8080), udp(53, 53)))
  t.match(heir.attachment.tryAdd().json, { code: 104, msg: /net\/fine/ }, 'one that lives still counts')
  heir.attachment.del()
  const second = pod('second', [PORTMAP], ports(tcp(8080)))
  second.attachment.add()
  await serve(second.netns, 'second', 80)
  t.match(ask(host, NODE[4], 8080), /^second sees/, 'whose host link is gone holds nothing')
  holder.attachment.del({ netns: '' })
  t.match(ask(host, NODE[4], 8080), /^second sees/, 'and its late DEL takes nothing')
  fine.attachment.del()
  second.attachment.del()
  t.equal(ruleset(), '')
})

for (const family of [4, 6] as const) {
  t.test(
    `a client that keeps sending datagrams sees a mapping come, change and go: IPv${family}`,
    { skip },
    async (t) => {
      const { host, outside, pod } = node(t)
      const first = pod('first', [PORTMAP], ports(udp(5353)))
      const second = pod('second', [PORTMAP], ports(udp(5353)))
      await serve(host, 'host', 5353)
      const send = () => askFromPort(outside, 4444, NODE[family], 5353)
      t.match(send(), /^host sees/)
      first.attachment.add()
      await serve(first.netns, 'first', 80)
      t.match(send(), /^first sees/, 'ADD')
      // Somebody else's on the mapped port, answered from the same port as the mapping's: none of our business.
      for (const port of [53, 5353]) sendInVain(host, 4445, OUTSIDE[family], port)
      const other = () =>
        host
          .run('conntrack', '-L', '-p', 'udp', '-f', `ipv${family}`)
          .split('\n')
          .filter((line) => line.includes('sport=4445 ')).length
      t.equal(other(), 2)
      first.attachment.del()
      t.match(send(), /^host sees/, 'DEL')
      second.attachment.add()
      await serve(second.netns, 'second', 80)
      t.match(send(), /^second sees/, 'another container')
      t.equal(other(), 2, 'connections of others are remembered still')
    },
  )
}

t.test('snat, masqAll and conditions say whose source address is replaced, and who gets in', { skip }, async (t) => {
  const { host, outside, pod, ruleset } = node(t)
  outside.batch('addr add 192.0.2.10/24 dev eth0', 'route add 10.1.2.0/24 via 192.0.2.1')
  const everyone = pod('everyone', [{ ...PORTMAP, masqAll: true }], ports(tcp(1001)))
  const plain = pod('plain', [{ ...PORTMAP, snat: false }], ports(tcp(1002)))
  const picky = pod('picky', [{ ...PORTMAP, conditionsV4: ['!', '-s', '192.0.2.9/32', '-i', 'up0'] }], ports(tcp(1003)))
  const nft = pod('nft', [{ ...PORTMAP, conditionsV4: ['ip', 'saddr', '192.0.2.9'] }], ports(tcp(1004, 80, NODE[4])))
  for (const { netns, attachment } of [everyone, plain, picky, nft]) {
    attachment.add()
    await serve(netns, 'it', 80)
  }
  t.equal(ask(outside, NODE[4], 1001), 'it sees 10.1.2.1', 'masqAll')
  t.equal(ask(outside, NODE[4], 1002), 'it sees 192.0.2.9', 'snat false')
  t.ok(isSilent(host, '127.0.0.1', 1002), 'snat false: not by 127.0.0.1')
  t.ok(isSilent(outside, NODE[4], 1003), 'conditions of iptables are not met')
  t.equal(ask(outside, NODE[6], 1003), 'it sees 2001:db8::9', 'nor asked for in IPv6')
  t.equal(ask(outside, NODE[4], 1004), 'it sees 192.0.2.9', "conditions in nft's words are met")
  outside.run('ip', 'route', 'replace', '192.0.2.1/32', 'dev', 'eth0', 'src', '192.0.2.10')
  t.equal(ask(outside, NODE[4], 1003), 'it sees 192.0.2.10')
  t.ok(isSilent(outside, NODE[4], 1004))
  t.ok(isSilent(plain.netns, NODE[4], 1003), 'another interface')
  for (const conditionsV4 of [
    ['-p', 'tcp'],
    ['-m', 'mark'],
    ['tcp', 'dport', '80'],
    ['-s', 'fd00::1'],
    ['-o', 'eth0'],
  ]) {
    const refused = pod('refused', [{ ...PORTMAP, conditionsV4 }], ports(tcp(1005)))
    t.match(refused.attachment.tryAdd().json, { code: 7 }, conditionsV4.join(' '))
    refused.attachment.del()
  }
  for (const { attachment } of [picky, everyone, nft, plain]) {
    attachment.check()
    attachment.del()
  }
  t.equal(ruleset(), '')
})

t.test('one port on two addresses, under conditions, leads to two containers', { skip }, async (t) => {
  const { host, outside, pod, ruleset } = node(t)
  host.run('ip', 'addr', 'add', '192.0.2.2/24', 'dev', 'up0')
  const other = '192.0.2.2'
  for (const [what, first, second] of [
    ['the same conditions', ['-i', 'up0'], ['-i', 'up0']],
    ['other conditions', ['-i', 'up0'], ['-s', '192.0.2.9']],
    ['conditions and none', ['-i', 'up0'], []],
    ['none and conditions', [], ['-i', 'up0']],
  ] as const) {
    const a = pod('a', [{ ...PORTMAP, conditionsV4: first }], ports(tcp(80, 80, NODE[4])))
    const b = pod('b', [{ ...PORTMAP, conditionsV4: second }], ports(tcp(80, 80, other)))
    const wildcard = pod('wildcard', [PORTMAP], ports(tcp(80)))
    a.attachment.add()
    await serve(a.netns, 'a', 80)
    b.attachment.add()
    await serve(b.netns, 'b', 80)
    t.match(ask(outside, NODE[4], 80), /^a sees/, `${what}: the first after the second's ADD`)
    t.match(ask(outside, other, 80), /^b sees/, `${what}: the second`)
    a.attachment.check()
    t.match(wildcard.attachment.tryAdd().json, { code: 104 }, `${what}: no other has the port on all addresses`)
    wildcard.attachment.del()
    b.attachment.del()
    t.match(ask(outside, NODE[4], 80), /^a sees/, `${what}: the first after the second's DEL`)
    a.attachment.check()
    t.match(wildcard.attachment.tryAdd().json, { code: 104 }, `${what}: nor after that`)
    wildcard.attachment.del()
    const thief = pod('thief', [{ ...PORTMAP, conditionsV4: second }], ports(tcp(80, 80, NODE[4])))
    t.match(thief.attachment.tryAdd().json, { code: 104, msg: /net\/a\/eth0/ }, `${what}: nor the same address`)
    thief.attachment.del()
    a.attachment.del()
    t.equal(ruleset(), '', `${what}: nothing is left`)
  }
})

t.test('a port under conditions whose holder is gone has nothing left of it', { skip }, async (t) => {
  const { host, outside, pod, ruleset } = node(t)
  const gone = pod('gone', [{ ...PORTMAP, conditionsV4: ['-i', 'up0'] }], ports(tcp(80), tcp(81, 80, NODE[4])))
  gone.attachment.add()
  host.run('ip', 'link', 'delete', gone.attachment.result.interfaces[1].name)
  const heir = pod('heir', [{ ...PORTMAP, conditionsV4: ['-s', '192.0.2.9'] }], ports(tcp(80), tcp(81)))
  heir.attachment.add()
  await serve(heir.netns, 'heir', 80)
  for (const port of [80, 81]) t.match(ask(outside, NODE[4], port), /^heir sees/)
  t.notMatch(ruleset(), /tcp \. 8[01] comment "[^"]*net\/gone/, 'neither before nor behind a gate')
  gone.attachment.del({ netns: '' })
  heir.attachment.check()
  heir.attachment.del()
  t.equal(ruleset(), '')
})

t.test('a table of an earlier version goes with its last attachment, too', { skip }, (t) => {
  const { host, pod, ruleset } = node(t)
  const { attachment } = pod('a', [PORTMAP], ports(tcp(8080)))
  attachment.add()
  // As it would be if this version's skeleton had one set less.
  const table = ruleset().replace(/comment "flatnet (\d+) (\d+)"/, (_, version, objects) => {
    return `comment "flatnet ${version - 1} ${Number(objects) + 1}"\n\tset more { type ipv4_addr; }`
  })
  host.run('sh', '-c', `nft flush ruleset; echo '${table}' | nft -f -`)
  t.match(ruleset(), /set more/)
  attachment.del()
  t.equal(ruleset(), '')
  t.equal(host.run('sysctl', '-n', 'net.ipv4.conf.cni0.route_localnet').trim(), '0')
  t.end()
})

t.test('where each container has an interface of its own on the host, its guard goes with it', { skip }, async (t) => {
  const { host, pod, list, ruleset } = node(t)
  const stays = pod('stays', [PORTMAP], ports(tcp(8080)))
  stays.attachment.add()
  const before = ruleset()
  const netns = Netns.create(t, 'alone')
  const link = () => {
    host.run('ip', 'link', 'add', 'ptp0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', netns.name)
    host.batch('addr add 10.1.9.1/32 dev ptp0', 'link set ptp0 up', 'route add 10.1.9.2/32 dev ptp0')
  }
  link()
  const prevResult = {
    cniVersion: '1.1.0',
    interfaces: [{ name: 'ptp0' }, { name: 'eth0', sandbox: netns.path }],
    ips: [{ address: '10.1.9.2/32', interface: 1 }],
  }
  const runtimeConfig = { portMappings: [{ hostPort: 80, containerPort: 80, protocol: 'tcp' }] }
  const config = {
    cniVersion: '1.1.0',
    name: 'ptp',
    type: 'portmap',
    stateDir: list.stateDir,
    prevResult,
    runtimeConfig,
  }
  const localnet = () => host.run('sysctl', '-n', 'net.ipv4.conf.ptp0.route_localnet').trim()
  t.equal(call({ command: 'ADD', host, netns, config }).status, 0)
  t.match(ruleset(), /set guarded \{[^}]*"ptp0"/s)
  t.equal(localnet(), '1')
  t.equal(call({ command: 'DEL', host, netns, config }).status, 0)
  t.equal(ruleset(), before)
  t.equal(localnet(), '0')
  t.equal(call({ command: 'ADD', host, netns, config }).status, 0)
  host.run('sh', '-c', `grep -l '"containerId":"c1"' ${list.stateDir}/ptp/portmap/*.json | xargs rm; ip link del ptp0`)
  const { prevResult: _, runtimeConfig: __, ...rest } = config
  t.equal(call({ command: 'GC', host, config: { ...rest, 'cni.dev/valid-attachments': [] } }).status, 0)
  t.equal(ruleset(), before, 'GC ends guards of interfaces that are gone')
  stays.attachment.del()
  t.equal(ruleset(), '')
})

t.test('what is wrong with mappings is refused before anything is done', { skip }, async (t) => {
  const { pod, ruleset } = node(t)
  const wrong: Json[] = [
    [tcp(0)],
    [tcp(65536)],
    [tcp(80, -1)],
    [{ ...tcp(80), hostPort: '80' }],
    [{ ...tcp(80), protocol: 'icmp' }],
    [{ hostPort: 80, containerPort: 80 }],
    [tcp(80, 80, 'localhost')],
    [tcp(80, 80), tcp(80, 81)],
    [tcp(80, 80), tcp(80, 81, '0.0.0.0')],
    [tcp(80, 80, '::'), tcp(80, 81)],
    [{ ...tcp(80), protocol: 'constructor' }],
  ]
  for (const portMappings of wrong) {
    const { attachment } = pod('wrong', [PORTMAP], { capabilities: { portMappings } })
    t.match(attachment.tryAdd().json, { code: 7 }, JSON.stringify(portMappings))
    attachment.del()
    t.equal(ruleset(), '')
  }
  const external = pod('external', [{ ...PORTMAP, externalSetMarkChain: 'MARK-ME' }], ports(tcp(80)))
  t.match(external.attachment.tryAdd().json, { code: 7, details: /needs no mark/ })
  external.attachment.del()
  const upper = pod('upper', [PORTMAP], ports({ HostPort: 8080, ContainerPort: 80, Protocol: 'TCP', HostIP: '' }))
  upper.attachment.add()
  t.match(ruleset(), /tcp \. 8080/, "Go's names and capitals are fine")
  upper.attachment.del()
})

t.test('without mappings nothing is touched, and no program is ever run', { skip }, async (t) => {
  const { host, list, pod, ruleset } = node(t)
  const { netns, attachment } = pod('c')
  const prevResult = attachment.add()
  const files = filesBelow(list.stateDir).length
  const config = { cniVersion: '1.1.0', name: 'net', type: 'portmap', prevResult, stateDir: list.stateDir }
  t.same(call({ command: 'ADD', host, netns, config }).json, prevResult)
  t.equal(call({ command: 'DEL', host, netns, config }).status, 0)
  t.match(call({ command: 'ADD', host, netns, config: { ...config, prevResult: undefined } }).json, { code: 7 })
  t.equal(ruleset(), '')
  t.equal(filesBelow(list.stateDir).length, files)
  const mapped = { ...config, runtimeConfig: { portMappings: [tcp(8080), udp(53)] } }
  const ipv6 = {
    ...prevResult,
    ips: prevResult.ips.filter(({ address }: { address: string }) => address.includes(':')),
  }
  const other = { ...config, prevResult: ipv6, runtimeConfig: { portMappings: [tcp(8080, 80, '127.0.0.1')] } }
  for (const command of ['ADD', 'CHECK', 'DEL'] as const)
    t.equal(call({ command, host, netns, config: other }).status, 0, `${command}: a hostIP of a family without address`)
  t.equal(ruleset(), '')
  for (const command of ['ADD', 'CHECK', 'STATUS', 'GC', 'DEL']) {
    const { stderr, status } = host.try(['strace', '-f', '-e', 'trace=execve,fork,vfork', 'bin/portmap'], {
      input: JSON.stringify({ ...mapped, 'cni.dev/valid-attachments': [] }),
      env: { CNI_COMMAND: command, CNI_CONTAINERID: 'c', CNI_IFNAME: 'eth0', CNI_NETNS: netns.path, CNI_PATH: 'bin' },
    })
    t.equal(status, 0, command)
    t.equal(stderr.split('execve(').length - 1, 1, `${command}: the one execve is its own`)
    t.notMatch(stderr, /fork/)
  }
})

t.test('a flushed ruleset is noticed by CHECK and repaired by the next ADD, for everyone', { skip }, async (t) => {
  const { host, outside, pod } = node(t)
  const first = pod('first', [PORTMAP], ports(tcp(8080)))
  first.attachment.add()
  await serve(first.netns, 'first', 80)
  for (const flush of [['ruleset'], ['table', 'inet', 'flatnet-portmap']]) {
    host.run('nft', 'flush', ...flush)
    t.match(first.attachment.tryCheck().json, { code: 100 }, flush.join(' '))
    const second = pod('second', [PORTMAP], ports(tcp(8081)))
    second.attachment.add()
    t.match(ask(outside, NODE[4], 8080), /^first sees/)
    first.attachment.check()
    second.attachment.del()
  }
})

t.test('GC unmaps what is not valid any more, with and without its record', { skip }, async (t) => {
  const { host, list, pod, ruleset } = node(t)
  const [a, b, c] = ['a', 'b', 'c'].map((id, at) => pod(id, [PORTMAP], ports(tcp(8000 + at))))
  for (const one of [a, b, c]) one?.attachment.add()
  host.run('sh', '-c', `grep -l '"containerId":"c"' ${list.stateDir}/net/portmap/*.json | xargs rm`)
  const keep = [{ containerID: 'a', ifname: 'eth0' }]
  const config = { cniVersion: '1.1.0', name: 'net', type: 'portmap', stateDir: list.stateDir }
  t.equal(call({ command: 'GC', host, config: { ...config, 'cni.dev/valid-attachments': keep } }).status, 0)
  a?.attachment.check()
  t.notMatch(ruleset(), /net\/[bc]\/eth0/)
  t.equal(
    call({ command: 'GC', host, config: { ...config, name: 'other', 'cni.dev/valid-attachments': [] } }).status,
    0,
  )
  a?.attachment.check()
  t.equal(call({ command: 'GC', host, config: { ...config, 'cni.dev/valid-attachments': null } }).status, 0)
  t.equal(ruleset(), '')
  t.equal(host.run('sysctl', '-n', 'net.ipv4.conf.cni0.route_localnet').trim(), '0')
})

t.test('DEL removes what the reference plugin left', { skip }, async (t) => {
  for (const backend of ['iptables', 'nftables']) {
    const { host, list, pod, ruleset } = node(t)
    const { netns, attachment } = pod('0123456789abcdef')
    const { cniVersion: _, ...prevResult } = attachment.add()
    const config = {
      ...{ cniVersion: '1.0.0', name: 'net', type: 'portmap', backend, stateDir: list.stateDir },
      prevResult: {
        cniVersion: '1.0.0',
        ...prevResult,
        interfaces: prevResult.interfaces.map(({ mtu: __, ...i }: Json) => i),
      },
      runtimeConfig: { portMappings: [tcp(8080), udp(53)].map(({ hostIP: ___, ...rest }) => rest) },
    }
    const request = { host, netns, config, containerId: '0123456789abcdef' }
    const { backend: ____, ...plain } = config
    const theirs = call({
      ...request,
      config: backend === 'nftables' ? config : plain,
      command: 'ADD',
      bin: REFERENCE_BIN,
    })
    if (theirs.status !== 0) {
      t.comment(`the reference has no backend ${backend}: ${theirs.stdout}`)
      continue
    }
    t.match(ruleset(), /10\.1\.2\.2/, 'the reference has mapped it')
    t.equal(call({ ...request, command: 'DEL' }).status, 0)
    t.notMatch(ruleset(), /10\.1\.2\.2|fd12::2|CNI-DN|0123456789abcdef/, backend)
  }
})

t.test('STATUS says that a kernel has no nf_tables before a pod fails for it', { skip }, async (t) => {
  const { host, list, ruleset } = node(t)
  const config = { cniVersion: '1.1.0', name: 'net', type: 'portmap', stateDir: list.stateDir }
  t.equal(call({ command: 'STATUS', host, config }).status, 0)
  t.equal(ruleset(), '', 'and leaves no trial behind')
  // NETLINK_NETFILTER is the second netlink protocol opened, and the only one that STATUS needs.
  const { stdout } = host.try(
    ['strace', '-o', '/dev/null', '-e', 'inject=socket:error=EPROTONOSUPPORT', 'bin/portmap'],
    {
      input: JSON.stringify(config),
      env: { CNI_COMMAND: 'STATUS', CNI_PATH: 'bin' },
    },
  )
  t.match(JSON.parse(stdout), { code: 50, msg: /kernel has no nf_tables/, details: /CONFIG_NF_TABLES/ })
})

t.test('thirty pods mapped and unmapped at once leave nothing', { skip }, async (t) => {
  const { host, list, ruleset } = node(t)
  const { path } = Netns.create(t, 'pod')
  const result = (at: number) => ({
    cniVersion: '1.1.0',
    interfaces: [{ name: 'eth0', sandbox: path }],
    ips: [
      { address: `10.1.3.${at + 2}/24`, interface: 0 },
      { address: `fd13::${at + 2}/64`, interface: 0 },
    ],
  })
  const script = (command: string) => {
    const calls = Array.from({ length: 30 }, (_, at) => {
      const config = JSON.stringify({
        ...{ cniVersion: '1.1.0', name: 'net', type: 'portmap', stateDir: list.stateDir, prevResult: result(at) },
        runtimeConfig: { portMappings: [tcp(9000 + at), udp(9000 + at)] },
      })
      return `echo '${config}' | CNI_COMMAND=${command} CNI_CONTAINERID=c${at} CNI_IFNAME=eth0 CNI_NETNS=${path} CNI_PATH=bin bin/portmap || echo FAILED >&2 &`
    })
    return `${calls.join('\n')}\nwait\n`
  }
  for (let round = 0; round < 3; round++) {
    const added = host.try(['sh', '-c', script('ADD')])
    t.notMatch(added.stderr, /FAILED/, added.stdout.slice(0, 300))
    t.equal(ruleset().split('tcp . 90').length - 1, 30 * 4, 'all are there')
    t.notMatch(host.try(['sh', '-c', script('DEL')]).stderr, /FAILED/)
    t.equal(ruleset(), '')
  }
})
