/** Our program that links libcni (`go/libcni`): each call is a process of its own with the library's cache on disk. */

import { NODE, run } from './lab.js'
import { type Conflist, PROGRAMS } from './plugin-sets.js'

export const CACHE = '/var/lib/cni'

export interface Attachment {
  readonly id: string
  readonly netns: string
  readonly ifname: string
  readonly args?: readonly (readonly [string, string])[]
  readonly capabilities?: Record<string, unknown>
}

export interface CniResult {
  cniVersion: string
  interfaces: { name: string; mac?: string; sandbox?: string }[]
  ips: { address: string; interface: number; gateway?: string }[]
}

export interface Answer {
  readonly result?: CniResult
  readonly error?: string
  readonly code?: number
  readonly details?: string
  readonly milliseconds: number
}

export interface Call {
  readonly verb: 'add' | 'check' | 'del' | 'gc' | 'status'
  readonly conflist: Conflist
  readonly path: readonly string[]
  readonly attachments?: readonly Attachment[]
  readonly valid?: readonly { containerID: string; ifname: string }[]
  /** check, del: with the configuration, args and capabilities of the cache, as CRI-O does. */
  readonly restore?: boolean
  readonly cacheDir?: string
}

/** One answer an attachment, whatever became of it; all are served at once. */
export function callLibrary(call: Call): Answer[] {
  const input = JSON.stringify({ cacheDir: CACHE, ...call })
  return JSON.parse(run(NODE, [`${PROGRAMS}/libcni`], { input, timeout: 180_000 })) as Answer[]
}

/** The answers of a call that must succeed for all. */
export function mustCall(call: Call): Answer[] {
  const answers = callLibrary(call)
  const refused = answers.filter(({ error }) => error !== undefined)
  if (refused.length > 0) {
    const words = refused.slice(0, 3).map(({ error, details }) => `${error} ${details ?? ''}`)
    throw new Error(`${call.verb}: ${refused.length} of ${answers.length} failed\n${words.join('\n')}`)
  }
  return answers
}
