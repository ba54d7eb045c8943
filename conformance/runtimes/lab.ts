/**
 * A node, a neighbour outside it that is also the other node, and pods: network namespaces by name. We are in a mount
 * and a process namespace of our own (`private.ts`), so the names are ours alone and nothing outlives us.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Output {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly input?: string
  readonly env?: Record<string, string>
  /** Milliseconds; default 60 s. */
  readonly timeout?: number
}

export const NODE = 'node'
export const OUTSIDE = 'outside'
export const NODE_ADDRESS = '10.9.0.1'
export const OUTSIDE_ADDRESS = '10.9.0.2'

/** A client's address outside that is no node's. */
export const CLIENT_ADDRESS = '192.0.2.2'

/** A pod's address that only the overlay reaches. */
export const REMOTE_POD_ADDRESS = '10.244.2.9'

export function netnsPath(name: string): string {
  return `/run/netns/${name}`
}

/** Runs a program in a namespace; its output whatever its status. */
export function attempt(netns: string, command: readonly string[], options: RunOptions = {}): Output {
  const { status, stdout, stderr, error } = spawnSync('nsenter', [`--net=${netnsPath(netns)}`, '--', ...command], {
    input: options.input ?? '',
    env: { ...process.env, ...options.env },
    timeout: options.timeout ?? 60_000,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  })
  if (error !== undefined) throw error
  return { status: status ?? -1, stdout, stderr }
}

/** Runs a program in a namespace and gives its stdout; throws with its words where it fails. */
export function run(netns: string, command: readonly string[], options: RunOptions = {}): string {
  const { status, stdout, stderr } = attempt(netns, command, options)
  if (status !== 0) throw new Error(`${command.join(' ')}: status ${status}\n${(stdout + stderr).trim()}`)
  return stdout
}

/** Starts a program that stays until `stop` or our own end. */
export function start(netns: string, command: readonly string[], log?: number): ChildProcess {
  const stdio = log ?? 'ignore'
  return spawn('nsenter', [`--net=${netnsPath(netns)}`, '--', ...command], { stdio: ['ignore', stdio, stdio] })
}

export function makeNamespace(name: string): void {
  const { status, stderr } = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}

export function removeNamespace(name: string): void {
  spawnSync('ip', ['netns', 'delete', name])
}

/** The node and what is outside it, joined by an uplink. */
export function makeNode(): void {
  makeNamespace(NODE)
  makeNamespace(OUTSIDE)
  for (const netns of [NODE, OUTSIDE]) {
    run(netns, ['ip', 'link', 'set', 'lo', 'up'])
    // As some distributions have it: what does not come by the way back to its source is dropped.
    run(netns, ['sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=1', 'net.ipv4.conf.default.rp_filter=1'])
  }
  run(NODE, ['ip', 'link', 'add', 'uplink', 'type', 'veth', 'peer', 'name', 'uplink', 'netns', OUTSIDE])
  for (const [netns, address] of [
    [NODE, NODE_ADDRESS],
    [OUTSIDE, OUTSIDE_ADDRESS],
  ] as const) {
    run(netns, ['ip', 'address', 'add', `${address}/24`, 'dev', 'uplink'])
    run(netns, ['ip', 'link', 'set', 'uplink', 'up'])
  }
  for (const netns of [NODE, OUTSIDE]) until(() => run(netns, ['ip', 'address', 'show', 'tentative']) === '')
  run(NODE, ['ip', 'route', 'add', 'default', 'via', OUTSIDE_ADDRESS])
  run(OUTSIDE, ['ip', 'address', 'add', `${CLIENT_ADDRESS}/32`, 'dev', 'lo'])
}

/** The kernel's side of a power cut: the node is another one, the files are the same. */
export function reboot(): void {
  removeNamespace(NODE)
  removeNamespace(OUTSIDE)
  makeNode()
}

/** A page that says `text` on a port of a namespace, over both families. */
export function serve(netns: string, port: number, text: string): ChildProcess {
  const folder = `/run/www/${netns}-${port}`
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'index.html'), text)
  const server = start(netns, ['busybox', 'httpd', '-f', '-p', `[::]:${port}`, '-h', folder])
  until(() => run(netns, ['ss', '-Hltn', `sport = :${port}`]) !== '')
  return server
}

const FETCH = `const [url, localAddress] = process.argv.slice(1)
  require('node:http').get(url, { timeout: 3000, localAddress }, (answer) => answer.pipe(process.stdout))
  .on('timeout', () => process.exit(1)).on('error', () => process.exit(1))`

/** What a web server says to a client in a namespace, at an address of it; empty where nothing answers. */
export function fetchFrom(netns: string, url: string, address?: string): string {
  const from = address ?? (netns === OUTSIDE ? CLIENT_ADDRESS : undefined)
  return attempt(netns, [process.execPath, '-e', FETCH, url, ...(from === undefined ? [] : [from])]).stdout
}

export function pings(netns: string, address: string): boolean {
  return attempt(netns, ['ping', '-n', '-c', '1', '-W', '3', address]).status === 0
}

interface AddressesOfLink {
  addr_info: { local: string; scope: string }[]
}

/** Global addresses of a link, in the kernel's order; empty where there is no such link. */
export function addressesOf(netns: string, link: string): string[] {
  const { status, stdout } = attempt(netns, ['ip', '-j', 'address', 'show', 'dev', link])
  if (status !== 0) return []
  const links = JSON.parse(stdout) as AddressesOfLink[]
  return links.flatMap(({ addr_info }) => addr_info.filter((a) => a.scope === 'global').map((a) => a.local))
}

export function macOf(netns: string, link: string): string {
  return (JSON.parse(run(netns, ['ip', '-j', 'link', 'show', 'dev', link])) as { address: string }[])[0]?.address ?? ''
}

export function linksOf(netns: string): string[] {
  return (JSON.parse(run(netns, ['ip', '-j', 'link', 'show'])) as { ifname: string }[]).map(({ ifname }) => ifname)
}

/** Waits until something holds; false after the deadline, in milliseconds. */
export function until(fact: () => boolean, deadline = 10_000): boolean {
  for (const end = Date.now() + deadline; Date.now() < end; ) {
    if (fact()) return true
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
  }
  return fact()
}

const STATE_DIRECTORIES = ['/run/flatnet', '/var/lib/cni', '/etc/cni']

/** Files that say nothing of an attachment: cursors, locks, and what is a cache by its own word. */
const NOT_STATE = ['last_reserved_ip.', 'lock', 'catalogue']

/** Words that say what a link or an address is doing just now, not what was configured. */
const MOMENTARY = [
  /^\d+: /,
  / link-netnsid \d+/,
  /(,LOWER_UP|NO-CARRIER,)/,
  / state \w+/,
  / tentative/,
  / linkdown/,
  / counter/,
]

/** What a node has that an attachment could leave behind, a line each; not what the kernel derives from other lines. */
export function snapshot(): string {
  const look = (...command: string[]) => attempt(NODE, command).stdout.split('\n')
  return [
    ...look('ip', '-o', 'link', 'show'),
    ...look('ip', '-o', 'address', 'show'),
    ...['-4', '-6'].flatMap((family) => [
      ...look('ip', family, 'route', 'show', 'table', 'all').filter((line) => !line.includes('proto kernel')),
      ...look('ip', family, 'rule', 'show'),
      ...look('ip', family, 'neighbour', 'show', 'nud', 'permanent'),
    ]),
    ...look('bridge', 'fdb', 'show').filter((line) => line.includes('permanent') && !/^(33:33|01:00:5e):/.test(line)),
    ...look('tc', 'qdisc', 'show').filter((line) => !line.includes('noqueue')),
    ...look('nft', '--stateless', 'list', 'ruleset'),
    ...STATE_DIRECTORIES.flatMap(filesBelow),
  ]
    .map((line) => MOMENTARY.reduce((text, word) => text.replace(word, ''), line.trim().replaceAll(/\s+/g, ' ')))
    .filter((line) => line !== '')
    .join('\n')
}

export function filesBelow(folder: string): string[] {
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch {
    return []
  }
  return names.flatMap((name) => {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) return filesBelow(path)
    return NOT_STATE.some((start) => name.startsWith(start)) ? [] : [path]
  })
}

/** The leases of a network in host-local's store: address to container ID. */
export function leases(network: string): Record<string, string> {
  const folder = `/var/lib/cni/networks/${network}`
  return Object.fromEntries(
    filesBelow(folder)
      .filter((path) => !path.includes('/.flatnet/'))
      .map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8').split('\r\n')[0] ?? '']),
  )
}
