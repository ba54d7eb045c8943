/** Who is measured: each attaches pods to a bridge of its own node, with a lease store of its own. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Json } from '../../lib/testing/cni.js'
import { Netns, type Owner } from '../../lib/testing/netns.js'
import { type Cost, Failed, Launcher, type Program } from './launcher.js'
import { GATEWAY, type Network } from './networks.js'

export type Command = 'ADD' | 'CHECK' | 'DEL'

export interface Contestant {
  readonly name: string
  readonly commands: readonly Command[]
  /** One command for one pod. */
  run(command: Command, pod: Pod): Promise<Bill>
  close(): void
}

/** What a command cost, and each plugin's part of it. */
export interface Bill {
  readonly cost: Cost
  readonly parts: readonly { readonly plugin: string; readonly cost: Cost }[]
}

export interface Pod {
  readonly number: number
  readonly netns: Netns
}

export interface SuiteOptions {
  readonly name: string
  /** The directory of the plugins. */
  readonly bin: string
  /** Where it may write. */
  readonly work: string
  readonly network: Network
  /** Leases in the store before the first pod's. */
  readonly leases?: number
  readonly commands?: readonly Command[]
}

export interface Suite extends Contestant {
  readonly node: Netns
  readonly folder: string
  /** Of the pod's last ADD. */
  result(pod: Pod): Json
}

/** The plugins of a network, one process each, as libcni runs them. */
export function suite(owner: Owner, options: SuiteOptions): Suite {
  const { name, bin, work, network, leases = 0, commands = ['ADD', 'CHECK', 'DEL'] } = options
  const folder = `${work}/${name}-${network.plugins.join('-')}-${leases}`
  mkdirSync(`${folder}/networks`, { recursive: true })
  seed(`${folder}/networks/bench`, leases)
  const node = Netns.create(owner, name)
  const files = { stdin: `${folder}/stdin`, stdout: `${folder}/stdout` }
  const launcher = new Launcher(node.path)
  const results = new Map<Pod, Json>()
  return {
    name,
    commands,
    node,
    folder,
    async run(command, pod) {
      const parts: Bill['parts'][number][] = []
      let prevResult = command === 'ADD' ? undefined : results.get(pod)
      const order = [...network.plugins.entries()]
      for (const [index, plugin] of command === 'DEL' ? order.reverse() : order) {
        const config = network.config(index, pod.number, folder)
        writeFileSync(files.stdin, JSON.stringify(prevResult === undefined ? config : { ...config, prevResult }))
        const env = cniEnv(command, pod, bin)
        parts.push({
          plugin,
          cost: await tell(launcher.run({ executable: `${resolve(bin)}/${plugin}`, ...files, env })),
        })
        if (command === 'ADD') prevResult = JSON.parse(readFileSync(files.stdout, 'utf8'))
      }
      results.set(pod, prevResult)
      return { cost: together(parts.map(({ cost }) => cost)), parts }
    },
    result: (pod) => results.get(pod),
    close: () => launcher.close(),
  }
}

function together(costs: readonly Cost[]): Cost {
  return {
    ms: costs.reduce((sum, { ms }) => sum + ms, 0),
    rss: Math.max(...costs.map(({ rss }) => rss)),
    processes: costs.reduce((sum, { processes }) => sum + processes, 0),
  }
}

export function cniEnv(command: Command, { number, netns }: Pod, bin: string): Record<string, string> {
  return {
    CNI_COMMAND: command,
    CNI_CONTAINERID: containerId(number),
    CNI_NETNS: netns.path,
    CNI_IFNAME: 'eth0',
    CNI_PATH: resolve(bin),
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  }
}

/** The C floor, on a bridge of its own. */
export function floor(owner: Owner, work: string): Contestant {
  const node = Netns.create(owner, 'floor')
  node.batch('link add cni0 type bridge', `addr add ${GATEWAY}/16 dev cni0`, 'link set cni0 up')
  return floorAmong({ name: 'floor', node }, work, 2)
}

/** The C floor on a bridge that is there; its pods' addresses begin at `offset`. */
export function floorAmong({ name, node }: Pick<Suite, 'name' | 'node'>, work: string, offset: number): Contestant {
  const bridge = (node.ip('link', 'show', 'cni0')[0] as { ifindex: number }).ifindex
  const launcher = new Launcher(node.path)
  return {
    name,
    commands: ['ADD', 'DEL'],
    async run(command, { number, netns }) {
      return alone(
        await launcher.run({
          ...floorProgram(work),
          env: {
            CNI_COMMAND: command,
            CNI_NETNS: netns.path,
            CNI_IFNAME: 'eth0',
            PORT: String(1_000_000 + number),
            BRIDGE: String(bridge),
            ADDRESS: addressAt(offset + number),
            PREFIX: '16',
            GATEWAY,
          },
        }),
      )
    },
    close: () => launcher.close(),
  }
}

/**
 * The floor of DEL: our plugins, as `attached` has them, attach the pod, unmeasured; what is measured is the C program
 * that ends the links.
 */
export function removalFloor(attached: Suite, work: string): Contestant {
  const launcher = new Launcher(attached.node.path)
  return {
    name: 'floor',
    commands: ['DEL'],
    async run(_, pod) {
      await attached.run('ADD', pod)
      const links = hostLinks(attached.result(pod))
      return alone(await launcher.run({ ...floorProgram(work), env: { CNI_COMMAND: 'DEL', LINKS: links } }))
    },
    close: () => {
      attached.close()
      launcher.close()
    },
  }
}

/** What an attachment has on the host, its ifb before its pair as DEL has it, without the bridge. */
function hostLinks(result: Json): string {
  const names = (result.interfaces as { name: string; sandbox?: string }[])
    .filter(({ sandbox = '' }) => sandbox === '')
    .map(({ name }) => name)
  return names.slice(1).reverse().join(' ')
}

function floorProgram(work: string) {
  return { executable: 'build/bench/floor', stdin: '/dev/null', stdout: `${work}/floor-stdout` }
}

function alone(cost: Cost): Bill {
  return { cost, parts: [] }
}

/** What any process costs here. */
export function noop(owner: Owner, work: string): { run(): Promise<Cost>; close(): void } {
  const launcher = new Launcher(Netns.create(owner, 'noop').path)
  const program: Program = {
    executable: 'build/bench/noop',
    stdin: '/dev/null',
    stdout: `${work}/noop-stdout`,
    env: {},
  }
  return { run: () => launcher.run(program), close: () => launcher.close() }
}

/** Leases as the reference writes them: a file an address, the container and its interface inside. */
function seed(folder: string, leases: number): void {
  if (leases === 0) return
  mkdirSync(folder, { recursive: true })
  for (let at = 0; at < leases; at++) {
    writeFileSync(`${folder}/${addressAt(2 + at)}`, `${containerId(1_000_000 + at)}\r\neth0`, { mode: 0o600 })
  }
  writeFileSync(`${folder}/last_reserved_ip.0`, addressAt(1 + leases), { mode: 0o600 })
}

export function addressAt(offset: number): string {
  return `10.244.${offset >> 8}.${offset & 255}`
}

/** As long as a runtime's. */
export function containerId(number: number): string {
  return number.toString(16).padStart(64, 'c0ffee')
}

/** Adds what the plugin printed to the error. */
async function tell(cost: Promise<Cost>): Promise<Cost> {
  try {
    return await cost
  } catch (error) {
    if (error instanceof Failed) error.message += `\n${readFileSync(error.stdout, 'utf8')}`
    throw error
  }
}
