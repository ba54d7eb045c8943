/**
 * The part of `make bench` that is the other nodes: what their number costs, and how fast packets go beside a network
 * of the same shape that was made by hand.
 */

import { mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { BIN, type Json } from '../../lib/testing/cni.js'
import { Netns, type Owner } from '../../lib/testing/netns.js'
import { enterPrivateNamespaces } from '../private-namespaces.js'
import { coloured, paint } from '../terminal/style.js'
import { markdownTable, terminalTable } from '../terminal/table.js'
import { Launcher } from './launcher.js'
import { median } from './samples.js'
import { compare, latency, throughput, twoClusters } from './traffic.js'

const WORK = '/run/bench-nodes'
const MODES = ['host-gw', 'vxlan'] as const
const COUNTS = [10, 100, 1000, 5000]
const ADDS = 60
const ROUNDS = 3
const TCP_ROUNDS = 32
const PING_ROUNDS = 40

/** What, the measurement, the ratio, what is wanted, whether it was seen. */
type Row = readonly [what: string, value: string, ratio: string, wanted: string, seen: boolean | undefined]

enterPrivateNamespaces(['/run/netns', '/run/flatnet', WORK])
const ends: (() => void)[] = []
const owner: Owner = { teardown: (end) => ends.push(end) }
const rows: Row[] = []
for (const mode of MODES) rows.push(...applications(mode))
for (const mode of MODES) rows.push(...(await unchanged(mode)))
for (const mode of MODES) rows.push(...(await traffic(mode)))
for (const end of ends.reverse()) end()

const headings = [
  { heading: '' },
  { heading: 'flatnet', align: 'right' },
  { heading: 'ratio' },
  { heading: 'wanted' },
] as const
const markdown = process.argv.includes('--markdown')
const cells = rows.map(([what, value, ratio, wanted, seen]) => {
  const mark = seen === undefined ? '' : seen ? ' ✓' : ' ✗'
  return [
    what,
    value,
    ratio,
    `${wanted}${markdown || mark === '' ? mark : paint(seen === true ? 'green' : 'red', mark)}`,
  ]
})
console.log(markdown ? markdownTable(headings, cells) : `\n${terminalTable(headings, cells)}${coloured ? '\n' : ''}`)

/** A machine with an uplink, a pod, and `bridge`'s conflist, of which the chained plugin's part is measured too. */
function machine(mode: string): { readonly host: Netns; readonly pod: Netns } {
  const host = Netns.create(owner, `bench-${mode}`)
  host.batch(
    'link add eth0 type veth peer away',
    'link set eth0 up',
    'link set away up',
    'addr add 10.9.0.1/16 dev eth0',
  )
  return { host, pod: Netns.create(owner, 'pod', { loopback: false }) }
}

function table(count: number): Json[] {
  return Array.from({ length: count }, (_, at) => ({
    name: `node-${at + 1}`,
    addresses: [`10.9.${(at + 1) >> 8}.${(at + 1) & 255}`],
    podCIDRs: [`10.${100 + (at >> 8)}.${at & 255}.0/24`],
  }))
}

/** `flatnet sync` of a table on a node that has none of it. */
function applications(mode: string): Row[] {
  const { host } = machine(mode)
  return COUNTS.map((count) => {
    const directory = `${WORK}/${mode}-${count}`
    mkdirSync(directory, { recursive: true })
    const config = {
      cniVersion: '1.1.0',
      name: 'bench',
      plugins: [{ type: mode, stateDir: directory, nodes: table(count) }],
    }
    writeFileSync(`${directory}/conflist`, JSON.stringify(config))
    const times: number[] = []
    let changes = 0
    for (let round = 0; round < ROUNDS; round++) {
      host.try(['ip', 'route', 'flush', 'table', 'all', 'proto', '70'])
      host.try(['ip', 'link', 'del', 'flat.1'])
      rmSync(`${directory}/bench`, { recursive: true, force: true })
      const start = performance.now()
      const { stdout } = host.try([resolve(BIN, 'flatnet'), 'sync', '--json', `${directory}/conflist`])
      times.push(performance.now() - start)
      changes = (JSON.parse(stdout)[0] as { changes: string[] }).changes.length
    }
    const ms = median(times)
    const wanted = count === 1000 ? (['≤ 500 ms', ms <= 500] as const) : (['', undefined] as const)
    return [
      `${mode}: apply ${count.toLocaleString('en')} nodes`,
      `${ms.toFixed(0)} ms, ${changes} changes`,
      '',
      ...wanted,
    ]
  })
}

/** ADD through the whole chain with nothing changed, three nodes against a thousand. */
async function unchanged(mode: string): Promise<Row[]> {
  const rows: Row[] = []
  for (const [how, atMost] of [
    ['in a file', 1.3],
    ['inline', 1.6],
  ] as const) {
    const times = new Map<number, number[]>([
      [3, []],
      [1000, []],
    ])
    const runs = [...times.keys()].map((count) => chain(mode, how === 'inline', count))
    for (let at = 0; at < ADDS; at++) for (const run of runs) times.get(run.count)?.push(await run.add())
    for (const run of runs) run.close()
    const [few, many] = [...times.values()].map(median)
    const ratio = (many ?? Number.NaN) / (few ?? Number.NaN)
    rows.push([
      `ADD of bridge and ${mode}, 1,000 nodes ${how}`,
      `${many?.toFixed(2)} ms`,
      `${ratio.toFixed(2)} of 3 nodes`,
      `≤ ${atMost}`,
      ratio <= atMost,
    ])
  }
  return rows
}

interface Chain {
  readonly count: number
  /** Milliseconds of one ADD, after which its pod is deleted. */
  add(): Promise<number>
  close(): void
}

function chain(mode: string, inline: boolean, count: number): Chain {
  const { host, pod } = machine(mode)
  const folder = `${WORK}/chain-${mode}-${inline ? 'inline' : 'file'}-${count}`
  mkdirSync(folder, { recursive: true })
  const nodesFile = `${folder}/nodes.json`
  writeFileSync(nodesFile, JSON.stringify({ nodes: table(count) }))
  utimesSync(nodesFile, 1e9, 1e9)
  const common = { cniVersion: '1.1.0', name: 'bench', stateDir: folder }
  const ipam = { type: 'host-local', dataDir: `${folder}/networks`, ranges: [[{ subnet: '10.100.0.0/24' }]] }
  const bridge = { ...common, type: 'bridge', isDefaultGateway: true, ipam }
  const own = { ...common, type: mode, ...(inline ? { nodes: table(count) } : { nodesFile }) }
  const launcher = new Launcher(host.path)
  const env = {
    CNI_CONTAINERID: 'bench',
    CNI_NETNS: pod.path,
    CNI_IFNAME: 'eth0',
    CNI_PATH: resolve(BIN),
    PATH: '/usr/bin',
  }
  const files = { stdin: `${folder}/stdin`, stdout: `${folder}/stdout` }
  const run = async (command: string, config: Json, stdout = files.stdout) => {
    writeFileSync(files.stdin, JSON.stringify(config))
    const executable = resolve(BIN, config.type)
    return (await launcher.run({ executable, stdin: files.stdin, stdout, env: { ...env, CNI_COMMAND: command } })).ms
  }
  return {
    count,
    async add() {
      const made = await run('ADD', bridge)
      const prevResult = JSON.parse(readFileSync(files.stdout, 'utf8'))
      const joined = await run('ADD', { ...own, prevResult })
      await run('DEL', { ...bridge, prevResult })
      return made + joined
    },
    close: () => launcher.close(),
  }
}

/** Pod to pod between two nodes, beside the network that `ip` made. */
async function traffic(mode: (typeof MODES)[number]): Promise<Row[]> {
  const { flatnet, handmade } = twoClusters(owner, mode)
  const rate = await compare(TCP_ROUNDS, flatnet, handmade, throughput)
  const time = await compare(PING_ROUNDS, flatnet, handmade, latency)
  return [
    [
      `${mode}: TCP, pod to pod`,
      `${rate.ours.toFixed(1)} Gbit/s`,
      `${rate.ratio.toFixed(2)} of handmade`,
      '≥ 0.98',
      Number(rate.ratio.toFixed(2)) >= 0.98,
    ],
    [
      `${mode}: round trips, pod to pod`,
      `${time.ours.toFixed(1)} µs each`,
      `${(1 / time.ratio).toFixed(2)} of handmade`,
      '≥ 0.98',
      Number((1 / time.ratio).toFixed(2)) >= 0.98,
    ],
  ]
}
