import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { call, type Json, REFERENCE_BIN } from '../../lib/testing/cni.js'
import { type Netns, needs } from '../../lib/testing/netns.js'
import { NODE, node, OUTSIDE } from '../../lib/testing/node.js'
import { ask, isSilent, serve } from '../../lib/testing/peer.js'

const skip = needs('root')
const FIREWALL = { type: 'firewall' }

function drop(host: Netns): void {
  host.run('iptables', '-P', 'FORWARD', 'DROP')
  host.run('ip6tables', '-P', 'FORWARD', 'DROP')
}

/** As the iptables service of some distributions has it: the policy is accept. */
function reject(host: Netns): void {
  for (const [iptables, how] of [
    ['iptables', 'icmp-host-prohibited'],
    ['ip6tables', 'icmp6-adm-prohibited'],
  ] as const) {
    host.run(iptables, '-A', 'FORWARD', '-i', 'nowhere', '-j', 'DROP')
    host.run(iptables, '-A', 'FORWARD', '-m', 'comment', '--comment', 'the rest', '-j', 'REJECT', '--reject-with', how)
  }
}

const NATIVE_END =
  'table inet mine { chain onward { type filter hook forward priority 10; iifname "nowhere" drop; counter reject; }; }'
const NATIVE = 'table inet mine { chain onward { type filter hook forward priority 10; policy drop; }; }'

const COUNTED = /packets \d+ bytes \d+/g

for (const [what, dropping] of [
  ['iptables -P FORWARD DROP', drop],
  ['an nftables chain with policy drop', (host: Netns) => host.run('nft', NATIVE)],
  ['a REJECT at the end of FORWARD', reject],
  ['a reject at the end of an nftables chain', (host: Netns) => host.run('nft', NATIVE_END)],
  [
    'both',
    (host: Netns) => {
      drop(host)
      host.run('nft', NATIVE)
    },
  ],
] as const) {
  t.test(`traffic passes in spite of ${what}`, { skip }, async (t) => {
    const { host, outside, pod, ruleset } = node(t, { config: { ipMasq: true } })
    dropping(host)
    const before = ruleset()
    const shut = pod('shut')
    shut.attachment.add()
    const open = pod('open', [FIREWALL])
    open.attachment.add()
    await serve(outside, 'outside', 80)
    await serve(open.netns, 'open', 80)
    outside.batch('route add 10.1.2.0/24 via 192.0.2.1')
    for (const family of [4, 6] as const) {
      t.ok(isSilent(shut.netns, OUTSIDE[family], 80), 'without firewall nothing passes')
      t.match(ask(open.netns, OUTSIDE[family], 80), /^outside sees/, 'with it the container reaches the outside')
    }
    t.ok(isSilent(outside, '10.1.2.3', 80), 'which does not reach the container')
    open.attachment.check()
    if (!what.includes('nftables')) {
      const listed = host.run('iptables', '-S', 'CNI-FORWARD')
      t.match(listed, /-A CNI-FORWARD -d 10\.1\.2\.3\/32 -m conntrack --ctstate RELATED,ESTABLISHED,DNAT .*-j ACCEPT/)
      t.match(listed, /-A CNI-FORWARD -s 10\.1\.2\.3\/32 .*-j ACCEPT/, 'iptables lists it')
      t.match(host.run('ip6tables', '-S', 'CNI-FORWARD'), /-s fd12::3\/128/)
      const [, rule = ''] = listed.match(/-A (CNI-FORWARD -s 10\.1\.2\.3.*)/) ?? []
      host.run('sh', '-c', `iptables -D ${rule}`)
      t.match(open.attachment.tryCheck().json, { code: 100 }, 'and deletes it, which CHECK sees')
    }
    open.attachment.del({ netns: '' })
    open.attachment.del({ netns: '' })
    shut.attachment.del()
    t.notMatch(ruleset(), /10\.1\.2\.3|fd12::3/, 'DEL leaves nothing of the container')
    if (what.includes('nftables chain')) t.equal(ruleset().replaceAll(COUNTED, ''), before.replaceAll(COUNTED, ''))
  })
}

const PORTMAP = { type: 'portmap', capabilities: { portMappings: true } }
const FIREWALLS: Readonly<Record<string, (host: Netns) => void>> = {
  'iptables -P FORWARD DROP': drop,
  'an nftables chain with policy drop': (host) => host.run('nft', NATIVE),
  'a REJECT at the end of FORWARD': reject,
  'chains of one family': (host) =>
    host.run('nft', `${NATIVE.replaceAll('inet', 'ip')}; ${NATIVE.replaceAll('inet', 'ip6')}`),
}

for (const [what, dropping] of Object.entries(FIREWALLS)) {
  t.test(`host ports lead to a container with firewall from outside in spite of ${what}`, { skip }, async (t) => {
    const { host, outside, pod, ruleset } = node(t)
    dropping(host)
    const mapped = (containerId: string, hostPort: number, chained: readonly Json[]) => {
      const portMappings = (['tcp', 'udp'] as const).map((protocol) => ({ hostPort, containerPort: 80, protocol }))
      return pod(containerId, chained, { capabilities: { portMappings } })
    }
    const pods = [
      mapped('before', 8001, [FIREWALL, PORTMAP]),
      mapped('behind', 8002, [PORTMAP, FIREWALL]),
      mapped('without', 8003, [PORTMAP]),
    ] as const
    for (const { attachment } of pods) attachment.add()
    outside.batch('route add 10.1.2.0/24 via 192.0.2.1', 'route add fd12::/64 via 2001:db8::1')
    const [before, behind, without] = pods
    await serve(before.netns, 'before', 80)
    await serve(behind.netns, 'behind', 80)
    await serve(without.netns, 'without', 80)
    for (const family of [4, 6] as const) {
      for (const protocol of ['tcp', 'udp'] as const) {
        const seen = `sees ${OUTSIDE[family]}`
        t.equal(ask(outside, NODE[family], 8001, protocol), `before ${seen}`, `firewall before portmap, ${protocol}`)
        t.equal(ask(outside, NODE[family], 8002, protocol), `behind ${seen}`, `firewall behind portmap, ${protocol}`)
      }
      t.match(ask(before.netns, NODE[family], 8002), /^behind sees/, 'from another container')
      t.match(ask(before.netns, NODE[family], 8001), /^before sees/, 'from itself')
      if (dropping === drop) t.ok(isSilent(outside, NODE[family], 8003), 'without firewall it is dropped')
    }
    for (const { attachment } of [before, behind]) attachment.check()
    for (const { attachment } of pods) attachment.del()
    t.notMatch(ruleset(), /10\.1\.2\.|fd12:/)
  })
}

t.test('where host ports lead, ingressPolicy still says who may come', { skip }, async (t) => {
  for (const policy of ['same-bridge', 'isolated'] as const) {
    const { host, outside, pod, list } = node(t)
    drop(host)
    const firewall = { ...FIREWALL, ingressPolicy: policy }
    const { ipam, stateDir, ...common } = list
    const ranges = [[{ subnet: '10.7.7.0/24' }], [{ subnet: 'fd77::/64' }]]
    const other = {
      ...{ cniVersion: '1.1.0', name: 'other' },
      plugins: [
        { ...common, stateDir, bridge: 'cni1', ipam: { ...ipam, ranges } },
        { ...firewall, stateDir },
      ],
    }
    const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }]
    const a = pod('a', [PORTMAP, firewall], { capabilities: { portMappings } })
    const [beside, stranger] = [pod('beside', [firewall]), pod('stranger', [], { list: other })]
    for (const { attachment } of [a, beside, stranger]) attachment.add()
    await serve(a.netns, 'a', 80)
    const isolated = policy === 'isolated'
    t.match(ask(outside, NODE[4], 8080), /^a sees/, `${policy}: from outside`)
    t.match(ask(outside, NODE[6], 8080), /^a sees/, `${policy}: from outside, IPv6`)
    t.ok(isSilent(stranger.netns, NODE[isolated ? 4 : 6], 8080), `${policy}: not from another bridge`)
    const fromBeside = isolated ? isSilent(beside.netns, NODE[6], 8080) : ask(beside.netns, NODE[6], 8080)
    t.ok(fromBeside, `${policy}: from the same bridge`)
  }
})

t.test(
  'every address of prevResult is admitted, whatever its interface is called and wherever it is',
  { skip },
  async (t) => {
    const { host, outside, pod, list, ruleset } = node(t)
    drop(host)
    host.run('nft', NATIVE)
    outside.batch('route add 10.1.2.0/24 via 192.0.2.1', 'route add fd12::/64 via 2001:db8::1')
    await serve(outside, 'outside', 80)
    const shapes: Record<string, (result: Json) => Json> = {
      'no sandbox': (result) => ({
        ...result,
        interfaces: result.interfaces.map(({ sandbox: _, ...entry }: Json) => entry),
      }),
      'another name': (result) => ({
        ...result,
        interfaces: result.interfaces.map((entry: Json) =>
          entry.sandbox === undefined ? entry : { ...entry, name: 'net7' },
        ),
      }),
      'another name and no sandbox': (result) => ({
        ...result,
        interfaces: result.interfaces.map(({ sandbox, ...entry }: Json) =>
          sandbox === undefined ? entry : { ...entry, name: 'tap0' },
        ),
      }),
      'no interface': ({ interfaces: _, ...result }) => ({
        ...result,
        ips: result.ips.map(({ interface: __, ...ip }: Json) => ip),
      }),
    }
    for (const [what, shape] of Object.entries(shapes)) {
      const { netns, attachment } = pod('a')
      const prevResult = shape(attachment.add())
      const config = { cniVersion: '1.1.0', name: 'net', type: 'firewall', stateDir: list.stateDir, prevResult }
      const run = (command: 'ADD' | 'CHECK' | 'DEL') => call({ command, host, netns, containerId: 'a', config })
      t.equal(run('ADD').status, 0, what)
      for (const family of [4, 6] as const) t.match(ask(netns, OUTSIDE[family], 80), /^outside sees/, `${what}: passes`)
      t.equal(run('CHECK').status, 0)
      host.run('iptables', '-F', 'CNI-FORWARD')
      t.match(run('CHECK').json, { code: 100 }, `${what}: CHECK looks for its rules`)
      t.equal(run('DEL').status, 0)
      t.notMatch(ruleset(), /10\.1\.2\.|fd12:/, `${what}: DEL removes them`)
      attachment.del()
    }
  },
)

t.test('a container’s interface without a sandbox is not taken for the bridge under a policy', { skip }, (t) => {
  const { host, pod, list, ruleset } = node(t)
  const { netns, attachment } = pod('a')
  const added = attachment.add()
  const [bridge, veth, { sandbox: _, ...own }] = added.interfaces
  const interfaces = [own, bridge, veth]
  const ips = added.ips.map((ip: Json) => ({ ...ip, interface: 0 }))
  const prevResult = { ...added, interfaces, ips }
  const config = { cniVersion: '1.1.0', name: 'net', type: 'firewall', stateDir: list.stateDir, prevResult }
  const policed = { ...config, ingressPolicy: 'same-bridge' }
  t.equal(call({ command: 'ADD', host, netns, containerId: 'a', config: policed }).status, 0)
  t.match(ruleset(), /policed \{[^}]*elements = \{ "cni0" \}/s, 'the node may have an uplink of that name')
  t.equal(call({ command: 'CHECK', host, netns, containerId: 'a', config: policed }).status, 0)
  t.equal(call({ command: 'DEL', host, netns, containerId: 'a', config: policed }).status, 0)
  t.equal(ruleset(), '')
  t.end()
})

t.test('rules that were saved and restored in between are found by their comment', { skip }, async (t) => {
  const { host, pod } = node(t)
  drop(host)
  const { attachment } = pod('a', [FIREWALL])
  attachment.add()
  host.run(
    'sh',
    '-c',
    'iptables-save > /run/netns/saved && iptables -F && iptables -X && iptables-restore < /run/netns/saved',
  )
  attachment.check()
  attachment.del()
  t.notMatch(host.run('iptables', '-S'), /10\.1\.2\.2/)
})

t.test('a rule at the end that drops some packets is no chain that drops', { skip }, async (t) => {
  const { host, pod, ruleset } = node(t)
  const chain = 'chain onward { type filter hook forward priority 10; iifname "nowhere" drop; }'
  host.run(
    'nft',
    `table inet mine { ${chain}; }; table ip filter { chain FORWARD { type filter hook forward priority 0; }; }`,
  )
  const before = ruleset()
  const { attachment } = pod('a', [FIREWALL])
  attachment.add()
  t.equal(ruleset(), before)
  attachment.del()
})

t.test('where nothing drops, nothing is placed; DEL leaves an heir of the address alone', { skip }, async (t) => {
  const { host, pod, ruleset } = node(t)
  const { attachment } = pod('a', [FIREWALL])
  attachment.add()
  attachment.check()
  t.equal(ruleset(), '')
  drop(host)
  t.match(attachment.tryCheck().json, { code: 100 }, 'a policy that changed since is seen')
  const prevResult = attachment.result
  const config = {
    cniVersion: '1.1.0',
    name: 'net',
    type: 'firewall',
    prevResult,
    stateDir: attachment.list.plugins[0].stateDir,
  }
  t.equal(call({ command: 'ADD', host, netns: attachment.container, containerId: 'heir', config }).status, 0)
  attachment.del()
  t.match(host.run('iptables', '-S', 'CNI-FORWARD'), /10\.1\.2\.2/)
})

for (const policy of ['open', 'same-bridge', 'isolated'] as const) {
  t.test(`ingressPolicy ${policy}`, { skip }, async (t) => {
    const { host, outside, pod, list, ruleset } = node(t, { config: { ipMasq: true } })
    const firewall = { ...FIREWALL, ingressPolicy: policy }
    const other = {
      ...{ cniVersion: '1.1.0', name: 'other' },
      plugins: [
        {
          ...list,
          bridge: 'cni1',
          ipam: { ...list.ipam, ranges: [[{ subnet: '10.7.7.0/24' }], [{ subnet: 'fd77::/64' }]] },
        },
        { ...firewall, stateDir: list.stateDir },
      ],
    }
    const [a, b, c] = [pod('a', [firewall]), pod('b', [firewall]), pod('c', [], { list: other })]
    for (const { attachment } of [a, b, c]) attachment.add()
    await serve(b.netns, 'b', 80)
    await serve(outside, 'outside', 80)
    outside.batch('route add 10.1.2.0/24 via 192.0.2.1')
    for (const [own, far] of [
      ['10.1.2.3', OUTSIDE[4]],
      ['fd12::3', OUTSIDE[6]],
    ] as const) {
      t.ok(policy === 'open' ? ask(c.netns, own, 80) : isSilent(c.netns, own, 80), 'from another bridge')
      t.ok(policy === 'isolated' ? isSilent(a.netns, own, 80) : ask(a.netns, own, 80), 'from the same bridge')
      t.match(ask(b.netns, far, 80), /^outside sees/, 'to the outside')
      t.match(ask(host, own, 80), /^b sees/, 'from the host')
    }
    t.match(ask(outside, '10.1.2.3', 80), /^b sees/, 'from the outside')
    if (policy !== 'open') {
      host.run('nft', 'flush', 'ruleset')
      t.match(b.attachment.tryCheck().json, { code: 100 })
      const d = pod('d', [firewall])
      d.attachment.add()
      t.ok(isSilent(c.netns, '10.1.2.3', 80), 'a flush is repaired by the next ADD')
      d.attachment.del()
    }
    for (const { attachment } of [a, b, c]) attachment.del({ netns: '' })
    t.equal(ruleset(), '')
  })
}

t.test('DEL removes what the reference left, GC what nobody accounts for', { skip }, async (t) => {
  const { host, pod, list, ruleset } = node(t)
  drop(host)
  const { netns, attachment } = pod('a')
  const { cniVersion: _, ...prevResult } = attachment.add()
  const interfaces = prevResult.interfaces.map(({ mtu: __, ...entry }: Json) => entry)
  const config = { cniVersion: '1.0.0', name: 'net', type: 'firewall', prevResult: { ...prevResult, interfaces } }
  t.equal(call({ command: 'ADD', host, netns, config, bin: REFERENCE_BIN, containerId: 'a' }).status, 0)
  t.match(host.run('iptables', '-S'), /10\.1\.2\.2/)
  const request = { host, netns, config: { ...config, stateDir: list.stateDir }, containerId: 'a' }
  t.equal(call({ ...request, command: 'DEL' }).status, 0)
  t.notMatch(host.run('iptables', '-S'), /10\.1\.2\.2/)
  t.notMatch(host.run('ip6tables', '-S'), /fd12::2/)
  const again = call({ ...request, command: 'ADD' })
  t.equal(again.status, 0, again.stdout)
  t.match(ruleset(), /10\.1\.2\.2/)
  const gc = { ...request.config, cniVersion: '1.1.0', prevResult: undefined, 'cni.dev/valid-attachments': [] }
  t.equal(call({ command: 'GC', host, config: gc }).status, 0)
  t.notMatch(ruleset(), /10\.1\.2\.2/)
})

t.test('with a VLAN gateway behind it in the result the container’s link is found', { skip }, async (t) => {
  const { host, pod, list, ruleset } = node(t)
  host.batch('link add cni0.100 type veth peer name gateway', 'link set cni0.100 up', 'link set gateway up')
  const run = (command: 'ADD' | 'CHECK' | 'DEL', containerId: string, type: string, result: Json, more: Json) => {
    const prevResult = { ...result, interfaces: [...result.interfaces, { name: 'cni0.100', mac: '02:00:00:00:00:01' }] }
    const config = { cniVersion: '1.1.0', name: 'net', type, stateDir: list.stateDir, prevResult, ...more }
    return call({ command, host, netns: pods[containerId]?.netns as Netns, containerId, config })
  }
  const pods: Record<string, ReturnType<typeof pod>> = { a: pod('a'), b: pod('b') }
  const [a, b] = ['a', 'b'].map((id) => pods[id]?.attachment.add())
  const isolated = { ingressPolicy: 'isolated' }
  for (const [id, result] of Object.entries({ a, b })) {
    t.equal(run('ADD', id, 'firewall', result, isolated).status, 0)
    t.equal(run('CHECK', id, 'firewall', result, isolated).status, 0)
    const [port] = JSON.parse(host.run('bridge', '-d', '-j', 'link', 'show', 'dev', result.interfaces[1].name))
    t.equal(port.isolated, true, 'its port is isolated')
  }
  t.match(ruleset(), /policed \{[^}]*"cni0\.100"/s, 'routed packets come in by the gateway')
  const mapping = { runtimeConfig: { portMappings: [{ hostPort: 80, containerPort: 80, protocol: 'tcp' }] } }
  t.equal(run('ADD', 'a', 'portmap', a, mapping).status, 0)
  host.run('ip', 'link', 'delete', a.interfaces[1].name)
  t.equal(run('ADD', 'b', 'portmap', b, mapping).status, 0, 'a port is held as long as the container’s link')
  for (const [id, result] of Object.entries({ a, b })) {
    t.equal(run('DEL', id, 'portmap', result, mapping).status, 0)
    t.equal(run('DEL', id, 'firewall', result, isolated).status, 0)
  }
  t.equal(ruleset(), '')
})

/** A bus with nobody but firewalld on it, as far as the plugin asks. */
function fakeBus(t: Test): { path: string; calls: string[] } {
  const directory = mkdtempSync(join(tmpdir(), 'bus-'))
  const path = join(directory, 'socket')
  const calls: string[] = []
  const sources = new Set<string>()
  const answer = (socket: Socket, message: Buffer) => {
    const headerLength = 16 + message.readUInt32LE(12)
    const words = message.toString('latin1').replace(/[^\x20-\x7e]+/g, ' ')
    const body = message.subarray((headerLength + 7) & ~7)
    const strings: string[] = []
    for (let at = 0; at < body.length; ) {
      at = (at + 3) & ~3
      const length = body.readUInt32LE(at)
      strings.push(body.toString('utf8', at + 4, at + 4 + length))
      at += length + 5
    }
    const member =
      ['Hello', 'NameHasOwner', 'addSource', 'removeSource', 'querySource'].find((one) => words.includes(one)) ?? ''
    if (member.endsWith('Source')) calls.push(`${member} ${strings.join(' ')}`)
    if (member === 'addSource') sources.add(strings[1] ?? '')
    if (member === 'removeSource') sources.delete(strings[1] ?? '')
    const isTrue = member === 'NameHasOwner' || (member === 'querySource' && sources.has(strings[1] ?? ''))
    const boolean = Buffer.from([isTrue ? 1 : 0, 0, 0, 0])
    const fields = Buffer.from([5, 1, 0x75, 0, 0, 0, 0, 0, 8, 1, 0x67, 0, 1, 0x62, 0]) // REPLY_SERIAL u, SIGNATURE "b"
    fields.writeUInt32LE(message.readUInt32LE(8), 4)
    const header = Buffer.alloc(16)
    header.set([0x6c, 2, 1, 1])
    header.writeUInt32LE(4, 4)
    header.writeUInt32LE(1, 8)
    header.writeUInt32LE(fields.length, 12)
    socket.write(Buffer.concat([header, fields, Buffer.alloc(1), boolean]))
  }
  const server = createServer((socket) => {
    let rest = Buffer.alloc(0)
    let talking = false
    socket.on('data', (data) => {
      rest = Buffer.concat([rest, data as Buffer])
      if (!talking) {
        const end = rest.indexOf('\r\n')
        if (end < 0) return
        const line = rest.toString('latin1', 0, end)
        rest = rest.subarray(end + 2)
        if (line.includes('AUTH')) socket.write('OK 0123456789abcdef0123456789abcdef\r\n')
        if (line === 'BEGIN') talking = true
      }
      while (talking && rest.length >= 16) {
        const length = ((16 + rest.readUInt32LE(12) + 7) & ~7) + rest.readUInt32LE(4)
        if (rest.length < length) break
        answer(socket, rest.subarray(0, length))
        rest = rest.subarray(length)
      }
    })
  })
  server.listen(path)
  t.teardown(() => {
    server.close()
    rmSync(directory, { recursive: true, force: true })
  })
  return { path, calls }
}

t.test('where firewalld runs, it is asked', { skip }, async (t) => {
  const { path, calls } = fakeBus(t)
  const { host, pod, list, ruleset } = node(t)
  drop(host)
  host.run('nft', NATIVE.replace('mine', 'firewalld'))
  const { netns, attachment } = pod('a')
  const prevResult = attachment.add()
  const config = { cniVersion: '1.1.0', name: 'net', type: 'firewall', prevResult, stateDir: list.stateDir }
  const ofFirewalld = () => host.run('nft', 'list', 'table', 'inet', 'firewalld')
  const before = ofFirewalld()
  const run = async (command: string, id = 'a', more: Json = {}) => {
    const child = host.start(['bin/firewall'], {
      env: {
        ...{ CNI_COMMAND: command, CNI_CONTAINERID: id, CNI_IFNAME: 'eth0', CNI_NETNS: netns.path, CNI_PATH: 'bin' },
        DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${path}`,
      },
    })
    child.stdin?.end(JSON.stringify({ ...config, firewalldZone: 'pods', ...more }))
    let stdout = ''
    child.stdout?.on('data', (data) => {
      stdout += data
    })
    const status = await new Promise((done) => child.on('close', done))
    t.equal(status, 0, `${command}: ${stdout}`)
    return calls.splice(0)
  }
  t.same(await run('ADD'), ['addSource pods 10.1.2.2/32', 'addSource pods fd12::2/128'])
  t.equal(ofFirewalld(), before, 'its own chains are not touched')
  t.match(host.run('iptables', '-S', 'CNI-FORWARD'), /-s 10\.1\.2\.2/, 'what others drop passes too')
  t.same(await run('CHECK'), ['querySource pods 10.1.2.2/32', 'querySource pods fd12::2/128'])
  const removed = ['removeSource pods 10.1.2.2/32', 'removeSource pods fd12::2/128']
  t.same(await run('DEL'), removed)
  t.same(await run('DEL'), removed, 'without a record they may be of the reference')
  const fresh = { stateDir: `${list.stateDir}-not-there` }
  t.same(await run('DEL', 'a', fresh), removed, 'on a node that has had no record yet, too')
  await run('ADD')
  await run('ADD', 'heir')
  t.same(await run('DEL'), [], 'sources that are an heir’s by now stay')
  t.same(await run('DEL'), [])
  t.same(await run('DEL', 'heir'), removed)
  t.notMatch(ruleset(), /10\.1\.2\.2|fd12::2/)
})
