/** What a plugin's commands are given. The specification's rules are in the types. */

import type { AttachmentName } from './attachments.js'
import type { Command } from './environment.js'
import type { Result } from './result.js'
import type { CniVersion } from './version.js'

export interface Request<C> {
  readonly command: Command
  /** The network's name. */
  readonly network: string
  readonly cniVersion: CniVersion
  readonly config: C
  /** Directories to find delegates in. */
  readonly path: readonly string[]
  /** stdin as it came, for a delegate that is another program. */
  readonly stdin: Uint8Array
  /** stdin parsed, before any schema, for a delegate in this process. */
  readonly raw: Record<string, unknown>
}

interface AttachmentRequest<C> extends Request<C> {
  readonly containerId: string
  readonly ifName: string
  /** The pairs of CNI_ARGS. */
  readonly args: ReadonlyMap<string, string>
  /** CNI_ARGS as it came, for a delegate in this process. */
  readonly rawArgs: string
}

export interface AddRequest<C> extends AttachmentRequest<C> {
  /** Path of the container's network namespace. */
  readonly netns: string
  readonly prevResult?: Result
}

export interface CheckRequest<C> extends AttachmentRequest<C> {
  readonly netns: string
  readonly prevResult: Result
}

/** On DEL anything may be missing: the namespace (`''`), the previous result, most of the configuration. */
export interface DelRequest<C> extends AttachmentRequest<Partial<C>> {
  readonly netns: string
  readonly prevResult?: Result
}

export interface GcRequest<C> extends Request<Partial<C>> {
  /** What to keep; undefined where the runtime did not say: then only delegates are called. */
  readonly valid: readonly AttachmentName[] | undefined
}

export type StatusRequest<C> = Request<C>

/** The attachments of a GC request as a lookup. */
export function keeps(valid: readonly AttachmentName[]): (attachment: AttachmentName) => boolean {
  const pairs = new Set(valid.map(({ containerId, ifName }) => `${containerId} ${ifName}`))
  return ({ containerId, ifName }) => pairs.has(`${containerId} ${ifName}`)
}
