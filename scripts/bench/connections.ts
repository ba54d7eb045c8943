/** How fast connections come in by a host port, where many ports are mapped: our maps beside the reference's chains. */

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { Netns, type Owner } from '../../lib/testing/netns.js'
import { addressAt, containerId, type Pod, type Suite, suite } from './contestants.js'
import { attachAtOnce } from './crowd.js'
import type { Plan } from './measure.js'
import { hostPort, type Network, ONE_PORT } from './networks.js'
import { median } from './samples.js'

const ROUNDS = 8
/** Of a round: more than half a second here. */
const CONNECTIONS = 10_000
const NODE = '192.0.2.1'
/** The port of the container that the mappings lead to. */
const CONTAINER_PORT = '80'

/** Connections a second, medians of rounds in turn. */
export async function measureConnections(
  owner: Owner,
  plan: Plan,
  mappings: number,
): Promise<{ readonly flatnet: number; readonly reference: number; readonly iptables: string }> {
  plan.progress(`mapping ${mappings} ports`)
  // In a chain of rules the middle one is the fair one.
  const pod: Pod = { number: mappings >> 1, netns: Netns.create(owner, 'pod', { loopback: false }) }
  const common = { work: plan.work, network: ONE_PORT, commands: [] } as const
  const ours = suite(owner, { ...common, name: 'flatnet', bin: plan.ours })
  const theirs = suite(owner, { ...common, name: 'reference', bin: plan.reference })
  const other: Pod = { number: pod.number, netns: Netns.create(owner, 'pod', { loopback: false }) }
  await ours.run('ADD', pod)
  await theirs.run('ADD', other)
  ours.close()
  theirs.close()
  mapOthers(ours, plan, pod, mappings)
  multiplyRules(theirs, pod.number, mappings)
  const rounds = [await caller(owner, ours.node, pod), await caller(owner, theirs.node, other)]
  const rates: number[][] = [[], []]
  for (let at = -1; at < ROUNDS; at++) {
    plan.progress(`connections, round ${Math.max(at, 0) + 1}/${ROUNDS}`)
    for (const which of at % 2 === 0 ? [0, 1] : [1, 0]) {
      const rate = rounds[which]?.() ?? Number.NaN
      if (at >= 0) rates[which]?.push(rate)
    }
  }
  const [flatnet = Number.NaN, reference = Number.NaN] = rates.map(median)
  return { flatnet, reference, iptables: spawnSync('iptables', ['--version'], { encoding: 'utf8' }).stdout.trim() }
}

/** The other mappings lead to addresses where nobody is, by ADDs of `portmap` alone. */
function mapOthers({ node, folder }: Suite, plan: Plan, pod: Pod, mappings: number): void {
  const network: Network = {
    plugins: ['portmap'],
    config: (_, number) => ({
      ...ONE_PORT.config(1, number, folder),
      prevResult: {
        cniVersion: '1.0.0',
        interfaces: [{ name: 'eth0', sandbox: pod.netns.path }],
        ips: [{ address: `${addressAt(1000 + number)}/16`, interface: 0 }],
      },
    }),
  }
  const pods = Array.from({ length: mappings }, (_, number) => ({ ...pod, number })).filter(
    ({ number }) => number !== pod.number,
  )
  for (let from = 0; from < pods.length; from += 50) {
    const { failed, complaint } = attachAtOnce({
      node,
      bin: plan.ours,
      folder,
      network,
      pods: pods.slice(from, from + 50),
    })
    if (failed > 0) throw new Error(complaint)
  }
}

/** What the reference wrote for its one pod, for as many containers, as it would have come to be one after another. */
function multiplyRules({ node }: Suite, own: number, mappings: number): void {
  const saved = node.run('iptables-save', '-t', 'nat').split('\n')
  const chain = saved.map((line) => /CNI-DN-\w+/.exec(line)?.[0]).find((name) => name !== undefined) ?? ''
  const address = saved.map((line) => /--to-destination ([0-9.]+)/.exec(line)?.[1]).find((found) => found) ?? ''
  const isOwn = (line: string) => line.includes(chain)
  const copies = (line: string) =>
    Array.from({ length: mappings }, (_, number) =>
      number === own
        ? line
        : line
            .replaceAll(chain, `CNI-DN-${number.toString(16).padStart(21, '0')}`)
            .replaceAll(containerId(own), containerId(number))
            .replaceAll(String(hostPort(own)), String(hostPort(number)))
            .replaceAll(`${address}:`, `${addressAt(1000 + number)}:`),
    )
  const input = saved.flatMap((line) => (isOwn(line) ? copies(line) : [line])).join('\n')
  const { status, stderr } = node.try(['iptables-restore'], { input })
  if (status !== 0) throw new Error(`iptables-restore: ${stderr}`)
}

/** A client beside the node and a server in the pod; each call is a round. */
async function caller(owner: Owner, node: Netns, { number, netns }: Pod): Promise<() => number> {
  const client = Netns.create(owner, 'client')
  node.run('ip', 'link', 'add', 'uplink', 'type', 'veth', 'peer', 'eth0', 'netns', client.path)
  node.batch(`addr add ${NODE}/24 dev uplink`, 'link set uplink up')
  client.batch('addr add 192.0.2.2/24 dev eth0', 'link set eth0 up')
  const program = resolve('build/bench/connect')
  const server = netns.start([program, 'serve', CONTAINER_PORT])
  if (server.stdout === null) throw new Error('the server has no stdout')
  await once(server.stdout, 'data')
  return () => {
    const nanoseconds = Number(client.run(program, 'call', NODE, String(hostPort(number)), String(CONNECTIONS)))
    return CONNECTIONS / (nanoseconds / 1e9)
  }
}
