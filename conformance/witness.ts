/** What cases about state look at and wait for: the kernel's own words, files, and time that passes. */

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { check } from './assert.js'
import type { Context } from './context.js'
import type { Json } from './json.js'
import type { Netns } from './netns.js'
import { type Difference, difference, type Snapshot, showDifference } from './snapshot.js'

/** The lines of a snapshot about the node: its namespace and the files. */
export function ofHost(snapshot: Snapshot): Snapshot {
  return snapshot.filter((line) => line.startsWith('host ') || line.startsWith('file '))
}

// The suite's own bridge takes another MAC when it loses a port.
const OWN = ['host link suite*']

/** Fails where something has come that was not in `before` and is no declared leftover; what is gone does not count. */
export function nothingLeft(context: Context, before: Snapshot, what: string, except: readonly string[] = []): void {
  nothingCame(context, what, () =>
    difference(before, context.snapshot(), [
      ...OWN,
      ...context.lastingDirectories,
      ...(context.plugin.leaves ?? []),
      ...except,
    ]),
  )
}

/** As `nothingLeft`, for the node alone. */
export function nothingLeftOnHost(context: Context, before: Snapshot, what: string): void {
  const except = [...OWN, ...(context.plugin.leaves ?? [])]
  nothingCame(context, what, () => difference(ofHost(before), ofHost(context.snapshot()), except))
}

function nothingCame(context: Context, what: string, look: () => Difference): void {
  const { come } = context.settled(() => ({ gone: [], come: look().come }))
  check(come.length === 0, `${what}, but there is:\n${showDifference({ gone: [], come })}`)
}

/** Waits until `holds`, at most `seconds`; fails with `what` then. */
export async function eventually(what: string, holds: () => boolean, seconds = 5): Promise<void> {
  const deadline = performance.now() + seconds * 1000
  while (!holds()) {
    check(performance.now() < deadline, `${what} within ${seconds} s`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Waits until an address answers: one that is looked for duplicates of may take two seconds. */
export async function answers(from: Netns, address: string): Promise<void> {
  await eventually(`${address} answers ${from.name}`, () => from.ping(address), 6)
}

/** Whether the node has no veth whose other end is gone with its namespace. */
export async function linksSettled(context: Context, names: readonly string[]): Promise<void> {
  await eventually('links of a removed namespace go', () => {
    const there = context.host.ip('link', 'show').map(({ ifname }) => ifname)
    return names.every((name) => !there.includes(name))
  })
}

/** Names of the host's veth links. */
export function vethsOf(host: Netns): string[] {
  return host
    .ip('link', 'show')
    .filter(({ linkinfo }) => linkinfo?.info_kind === 'veth')
    .map(({ ifname }) => ifname)
}

/** Addresses of a link with their prefix length, but for link-local ones. */
export function addressesOf(netns: Netns, ifName: string): string[] {
  return ((netns.link(ifName)?.addr_info ?? []) as Json[])
    .filter(({ scope, local }) => scope !== 'link' && local !== undefined)
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`)
}

/** Unicast routes of every table, both families, as `ip` prints them; `table` is there where it is not main. */
export function routesOf(netns: Netns): Json[] {
  return [
    ...netns.ip('-N', '-4', 'route', 'show', 'table', 'all'),
    ...netns.ip('-N', '-6', 'route', 'show', 'table', 'all'),
  ].filter((route) => String(route.table ?? '254') !== '255')
}

/** The routes to a destination; `0.0.0.0/0` and `::/0` are what `ip` calls default. */
export function routesTo(netns: Netns, destination: string): Json[] {
  const [address = '', length] = destination.split('/')
  const host = length === (address.includes(':') ? '128' : '32')
  const six = destination.includes(':')
  const name = destination === '0.0.0.0/0' || destination === '::/0' ? 'default' : host ? address : destination
  return netns
    .ip('-N', six ? '-6' : '-4', 'route', 'show', 'table', 'all')
    .filter(({ dst, table }) => dst === name && String(table ?? '254') !== '255')
}

/** Result addresses of any version: `10.1.2.3/24`. */
export function addressesIn(result: Json): string[] {
  const list = ((result.ips ?? []) as Json[]).map(({ address }) => address)
  const old = [result.ip4, result.ip6].filter((one) => one !== undefined).map(({ ip }) => ip)
  return [...list, ...old]
}

/** Gateways of a result of any version. */
export function gatewaysIn(result: Json): string[] {
  const all = [...((result.ips ?? []) as Json[]), result.ip4 ?? {}, result.ip6 ?? {}]
  return [...new Set(all.map(({ gateway }) => gateway).filter((gateway) => gateway !== undefined))]
}

/** Files below a directory, with their paths. */
export function filesBelow(directory: string): string[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`)
}

export function mount(...args: string[]): void {
  const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' })
  check(status === 0, `mount ${args.join(' ')}: ${stderr}`)
}

export function unmount(path: string): void {
  spawnSync('umount', ['-l', path])
}

/** Makes a directory read-only, for root too, until the returned function is called or the case ends. */
export function readOnly(context: Context, path: string): () => void {
  mount('--bind', path, path)
  mount('-o', 'remount,bind,ro', path)
  let there = true
  const undo = () => {
    if (there) unmount(path)
    there = false
  }
  context.cleanup(undo)
  return undo
}

/** A small file system over a directory, until the returned function is called or the case ends. */
export function small(context: Context, path: string): () => void {
  mount('-t', 'tmpfs', '-o', 'size=64k,nr_inodes=64,mode=0755', 'small', path)
  let there = true
  const undo = () => {
    if (there) unmount(path)
    there = false
  }
  context.cleanup(undo)
  return undo
}

/** Takes every byte and inode that a small file system has left; of any other it takes none. */
export function fill(path: string): void {
  const script = `cd "$0" && [ "$(stat -f -c %b .)" -le 64 ] || exit 3; cat /dev/zero >filler 2>/dev/null; i=0
while : 2>/dev/null >"filler$i" && [ $i -lt 100 ]; do i=$((i+1)); done`
  const { status } = spawnSync('sh', ['-c', script, path])
  check(status !== 3, `${path} is no small file system`)
}

/** A pseudo-random number generator with a seed, so that a failure comes again. */
export function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
