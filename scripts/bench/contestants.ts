/** Who is measured: each attaches pods to a bridge of its own node, with a lease store of its own. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Netns, type Owner } from '../../lib/testing/netns.js'
import { type Cost, Failed, Launcher, type Program } from './launcher.js'

export type Command = 'ADD' | 'CHECK' | 'DEL'

export interface Contestant {
  readonly name: string
  readonly commands: readonly Command[]
  /** One command for one pod. */
  run(command: Command, pod: Pod): Promise<Cost>
  close(): void
}

export interface Pod {
  readonly number: number
  readonly netns: Netns
}

const SUBNET = '10.244.0.0/16'
const GATEWAY = '10.244.0.1'

/** The conflist's one plugin, as libcni hands it over. */
export function bridgeConfig(dataDir: string): Record<string, unknown> {
  return {
    cniVersion: '1.0.0',
    name: 'bench',
    type: 'bridge',
    bridge: 'cni0',
    isDefaultGateway: true,
    ipam: { type: 'host-local', dataDir, ranges: [[{ subnet: SUBNET }]] },
  }
}

/** `bridge` and `host-local` of the directory `bin`. */
export function suite(owner: Owner, name: string, bin: string, work: string, leases: number): Contestant {
  const folder = `${work}/${name}-${leases}`
  const dataDir = `${folder}/networks`
  mkdirSync(dataDir, { recursive: true })
  seed(`${dataDir}/bench`, leases)
  const config = bridgeConfig(dataDir)
  const files = { stdin: `${folder}/stdin`, stdout: `${folder}/stdout` }
  const launcher = new Launcher(Netns.create(owner, name).path)
  const results = new Map<Pod, unknown>()
  return {
    name,
    commands: ['ADD', 'CHECK', 'DEL'],
    async run(command, pod) {
      const prevResult = results.get(pod)
      writeFileSync(files.stdin, JSON.stringify(prevResult === undefined ? config : { ...config, prevResult }))
      const cost = await tell(
        launcher.run({ executable: `${resolve(bin)}/bridge`, ...files, env: cniEnv(command, pod, resolve(bin)) }),
      )
      if (command === 'ADD') results.set(pod, JSON.parse(readFileSync(files.stdout, 'utf8')))
      return cost
    },
    close: () => launcher.close(),
  }
}

function cniEnv(command: Command, { number, netns }: Pod, bin: string): Record<string, string> {
  return {
    CNI_COMMAND: command,
    CNI_CONTAINERID: containerId(number),
    CNI_NETNS: netns.path,
    CNI_IFNAME: 'eth0',
    CNI_PATH: bin,
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  }
}

/** The C floor, on a bridge that is there already. */
export function floor(owner: Owner, work: string): Contestant {
  const node = Netns.create(owner, 'floor')
  node.batch('link add cni0 type bridge', `addr add ${GATEWAY}/16 dev cni0`, 'link set cni0 up')
  const bridge = (node.ip('link', 'show', 'cni0')[0] as { ifindex: number }).ifindex
  const launcher = new Launcher(node.path)
  const files = { stdin: '/dev/null', stdout: `${work}/floor-stdout` }
  return {
    name: 'floor',
    commands: ['ADD', 'DEL'],
    run: (command, { number, netns }) =>
      launcher.run({
        executable: 'build/bench/floor',
        ...files,
        env: {
          CNI_COMMAND: command,
          CNI_NETNS: netns.path,
          CNI_IFNAME: 'eth0',
          PORT: String(1_000_000 + number),
          BRIDGE: String(bridge),
          ADDRESS: addressAt(2 + number),
          PREFIX: '16',
          GATEWAY,
        },
      }),
    close: () => launcher.close(),
  }
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

function addressAt(offset: number): string {
  return `10.244.${offset >> 8}.${offset & 255}`
}

/** As long as a runtime's. */
function containerId(number: number): string {
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
