/** Network namespaces with a path, as a runtime makes them, and programs run inside. */

import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync } from 'node:fs'
import type { Json } from './json.js'

export interface Output {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

const NETNS = '/run/netns'
let made = 0

export class Netns {
  readonly path: string

  private constructor(readonly name: string) {
    this.path = `${NETNS}/${name}`
  }

  /** A fresh namespace; `lo` is down, as the kernel makes it, unless it is to be up. */
  static create(label: string, { loopback = false } = {}): Netns {
    const netns = new Netns(`${label}-${++made}`)
    mkdirSync(NETNS, { recursive: true })
    closeSync(openSync(netns.path, 'w'))
    const { status, stderr } = spawnSync(
      'unshare',
      [`--net=${netns.path}`, ...(loopback ? ['ip', 'link', 'set', 'lo', 'up'] : ['true'])],
      { encoding: 'utf8' },
    )
    if (status !== 0) throw new Error(`cannot make a network namespace: ${stderr}`)
    return netns
  }

  /** Runs a program inside; its output whatever its status. */
  try(command: readonly string[], input = ''): Output {
    const { status, stdout, stderr } = spawnSync('nsenter', [`--net=${this.path}`, '--', ...command], {
      input,
      timeout: 120_000,
      encoding: 'utf8',
      maxBuffer: 256 << 20,
    })
    return { status: status ?? 128, stdout: stdout ?? '', stderr: stderr ?? '' }
  }

  /** Runs a program inside that must succeed; its stdout. */
  run(...command: string[]): string {
    const { status, stdout, stderr } = this.try(command)
    if (status !== 0) throw new Error(`${this.name}$ ${command.join(' ')}: exit ${status}\n${stdout}${stderr}`)
    return stdout
  }

  /** Shell lines inside that must succeed; what they print. */
  sh(...lines: string[]): string {
    return this.run('sh', '-e', '-c', lines.join('\n'))
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
    spawnSync('umount', ['-l', this.path])
  }

  /** Unmounts the namespace and removes its path. */
  remove(): void {
    this.unmount()
    rmSync(this.path, { force: true })
  }
}
