/** Conditions beside iptables and nft, whose rules for the same words are the measure. */

import t, { type Test } from 'tap'
import { call, expectSuccess, type Json } from '../../lib/testing/cni.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { NODE, node, OUTSIDE } from '../../lib/testing/node.js'
import { ask, isSilent, serve } from '../../lib/testing/peer.js'
import { network } from '../../lib/testing/pod-network.js'

const skip = needs('root')

type Family = 4 | 6

const ADDRESSES: Readonly<Record<Family, readonly string[]>> = {
  4: [
    ...['10.0.0.1', '10', '10.1', '10.1.2', '10/8', '10.1.2.3/8', '10.1.2.3/32', '10.1.2.3/255.0.0.0', '10.1.2.3/13'],
    ...['10.1.2.3/255.0.255.0', '10.1.2.3/0.0.0.255', '10.1.2.3/255.255.255.255', '10.1.2.3/0', 'any/0', 'any/0.0.0.0'],
    ...['3232235777', '0x7f000001', '10.256', '10.1.65535', '10.1.65536', '4294967296', '3232235777/24'],
    ...['0x0a.1.2.3', '010.1.2.3', '010', '+10.1.2.3', '10.1.2.3/0x8', '10.1.2.3/010', '10.1.2.3/+8'],
    ...[
      '10.0.0.1,10.0.0.2',
      '10.0.0.1, 10.0.0.2',
      '10.0.0.1,10.0.0.1',
      '10.0.0.0/8,10.1/16',
      '0/0,10.0.0.1',
      ' 10.0.0.1',
    ],
    ...['10.1.2.3/33', '10.1.2.3/-1', '10.1.2.3/', '10.1.2.3/255', '10.1.2.3/255.255', '10.1.2.3/08', '10.1.2.3/24/8'],
    ...['10.0.0.1,', ',10.0.0.1', '10.0.0.1,,10.0.0.2', '256.1.1.1', '1.2.3.4.5', 'fd00::1', '10.', '10..1.2', '0x'],
  ],
  6: [
    ...[
      'fd00::1',
      'FD00::A',
      'fd00::1/64',
      'fd00::1/61',
      'fd00::1/128',
      'fd00::1/ffff::',
      'fd00::1/ffff:ffff:ffff:ffff::',
    ],
    ...[
      'fd00::1/ffff:0:ffff::',
      'fd00::1/::ffff',
      'fd00::1/0',
      'fd00::1/::',
      'any/0',
      '::/0',
      'fd00::1/0x40',
      'fd00::1/064',
    ],
    ...['::ffff:10.0.0.1', '::10.0.0.1', 'fd00::1,fd00::2', 'fd00::1, fd01::/16', '::/0,fd00::1'],
    ...['fd00::1/129', 'fd00::1/', '10.0.0.1', 'fd00', '[fd00::1]', 'fe80::1%eth0', 'fd00::1,', '10.0.0.1,fd00::1'],
  ],
}

const INTERFACES = [
  ...['eth0', 'eth+', '+', '++', 'eth++', 'eth*', 'eth0,eth1', 'eth0:1', 'abcdefghijklmno', 'abcdefghijklmn+', 'é0'],
  ...['abcdefghijklmnop', 'abcdefghijklmno+', 'ééééééé0'],
]

const one = { 4: '10.0.0.1', 6: 'fd00::1' } as const
const two = { 4: '10.0.0.1,10.0.0.2', 6: 'fd00::1,fd00::2' } as const

/** Each form that iptables knows for what flatnet supports, and near misses. */
function words(family: Family): string[][] {
  return [
    ...ADDRESSES[family].map((value) => ['-s', value]),
    ...['--source', '--src', '-d', '--destination', '--dst'].map((option) => [option, two[family]]),
    ...INTERFACES.flatMap((name) => [
      ['-i', name],
      ['!', '--in-interface', name],
    ]),
    ['!', '-s', one[family]],
    ['!', '-s', two[family]],
    ['!', '-d', 'any/0'],
    ['!', '!', '-s', one[family]],
    ['-s', one[family], '-s', one[family]],
    ['-s', one[family], '!', '-d', one[family], '-i', 'eth0'],
    ['-s', two[family], '-d', two[family], '!', '-i', 'eth+'],
  ]
}

/** What a rule asks of a packet, as text, without the family, which every rule of ours asks for. */
function asked(expressions: readonly Json[]): string {
  return expressions
    .flatMap(({ match }) => (match === undefined || match.left?.meta?.key === 'nfproto' ? [] : [JSON.stringify(match)]))
    .sort()
    .join(' ')
}

/** By chain, what its rules ask: each once. */
function askedByChain(host: Netns, ...table: [string, string]): Map<string, string[]> {
  const { nftables } = JSON.parse(host.run('nft', '-j', 'list', 'table', ...table)) as Json
  const chains = new Map<string, Set<string>>()
  for (const { chain, rule } of nftables as Json[]) {
    if (chain !== undefined) chains.set(chain.name, new Set())
    if (rule !== undefined) chains.get(rule.chain)?.add(asked(rule.expr))
  }
  return new Map([...chains].map(([name, rules]) => [name, [...rules].sort()]))
}

/** A node with nothing on it, and a way to map a port of its own under each of many conditions. */
function bench(t: Test) {
  const host = Netns.create(t, 'node')
  const { path } = Netns.create(t, 'pod')
  const { stateDir } = network(t, { subnets: ['10.1.2.0/24'] })
  const run = (command: 'ADD' | 'CHECK' | 'DEL', family: Family, conditions: readonly string[], at = 0) => {
    const prevResult = {
      cniVersion: '1.1.0',
      interfaces: [{ name: 'eth0', sandbox: path }],
      ips: [{ address: family === 4 ? `10.1.3.${at + 1}/24` : `fd13::${at + 1}/64`, interface: 0 }],
    }
    const portMappings = [{ hostPort: 1 + at, containerPort: 80, protocol: 'tcp' }]
    const config = {
      ...{ cniVersion: '1.1.0', name: 'net', type: 'portmap', stateDir, prevResult },
      ...{ runtimeConfig: { portMappings }, [`conditionsV${family}`]: conditions },
    }
    return call({ command, host, netns: path, containerId: `c${at}`, config })
  }
  return {
    host,
    run,
    /** What the rules ask that each of these conditions has; undefined for those that are refused. */
    ours(family: Family, all: readonly (readonly string[])[]): (string[] | undefined)[] {
      const answers = all.map((conditions, at) => run('ADD', family, conditions, at))
      const chains = askedByChain(host, 'inet', 'flatnet-portmap')
      const gates = host.run('nft', 'list', 'map', 'inet', 'flatnet-portmap', `gateany${family}`)
      return answers.map((answer, at) => {
        if (answer.json?.code === 7) return undefined
        expectSuccess('ADD', answer)
        const chain = new RegExp(`tcp \\. ${at + 1} [^,]*jump ([\\w-]+)`).exec(gates)?.[1]
        return chains.get(chain ?? '')
      })
    },
  }
}

/** Fails for each of the conditions that we do not read as the other program. */
function compare(t: Test, about: readonly string[], ours: readonly unknown[], theirs: readonly unknown[]): void {
  for (const [at, text] of about.entries()) t.same(ours[at], theirs[at], text)
}

for (const family of [4, 6] as const) {
  const protocol = family === 4 ? 'ip' : 'ip6'
  const [a, b, wide] = family === 4 ? ['10.0.0.1', '10.0.0.9', '10.1.0.0/16'] : ['fd00::1', 'fd00::9', 'fd01::/16']

  t.test(`conditions ask of a packet what iptables asks for the same words: IPv${family}`, { skip }, async (t) => {
    const { host, ours } = bench(t)
    const iptables = family === 4 ? 'iptables' : 'ip6tables'
    const all = words(family)
    host.try([`${iptables}-restore`], { input: `*filter\n${all.map((_, at) => `:X${at} - [0:0]\n`).join('')}COMMIT\n` })
    const taken = all.map(
      (conditions, at) => host.try([iptables, '-A', `X${at}`, ...conditions, '-j', 'ACCEPT']).status === 0,
    )
    const chains = askedByChain(host, protocol, 'filter')
    const theirs = taken.map((isTaken, at) => (isTaken ? chains.get(`X${at}`) : undefined))
    const about = all.map((conditions) => conditions.join(' '))
    compare(t, about, ours(family, all), theirs)
  })

  t.test(`conditions ask of a packet what nft asks for the same words: IPv${family}`, { skip }, async (t) => {
    const { host, ours } = bench(t)
    const all = [
      `${protocol} saddr ${a}`,
      `${protocol} daddr ${wide}`,
      `${protocol} saddr != ${wide}`,
      `${protocol} saddr ne ${a}-${b}`,
      `${protocol} saddr == ${a}`,
      `${protocol} daddr ${a} ${protocol} saddr ne ${b} meta iifname "eth*"`,
      'iifname eth0',
      'iifname != "eth0"',
      `${protocol} saddr { ${a}`,
      `${protocol} saddr { }`,
      `${protocol} saddr ${b}-${a}`,
      'iifname "*"',
    ]
    const chain = (at: number) => `add chain inet x c${at}`
    host.run('nft', `add table inet x; ${all.map((_, at) => chain(at)).join('; ')}`)
    const taken = all.map((text, at) => host.try(['nft', `add rule inet x c${at} ${text} accept`]).status === 0)
    const chains = askedByChain(host, 'inet', 'x')
    const theirs = taken.map((isTaken, at) => (isTaken ? chains.get(`c${at}`) : undefined))
    compare(
      t,
      all,
      ours(
        family,
        all.map((text) => text.split(' ')),
      ),
      theirs,
    )
  })

  t.test(`a set in nft's words is what its elements are one by one: IPv${family}`, { skip }, async (t) => {
    const { ours } = bench(t)
    for (const [set, ...each] of [
      [`${protocol} saddr { ${a}, ${wide} }`, `${protocol} saddr ${a}`, `${protocol} saddr ${wide}`],
      [`${protocol} saddr {${a},${wide},}`, `${protocol} saddr ${a}`, `${protocol} saddr ${wide}`],
      [`${protocol} saddr != { ${a}, ${b} }`, `${protocol} saddr != ${a} ${protocol} saddr != ${b}`],
      ['iifname { "eth0", "up*" }', 'iifname eth0', 'iifname up*'],
    ] as [string, ...string[]][]) {
      const [whole, ...parts] = ours(
        family,
        [set, ...each].map((text) => text.split(' ')),
      )
      t.same(whole, parts.flat().sort(), set)
      t.ok(whole?.[0], `${set} asks for something`)
    }
  })

  t.test(`names are not resolved: IPv${family}`, { skip }, async (t) => {
    const { ours, run } = bench(t)
    t.same(
      ours(family, [
        ['-i', 'eth0'],
        ['-s', 'localhost'],
        [protocol, 'saddr', 'localhost'],
      ]).slice(1),
      [undefined, undefined],
    )
    t.match(run('ADD', family, ['-s', 'localhost']).json, { code: 7, msg: /"localhost" is no IPv\d address/ })
  })
}

t.test('lists that combine to too many rules are refused before anything is done', { skip }, async (t) => {
  const { host, run } = bench(t)
  const list = (n: number) => Array.from({ length: n }, (_, at) => `10.9.${at >> 8}.${at & 255}`).join(',')
  t.match(run('ADD', 4, ['-s', list(25), '-d', list(25)]).json, { code: 7, msg: /combine to 1250 rules/ })
  t.equal(host.run('nft', 'list', 'tables'), '')
  expectSuccess('ADD', run('ADD', 4, ['-s', list(500)]))
  expectSuccess('CHECK', run('CHECK', 4, ['-s', list(500)]))
  expectSuccess('DEL', run('DEL', 4, []))
  t.equal(host.run('nft', 'list', 'tables'), '')
})

t.test('a packet that meets one of each list gets in, and no other', { skip }, async (t) => {
  const { host, outside, pod, ruleset } = node(t)
  host.run('ip', 'addr', 'add', '192.0.2.2/24', 'dev', 'up0')
  const capabilities = { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] }
  const plugin = {
    type: 'portmap',
    capabilities: { portMappings: true },
    conditionsV4: ['-d', '192.0.2.1/32,127.0.0.1/32'],
    conditionsV6: ['ip6', 'saddr', '{', '2001:db8::5-2001:db8::a,', 'fd12::/64', '}'],
  }
  const { netns, attachment } = pod('server', [plugin], { capabilities })
  attachment.add()
  await serve(netns, 'server', 80)
  t.equal(ask(outside, NODE[4], 8080), `server sees ${OUTSIDE[4]}`, 'the first destination')
  t.match(ask(host, '127.0.0.1', 8080), /^server sees/, 'the second')
  t.ok(isSilent(outside, '192.0.2.2', 8080), 'another')
  t.equal(ask(outside, NODE[6], 8080), `server sees ${OUTSIDE[6]}`, 'a source in the range')
  outside.run('ip', 'addr', 'add', '2001:db8::b/64', 'dev', 'eth0', 'nodad')
  outside.run('ip', 'route', 'replace', `${NODE[6]}/128`, 'dev', 'eth0', 'src', '2001:db8::b')
  t.ok(isSilent(outside, NODE[6], 8080), 'one behind it')
  attachment.check()
  attachment.del()
  t.equal(ruleset(), '')
})
