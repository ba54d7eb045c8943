/** The programs the suite itself needs. One that is missing must not look like a failure of a plugin. */

import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { privately } from './run.js'

const TOOLS = ['sh', 'unshare', 'nsenter', 'mount', 'umount', 'mkfifo', 'flock', 'ip', 'ping', 'grep', 'sed', 'sleep']

/** What a program must be able to do, in a namespace of its own: others of the same name cannot. */
const PROBES: Record<string, string> = {
  ip: 'ip -j -d link show lo',
  ping: 'ip link set lo up && ping -n -c 1 -W 2 127.0.0.1',
}

/** Throws where a program is not there, or is not the one that is meant. */
export function needTools(path = process.env['PATH'] ?? ''): void {
  const missing = TOOLS.filter((tool) => !path.split(':').some((folder) => isExecutable(join(folder, tool))))
  if (missing.length > 0) throw new Error(`the suite needs ${missing.join(', ')}: not found in ${path}`)
  const [program = '', ...args] = privately()
  for (const [tool, script] of Object.entries(PROBES)) {
    const { status, stdout, stderr } = spawnSync(program, [...args, 'sh', '-c', script], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`the suite needs a ${tool} that does this: ${script}\n${stdout}${stderr}`.trim())
  }
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
