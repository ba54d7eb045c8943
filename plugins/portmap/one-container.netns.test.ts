/** One container on several networks, whose runtime sends the same ports to each, as go-cni does. */

import t, { type Test } from 'tap'
import { BIN, call, environment, expectSuccess, type Json } from '../../lib/testing/cni.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { network } from '../../lib/testing/pod-network.js'
import { quoted, shell } from '../../lib/testing/shell.js'

const skip = needs('root')

const BOTH = [
  { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
  { hostPort: 5353, containerPort: 53, protocol: 'udp' },
]
const ON_ONE_ADDRESS = BOTH.map((one) => ({ ...one, hostIP: '192.0.2.1' }))

type Command = 'ADD' | 'CHECK' | 'DEL'

/** A node, and a container's attachment to each of three networks: they have 10.1.N.2 and fd01:N::2. */
function scene(t: Test, { portMappings = BOTH as Json[], config = {} as Json } = {}) {
  const host = Netns.create(t, 'node')
  const { path } = Netns.create(t, 'pod')
  const { stateDir } = network(t, { subnets: ['10.1.2.0/24'] })
  const configOf = (n: number) => {
    const prevResult = {
      cniVersion: '1.1.0',
      interfaces: [{ name: `eth${n}`, sandbox: path }],
      ips: [
        { address: `10.1.${n}.2/24`, interface: 0 },
        { address: `fd01:${n}::2/64`, interface: 0 },
      ],
    }
    const common = { cniVersion: '1.1.0', name: `net${n}`, type: 'portmap', stateDir, ...config }
    return { ...common, prevResult, runtimeConfig: { portMappings } }
  }
  const request = (command: Command, n: number, containerId = 'c1') =>
    ({ command, host, netns: path, ifName: `eth${n}`, containerId, config: configOf(n) }) as const
  const run = (command: Command, n: number, containerId?: string) => call(request(command, n, containerId))
  return {
    host,
    run,
    must: (command: Command, n: number) => expectSuccess(`${command} ${n}`, run(command, n)),
    gc(n: number): void {
      const { prevResult: _, runtimeConfig: __, ...rest } = configOf(n)
      expectSuccess('GC', call({ command: 'GC', host, config: { ...rest, 'cni.dev/valid-attachments': [] } }))
    },
    /** A command that makes the call. */
    line(command: Command, n: number): string {
      const one = request(command, n)
      const variables = Object.entries(environment(one)).map(([name, value]) => `${name}=${quoted(value)}`)
      return `printf %s ${quoted(JSON.stringify(one.config))} | env ${variables.join(' ')} ${BIN}/portmap >/dev/null`
    },
    /** The containers' addresses that the ports lead to, by nft. */
    leads(): string[] {
      const { nftables } = JSON.parse(host.run('nft', '-j', 'list', 'ruleset')) as Json
      const maps = nftables.flatMap(({ map }: Json) =>
        /^(if\d-\w+-)?(any|specific)/.test(map?.name ?? '') ? [map] : [],
      )
      const values = maps.flatMap(({ elem = [] }: Json) => elem.map(([, value]: Json[]) => value.concat[0] as string))
      return [...new Set<string>(values)].sort()
    },
  }
}

const of = (n: number) => [`10.1.${n}.2`, `fd01:${n}::2`]
const KINDS: Record<string, Parameters<typeof scene>[1]> = {
  'on every address': {},
  'on one address': { portMappings: ON_ONE_ADDRESS },
  'under conditions': { config: { conditionsV4: ['-i', 'up+'], conditionsV6: ['-i', 'up+'] } },
}

for (const [kind, options] of Object.entries(KINDS)) {
  const own = (n: number) => (kind === 'on one address' ? of(n).slice(0, 1) : of(n))

  t.test(`the first attachment has the ports, and the next one takes over: ports ${kind}`, { skip }, async (t) => {
    const { host, run, must, leads, gc } = scene(t, options)
    for (const n of [1, 2, 3]) must('ADD', n)
    t.same(leads(), own(1), 'the first has them')
    for (const n of [1, 2, 3]) must('CHECK', n)
    t.match(run('ADD', 4, 'another').json, { code: 104, msg: /already mapped by net1\/c1\/eth1/ })
    must('DEL', 2)
    t.same(leads(), own(1), 'one that waits goes without a trace')
    must('CHECK', 1)
    must('ADD', 2)
    must('DEL', 1)
    const [heir] = leads()[0] === '10.1.2.2' ? [2] : [3]
    t.same(leads(), own(heir as number), 'when the first goes, another has them')
    for (const n of [2, 3]) must('CHECK', n)
    gc(heir as number)
    t.same(leads(), own(5 - (heir as number)), 'GC hands them on, too')
    must('CHECK', 5 - (heir as number))
    must('DEL', 5 - (heir as number))
    t.equal(host.run('nft', 'list', 'tables'), '', 'the last leaves nothing')
  })

  t.test(`a table made anew has the ports of one attachment: ports ${kind}`, { skip }, async (t) => {
    const { host, must, leads } = scene(t, options)
    for (const n of [1, 2]) must('ADD', n)
    host.run('nft', 'flush', 'ruleset')
    must('ADD', 3)
    const before = leads()
    t.equal(before.length, own(1).length)
    for (const n of [1, 2, 3]) must('CHECK', n)
    for (const n of [3, 2, 1]) must('DEL', n)
    t.equal(host.run('nft', 'list', 'tables'), '')
    for (const order of [
      [1, 2],
      [2, 1],
    ] as const) {
      for (const n of [1, 2]) must('ADD', n)
      host.run('nft', 'flush', 'ruleset')
      must('ADD', 3)
      must('DEL', 3)
      must('DEL', order[0])
      t.same(leads(), own(order[1]), `${order[1]} takes over`)
      must('CHECK', order[1])
      must('DEL', order[1])
      t.equal(host.run('nft', 'list', 'tables'), '')
    }
  })
}

t.test('attachments of one container come and go at once', { skip }, async (t) => {
  const { host, must, leads, line } = scene(t)
  for (let round = 0; round < 5; round++) {
    const all = (command: Command, numbers: readonly number[]) =>
      shell(
        host,
        `${numbers.map((n) => `{ ${line(command, n)}; } & p${n}=$!`).join('\n')}\n${numbers.map((n) => `wait $p${n}`).join(' && ')}`,
      )
    await all('ADD', [1, 2, 3])
    t.equal(leads().length, 2, 'one of them has the ports')
    for (const n of [1, 2, 3]) must('CHECK', n)
    await all('DEL', [1, 2])
    t.same(leads(), of(3), 'the one that stays has them')
    must('CHECK', 3)
    await Promise.all([all('ADD', [1]), all('DEL', [3])])
    t.same(leads(), of(1), 'one that comes while the other goes has them')
    must('CHECK', 1)
    must('DEL', 1)
    t.equal(host.run('nft', 'list', 'tables'), '')
  }
})
