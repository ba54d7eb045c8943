/** Network namespaces with a path, as a runtime makes them, and programs run inside. */

import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync } from 'node:fs'
import type { Json } from './json.js'
import { type Output, Shell } from './shell.js'

const NETNS = '/run/netns'
let made = 0

export class Netns {
  readonly path: string

  /** Inside, until the namespace is unmounted: a process in it keeps it alive. */
  #shell: Shell | undefined

  private constructor(readonly name: string) {
    this.path = `${NETNS}/${name}`
    mkdirSync(NETNS, { recursive: true })
    closeSync(openSync(this.path, 'w'))
    this.#shell = new Shell(['unshare', `--net=${this.path}`])
  }

  /** A fresh namespace; `lo` is down, as the kernel makes it, unless it is to be up. */
  static create(label: string, { loopback = false } = {}): Netns {
    const netns = new Netns(`${label}-${++made}`)
    try {
      netns.run(...(loopback ? ['ip', 'link', 'set', 'lo', 'up'] : ['true']))
    } catch (error) {
      netns.remove()
      throw error
    }
    return netns
  }

  /** Runs a program inside; its output whatever its status. */
  try(command: readonly string[]): Output {
    return this.#inside().try(command)
  }

  /** Runs a program inside that must succeed; its stdout. */
  run(...command: string[]): string {
    return this.#succeeded(command.join(' '), this.try(command))
  }

  /** Shell lines inside that must succeed; what they print. */
  sh(...lines: string[]): string {
    const text = lines.join('\n')
    return this.#succeeded(text, this.#inside().script(text))
  }

  get isUnmounted(): boolean {
    return this.#shell === undefined
  }

  #inside(): Shell {
    if (this.#shell === undefined) throw new Error(`${this.name} has been unmounted`)
    return this.#shell
  }

  #succeeded(what: string, { status, stdout, stderr }: Output): string {
    if (status !== 0) throw new Error(`${this.name}$ ${what}: exit ${status}\n${stdout}${stderr}`)
    return stdout
  }

  /** `ip -j -d …` as it prints it. */
  ip(...args: string[]): Json[] {
    const text = this.run('ip', '-j', '-d', ...args)
    return text.trim() === '' ? [] : JSON.parse(text)
  }

  /** The link of that name with its addresses, as `ip` prints it; undefined where there is none. */
  link(name: string): Json | undefined {
    return this.ip('addr', 'show').find((link) => link.ifname === name)
  }

  /** Whether `address` answers one packet within two seconds. */
  ping(address: string): boolean {
    return this.try(['ping', '-n', '-c', '1', '-W', '2', address]).status === 0
  }

  /** Unmounts the namespace and leaves the plain file behind, as a runtime's crash does. */
  unmount(): void {
    this.#shell?.end()
    this.#shell = undefined
    spawnSync('umount', ['-l', this.path])
  }

  /** Unmounts the namespace and removes its path. */
  remove(): void {
    this.unmount()
    rmSync(this.path, { force: true })
  }
}
