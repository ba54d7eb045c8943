/** Many ADDs in a memory cgroup that is small: does one fail, and how much is used at most? */

import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import type { Owner } from '../../lib/testing/netns.js'

/** A cgroup with a limit that a process may enter. */
export interface MemoryCgroup {
  /** What starts a program inside: `sh -c … COMMAND`. */
  readonly prefix: readonly string[]
  /** Bytes, at most so far. */
  peak(): number
  /** How many processes the kernel ended because memory was short. */
  kills(): number
}

/** In cgroup v2 below the root, in v1 below the cgroup we are in. A string says why there is none. */
export function memoryCgroup(owner: Owner, name: string, limit: number): MemoryCgroup | string {
  const parent = parentOf()
  if (parent === undefined) return 'no memory cgroup is mounted'
  const { path, version } = parent
  const directory = `${path}/flatnet-bench-${process.pid}-${name}`
  try {
    mkdirSync(directory)
  } catch (error) {
    return `no memory cgroup can be made: ${(error as Error).message}`
  }
  owner.teardown(() => rmdirSync(directory))
  const files =
    version === 2
      ? { limit: 'memory.max', peak: 'memory.peak', kills: 'memory.events' }
      : { limit: 'memory.limit_in_bytes', peak: 'memory.max_usage_in_bytes', kills: 'memory.oom_control' }
  const missing = Object.values(files).find((file) => !existsSync(`${directory}/${file}`))
  if (missing !== undefined) return `this kernel has no ${missing}`
  writeFileSync(`${directory}/${files.limit}`, String(limit))
  const read = (file: string) => readFileSync(`${directory}/${file}`, 'utf8')
  return {
    prefix: ['sh', '-c', `echo $$ > ${directory}/cgroup.procs && exec "$@"`, 'sh'],
    peak: () => Number(read(files.peak)),
    kills: () => Number(/^oom_kill (\d+)$/m.exec(read(files.kills))?.[1] ?? 0),
  }
}

function parentOf(): { readonly path: string; readonly version: 1 | 2 } | undefined {
  if (existsSync('/sys/fs/cgroup/cgroup.controllers')) {
    return readFileSync('/sys/fs/cgroup/cgroup.subtree_control', 'utf8').split(/\s+/).includes('memory')
      ? { path: '/sys/fs/cgroup', version: 2 }
      : undefined
  }
  const own = /^\d+:memory:(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1]
  const path = `/sys/fs/cgroup/memory${own ?? ''}`
  return own !== undefined && existsSync(path) ? { path, version: 1 } : undefined
}
