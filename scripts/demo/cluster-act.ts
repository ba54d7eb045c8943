/** Three nodes, pods on each; the nodes on one segment (host-gw), or each behind a router (vxlan). */

import { mkdirSync, writeFileSync } from 'node:fs'
import { BIN, type Json } from '../../lib/testing/cni.js'
import { beside, block, columnsOf, framed, middles, strokes } from '../terminal/block.js'
import { paint } from '../terminal/style.js'
import type { Act } from './act.js'
import { Host } from './host.js'
import { type Interface, interfacesOf, routesOf } from './look.js'
import { pingAll } from './pings.js'
import { removeAndVerify } from './remove.js'
import type { Stage } from './stage.js'

interface Underlay {
  readonly name: string
  /** What the nodes have in common, in words. */
  readonly words: string
  /** Address of node `number` with prefix length, and its router. */
  address(number: number): string
  gateway?(number: number): string
}

const SWITCH: Underlay = {
  name: 'switch',
  words: 'one segment: 10.0.0.0/24',
  address: (number) => `10.0.0.${number}/24`,
}

const ROUTER: Underlay = {
  name: 'router',
  words: 'a segment a node: 10.0.1.0/24, 10.0.2.0/24, 10.0.3.0/24; it knows no pod',
  address: (number) => `10.0.${number}.2/24`,
  gateway: (number) => `10.0.${number}.1`,
}

const NODES = [1, 2, 3]
const GAP = 2

export const hostGwAct: Act = {
  name: 'host-gw',
  summary: 'three nodes on one segment: plain routes, no overlay',
  play: (stage) => playCluster(stage, 'host-gw', SWITCH),
}

export const vxlanAct: Act = {
  name: 'vxlan',
  summary: 'three nodes behind a router: an overlay',
  play: (stage) => playCluster(stage, 'vxlan', ROUTER),
}

function playCluster(stage: Stage, type: 'host-gw' | 'vxlan', underlay: Underlay): void {
  const hosts = NODES.map((number) => new Host(stage, `node-${number}`, conflist(type, number), folder(number)))
  connect(stage, hosts, underlay)
  for (const [at, host] of hosts.entries()) {
    writeTable(
      at + 1,
      NODES.map((number) => tableEntry(number, underlay)),
    )
    for (const letter of ['a', 'b']) host.attach(`pod-${at + 1}${letter}`)
  }
  const pods = hosts.flatMap((host) => host.pods)

  stage.say(...drawCluster(hosts, underlay), '')
  const { table, sent, answered } = pingAll(pods)
  stage.say(paint('dim', 'round trips in ms'), ...table.split('\n'), '')
  stage.claim(answered === sent, `${answered} of ${sent} pings answered`)
  const [first, last] = [pods[0], pods.at(-1)]
  const mtu = first === undefined ? 0 : (interfacesOf(first.netns).find(({ name }) => name === 'eth0')?.mtu ?? 0)
  const whole = first?.netns.ping(last?.addresses[0] ?? '', { size: mtu - 28 }) === true
  stage.claim(whole, `packets of ${mtu} bytes cross from ${first?.name} to ${last?.name} whole`)
  for (const host of hosts) host.check()
  stage.claim(true, 'CHECK finds every pod and every node as ADD left them')

  removeAndVerify(stage, hosts)
  for (const [at, host] of hosts.entries()) {
    writeTable(at + 1, [tableEntry(at + 1, underlay)])
    host.netns.run(`${BIN}/flatnet`, 'sync', writeConflist(host, at + 1))
  }
  const routes = hosts.flatMap(({ netns }) => routesOf(netns).filter(({ to }) => to.startsWith('10.244.')))
  stage.claim(routes.length === 0, 'flatnet sync removes the routes to nodes taken out of the table')
}

function folder(number: number): string {
  return `/run/flatnet/node-${number}`
}

function conflist(type: string, number: number): Json {
  const ranges = [[{ subnet: `10.244.${number}.0/24` }]]
  const stateDir = folder(number)
  return {
    cniVersion: '1.1.0',
    name: 'podnet',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isDefaultGateway: true,
        stateDir,
        ipam: { type: 'host-local', dataDir: `${stateDir}/networks`, ranges },
      },
      { type, stateDir, nodesFile: `${stateDir}/nodes.json` },
    ],
  }
}

function writeConflist(host: Host, number: number): string {
  const path = `${folder(number)}/podnet.conflist`
  writeFileSync(path, JSON.stringify(host.conflist))
  return path
}

function tableEntry(number: number, { address }: Underlay): Json {
  return {
    name: `node-${number}`,
    addresses: [address(number).split('/')[0]],
    podCIDRs: [`10.244.${number}.0/24`],
  }
}

function writeTable(number: number, nodes: Json[]): void {
  mkdirSync(folder(number), { recursive: true })
  writeFileSync(`${folder(number)}/nodes.json`, JSON.stringify({ nodes }))
}

/** An `eth0` in every node, its other end in the switch or the router. */
function connect(stage: Stage, hosts: readonly Host[], { name, address, gateway }: Underlay): void {
  const middle = stage.netns(name)
  if (gateway === undefined) middle.batch('link add lan type bridge', 'link set lan up')
  else middle.run('sysctl', '-qw', 'net.ipv4.ip_forward=1')
  for (const [at, { netns }] of hosts.entries()) {
    const number = at + 1
    middle.run('ip', 'link', 'add', `port${number}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', netns.path)
    if (gateway === undefined) middle.batch(`link set port${number} up master lan`)
    else middle.batch(`addr add ${gateway(number)}/24 dev port${number}`, `link set port${number} up`)
    netns.batch(`addr add ${address(number)} dev eth0`, 'link set eth0 up')
    if (gateway !== undefined) netns.batch(`route add default via ${gateway(number)}`)
  }
}

function drawCluster(hosts: readonly Host[], underlay: Underlay): string[] {
  const insides = hosts.map((host) => insideNode(host))
  const room = Math.max(...insides.map((lines) => columnsOf(block(lines))))
  const frame = (at: number, below: number[] = []) =>
    framed(hosts[at]?.name ?? '', block(insides[at] ?? [], room), { below })
  const plain = hosts.map((_, at) => frame(at))
  const joints = middles(plain, GAP)
  const row = beside(
    plain.map((text, at) => frame(at, [columnsOf(text) >> 1])),
    GAP,
  )
  const bottom = framed(underlay.name, block([paint('dim', underlay.words)], columnsOf(row) - 4), { above: joints })
  return [...row, strokes(joints), ...bottom]
}

/** Links with their addresses; pods under the bridge, routes to other nodes under the link they leave by. */
function insideNode(host: Host): string[] {
  const routes = routesOf(host.netns)
  const links = interfacesOf(host.netns).filter(({ name, kind }) => kind !== undefined && !name.startsWith('veth'))
  return links
    .toSorted((a, b) => order(a) - order(b))
    .flatMap((link) => [
      `${paint('cyan', link.name.padEnd(6))} ${ownAddresses(link, links).join(' ')}`,
      ...(link.kind === 'bridge' ? host.pods.map(({ name, addresses }) => `  ${name} ${addresses.join(' ')}`) : []),
      ...routes
        .filter((route) => route.link === link.name)
        .map(({ to, via }) => paint('dim', `  ${to} → ${tunnelEnd(host, link, via) ?? via}`)),
    ])
}

/** A tunnel has its node's address too, which is drawn where it belongs. */
function ownAddresses({ kind, addresses }: Interface, links: readonly Interface[]): readonly string[] {
  if (kind !== 'vxlan') return addresses
  const others = links.filter((link) => link.kind !== 'vxlan').flatMap((link) => link.addresses)
  const known = new Set(others.map((address) => address.split('/')[0]))
  return addresses.filter((address) => !known.has(address.split('/')[0]))
}

function order({ kind, name }: Interface): number {
  return kind === 'bridge' ? 0 : name === 'eth0' ? 2 : 1
}

/** Where the tunnel sends what goes to `via`: its neighbour entry's MAC, and that MAC's FDB entry. */
function tunnelEnd(host: Host, { kind, name }: Interface, via: string | undefined): string | undefined {
  if (kind !== 'vxlan') return undefined
  const neighbour = host.netns.ip('neigh', 'show', 'dev', name).find(({ dst }) => dst === via)
  const entries = JSON.parse(host.netns.run('bridge', '-j', 'fdb', 'show', 'dev', name)) as {
    mac: string
    dst: string
  }[]
  return entries.find(({ mac }) => mac === neighbour?.lladdr)?.dst
}
