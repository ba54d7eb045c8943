/** Any number of calls at once: each gets what it asked for, and nothing is left of those that did not. */

import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Answer, type Call, call, expectSuccess, type Json } from '../../lib/testing/cni.js'
import { LONG } from '../../lib/testing/long.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { callAll, callAsync } from '../../lib/testing/parallel.js'

const skip = needs('root')
const GATEWAYS = ['10.1.0.1', 'fd01::1']

/** A node without a bridge and without stores. */
class Node {
  readonly host: Netns
  readonly directory = mkdtempSync(join(tmpdir(), 'flatnet-concurrency-'))
  readonly config: Json = {
    cniVersion: '1.1.0',
    name: 'net',
    type: 'bridge',
    bridge: 'cni0',
    isDefaultGateway: true,
    stateDir: join(this.directory, 'state'),
    ipam: {
      type: 'host-local',
      dataDir: join(this.directory, 'data'),
      ranges: [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd01::/64' }]],
    },
  }

  constructor(t: Test) {
    this.host = Netns.create(t, 'node')
    t.teardown(() => rmSync(this.directory, { recursive: true, force: true }))
  }

  call(command: Call['command'], pod: Netns, rest: Partial<Call> = {}): Call {
    return { command, host: this.host, config: this.config, netns: pod, containerId: pod.name, ...rest }
  }

  /** Back to the beginning. */
  reset(): void {
    this.host.try(['ip', 'link', 'delete', 'cni0'])
    for (const name of readdirSync(this.directory)) rmSync(join(this.directory, name), { recursive: true })
  }

  /** Whatever is there that is neither the bridge nor its own. */
  left(pods: readonly Netns[]): string[] {
    const [links, addresses, neighbours] = ['link', 'addr', 'neigh'].map((what) => this.host.ip(what)) as Json[][]
    const known = [...GATEWAYS, '127.0.0.1', '::1']
    return [
      ...(links as Json[]).map(({ ifname }) => `link ${ifname}`).filter((line) => !/^link (lo|cni0)$/.test(line)),
      ...(addresses as Json[])
        .flatMap(({ addr_info }) => addr_info)
        .filter(({ local }) => !known.includes(local) && !local.startsWith('fe80:'))
        .map(({ local }) => `address ${local}`),
      // An IPv6 address that is nobody's any more is kept in mind, for its next container's sake.
      ...(neighbours as Json[])
        .filter(({ dst, state, lladdr }) => !(dst.includes(':') && state.includes('STALE') && /^0a:58:/.test(lladdr)))
        .map(({ dst }) => `neighbour ${dst}`),
      ...files(this.directory).filter((path) => !/\/(lock|last_reserved_ip\.\d)$/.test(path)),
      ...pods.flatMap((pod) =>
        pod
          .ip('link')
          .filter(({ ifname }) => ifname !== 'lo')
          .map(({ ifname }) => `${ifname} in ${pod.name}`),
      ),
    ]
  }
}

function files(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    return entry.isDirectory() ? files(path) : [path]
  })
}

function pods(t: Test, count: number): Netns[] {
  return Array.from({ length: count }, (_, at) => Netns.create(t, `p${at}`, { loopback: false }))
}

function failed(answers: readonly Answer[]): string[] {
  return answers
    .filter(({ status }) => status !== 0)
    .map(({ status, stdout, stderr }) => `${status} ${stdout} ${stderr}`)
}

function addressesOf(answers: readonly Answer[]): string[] {
  return answers.flatMap(({ json }) => json.ips.map(({ address }: Json) => address))
}

// Half a minute of waiting that can pass while the other tests work.
const stubborn = skip === false ? waitForStore() : undefined

t.test(
  '64 first ADDs at once: no error, 64 addresses of each family; 64 DELs: nothing but the bridge',
  { skip },
  async (t) => {
    const node = new Node(t)
    const all = pods(t, 64)
    for (const round of LONG ? [1, 2, 3] : [1, 3]) {
      node.reset()
      const added = await callAll(all.map((pod) => node.call('ADD', pod)))
      t.same(failed(added), [], `round ${round}: every ADD succeeds`)
      t.equal(new Set(addressesOf(added)).size, 128, `round ${round}: no address twice`)
      const [bridge] = node.host.ip('addr', 'show', 'cni0')
      t.ok(
        added.every(({ json }) => json.interfaces[0].mac === bridge.address),
        `round ${round}: all saw one bridge`,
      )
      t.same(
        bridge.addr_info.filter(({ scope }: Json) => scope === 'global').map(({ local }: Json) => local),
        GATEWAYS,
        `round ${round}: with one gateway a family`,
      )
      const checked = await callAll(
        all.map((pod, at) => node.call('CHECK', pod, { config: { ...node.config, prevResult: added[at]?.json } })),
      )
      t.same(failed(checked), [], `round ${round}: every CHECK agrees`)
      t.ok(node.host.ping(added[63]?.json.ips[0].address.split('/')[0]), `round ${round}: the last one answers`)
      // In the last round everyone is deleted twice at once.
      const doomed = round === 3 ? [...all, ...all] : all
      t.same(
        failed(await callAll(doomed.map((pod) => node.call('DEL', pod)))),
        [],
        `round ${round}: every DEL succeeds`,
      )
      t.same(node.left(all), [], `round ${round}: nothing is left`)
      t.equal(
        node.host.ip('link', 'show', 'cni0')[0].address,
        bridge.address,
        `round ${round}: the bridge keeps its MAC`,
      )
    }
  },
)

t.test('ten ADDs of one attachment at once: one succeeds, nine say why, and it works', { skip }, async (t) => {
  const node = new Node(t)
  const [pod] = pods(t, 1) as [Netns]
  for (let round = 1; round <= (LONG ? 8 : 4); round++) {
    if (round % 2 === 1) node.reset()
    const answers = await callAll(Array.from({ length: 10 }, () => node.call('ADD', pod)))
    const [winner, ...others] = answers.filter(({ status }) => status === 0)
    t.equal(others.length, 0, `round ${round}: one`)
    t.same(
      answers.filter(({ status }) => status !== 0).map(({ status, json }) => [status, json?.code]),
      Array(9).fill([1, 101]),
      `round ${round}: nine are told that it exists`,
    )
    const prevResult = winner?.json
    expectSuccess('CHECK', call(node.call('CHECK', pod, { config: { ...node.config, prevResult } })))
    t.equal(
      files(join(node.directory, 'data', 'net')).filter((path) => /net\/[\d.]+$/.test(path)).length,
      1,
      'one lease',
    )
    expectSuccess('DEL', call(node.call('DEL', pod)))
    t.same(node.left([pod]), [], `round ${round}: nothing is left`)
  }
})

/** Each fifth begins with an empty node, in each third DEL has no namespace. */
const ROUNDS = LONG ? 40 : 15

t.test(
  'ADD and DEL of one attachment at once: all of it is there or nothing, and DEL cleans up',
  { skip },
  async (t) => {
    const node = new Node(t)
    const [pod] = pods(t, 1) as [Netns]
    for (let round = 1; round <= ROUNDS; round++) {
      if (round % 5 === 1) node.reset()
      const commands = ['ADD', 'DEL', 'ADD', 'DEL'] as const
      const calls = commands.map((command) =>
        node.call(command, pod, round % 3 === 0 && command === 'DEL' ? { netns: '' } : {}),
      )
      const answers = await callAll(calls)
      // 101: the other ADD was first. 105: DEL took away what ADD was working on.
      const lost = ({ status, json }: Answer) => status === 1 && [101, 105].includes(json?.code)
      const wrong = answers.filter((answer, at) => answer.status !== 0 && !(commands[at] === 'ADD' && lost(answer)))
      if (wrong.length > 0) t.same(failed(wrong), [], `round ${round}`)
      const there = node.left([pod]).join()
      const parts = ['eth0 in ', 'link veth', '/state/', '/net/10.1.', '/net/fd01:'].filter((part) =>
        there.includes(part),
      )
      if (parts.length !== 0 && parts.length !== 5) t.same(parts, [], `round ${round}: all of it or nothing`)
      expectSuccess('DEL', call(node.call('DEL', pod)))
      const left = node.left([pod])
      if (left.length > 0) t.same(left, [], `round ${round}: nothing is left`)
    }
    t.pass(`${ROUNDS} rounds`)
  },
)

t.test('pods that come and go at once never meet', { skip }, async (t) => {
  const node = new Node(t)
  const all = pods(t, 12)
  const failures: string[] = []
  const run = async (pod: Netns): Promise<Answer> => {
    for (let turn = 0; ; turn++) {
      const added = await callAsync(node.call('ADD', pod))
      failures.push(...failed([added]))
      if (turn === 5) return added
      const config = { ...node.config, prevResult: added.json }
      failures.push(...failed([await callAsync(node.call('CHECK', pod, { config }))]))
      failures.push(...failed([await callAsync(node.call('DEL', pod, turn % 2 === 0 ? { config } : { netns: '' }))]))
    }
  }
  const last = await Promise.all(all.map(run))
  t.same(failures, [], 'every call succeeds')
  t.equal(new Set(addressesOf(last)).size, 24, 'no address twice')
  for (const { json } of last) t.ok(node.host.ping(json.ips[0].address.split('/')[0]), `${json.ips[0].address} answers`)
  t.same(failed(await callAll(all.map((pod) => node.call('DEL', pod)))), [])
  t.same(node.left(all), [], 'nothing is left')
})

t.test(
  'a store that somebody keeps locked: ADD gives up in time, names them, and undoes itself',
  { skip },
  async (t) => {
    const { answer, seconds, holder, left } = await (stubborn as ReturnType<typeof waitForStore>)
    t.equal(answer.status, 1)
    t.equal(answer.json?.code, 11, answer.stdout)
    t.match(answer.json?.details, String(holder))
    t.ok(seconds < 60, `after ${seconds} s`)
    t.same(left, [])
  },
)

async function waitForStore() {
  const node = new Node(t)
  const pod = Netns.create(t, 'patient', { loopback: false })
  expectSuccess('ADD', call(node.call('ADD', pod)))
  expectSuccess('DEL', call(node.call('DEL', pod)))
  const lock = join(node.directory, 'data', 'net', 'lock')
  const holder = spawn('flock', ['--no-fork', lock, 'sh', '-c', 'echo locked; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => holder.kill('SIGKILL'))
  await new Promise((done) => holder.stdout.once('data', done))
  const start = Date.now()
  const answer = await callAsync(node.call('ADD', pod))
  const seconds = (Date.now() - start) / 1000
  holder.kill('SIGKILL')
  return { answer, seconds, holder: holder.pid, left: node.left([pod]) }
}
