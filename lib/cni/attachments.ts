/** The list of attachments that GC must keep. https://www.cni.dev/docs/spec/#gc-clean-up-any-stale-resources */

import { CniError, ErrorCode } from './error.js'

export interface AttachmentName {
  readonly containerId: string
  readonly ifName: string
}

/**
 * The valid attachments of a GC request; `[]` (and `null`, which a runtime without pods sends) means
 * that everything of this network is stale. Undefined where neither the key nor its former name is
 * given, as `cnitool gc` does: then nothing is known, and nothing may be removed.
 * Throws code 7 for what is not a list of attachments.
 */
export function validAttachments(raw: Record<string, unknown>): AttachmentName[] | undefined {
  const key = ['cni.dev/valid-attachments', 'cni.dev/attachments'].find((candidate) => candidate in raw)
  if (key === undefined) return undefined
  const list = raw[key]
  if (list === null) return []
  const wrong = (why: string) =>
    new CniError(ErrorCode.InvalidConfig, `invalid "${key}": ${why}`, 'nothing was removed')
  if (!Array.isArray(list)) throw wrong('it is not a list')
  return list.map((entry: unknown, at) => {
    const { containerID, ifname } = (entry ?? {}) as { containerID?: unknown; ifname?: unknown }
    if (typeof containerID !== 'string' || containerID === '') throw wrong(`entry ${at} has no containerID`)
    if (typeof ifname !== 'string' || ifname === '') throw wrong(`entry ${at} has no ifname`)
    return { containerId: containerID, ifName: ifname }
  })
}
