/** Namespaces of our own, for all that is started below: network, mounts, processes. */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'

/** With the first of these processes gone, so is everything they made; `--kill-child` ends it with us. */
export const PRIVATELY = [
  'unshare',
  ...['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--propagation', 'private'],
  '--',
]

/**
 * Gives everything that plugins and runtimes write to a file system of ours, for use inside only: `/run`, `/var/lib/cni`
 * and `/opt` are empty, `/etc` is the machine's with our changes in memory.
 */
export function hideTheMachine(): void {
  empty('/run')
  for (const path of ['/run/netns', '/run/flatnet', '/run/etc/changed', '/run/etc/work']) {
    mkdirSync(path, { recursive: true })
  }
  mount('-t', 'overlay', '-o', 'lowerdir=/etc,upperdir=/run/etc/changed,workdir=/run/etc/work', 'flatnet', '/etc')
  for (const path of ['/etc/cni', '/etc/containerd']) if (existsSync(path)) empty(path)
  mkdirSync('/etc/cni/net.d', { recursive: true })
  empty('/opt')
  empty('/var/lib')
  // No runtime may find a plugin that is not of the set under test.
  for (const path of ['/usr/lib/cni', '/usr/libexec/cni']) if (existsSync(path)) empty(path)
}

export function empty(path: string): void {
  mount('-t', 'tmpfs', '-o', 'mode=0755', 'flatnet', path)
}

export function mount(...args: string[]): void {
  const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`mount ${args.join(' ')}: ${stderr.trim()}`)
}
