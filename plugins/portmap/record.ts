/** The record of an attachment: what is in the ruleset for it, in words that JSON has. */

import { CniError, ErrorCode, isCniError, messageOf } from '../../lib/cni/error.js'
import { type Family, formatAddress, type IpAddress, parseAddress } from '../../lib/ip/address.js'
import { type Conditions, conditionsChain, parseConditions } from '../../lib/ruleset/conditions.js'
import type { Exposed, ExposedFamily, PortMapping, SourceMode } from '../../lib/ruleset/host-ports-table.js'
import { isOfContainer, type Owner, type Tag } from '../../lib/ruleset/owner.js'
import { listLegible, listReady, type ReadyRecord } from '../../lib/store/record.js'
import type { Shape } from '../../lib/store/shape.js'
import { warn } from '../../lib/sys/log.js'

export const PLUGIN = 'portmap'

/** One family's part. */
interface RecordedFamily {
  readonly address: string
  readonly beside?: string
  readonly mappings: readonly (Omit<PortMapping, 'hostAddress'> & { readonly hostAddress?: string })[]
  /** The words of the conditions. */
  readonly conditions?: readonly string[]
}

export interface Recorded {
  readonly mode: SourceMode
  readonly pod?: string
  /** The host's end of the container's link. */
  readonly link?: string
  /** The reference had mapped ports for this container before: they go with its DEL. */
  readonly reference?: boolean
  readonly families: readonly RecordedFamily[]
}

export const SHAPE: Shape = {
  mode: 'string',
  'pod?': 'string',
  'link?': 'string',
  'reference?': 'boolean',
  families: [
    {
      address: 'string',
      'beside?': 'string',
      mappings: [{ protocol: 'string', hostPort: 'number', containerPort: 'number', 'hostAddress?': 'string' }],
      'conditions?': ['string'],
    },
  ],
}

/** An attachment's part of the ruleset, and the conditions it needs by the names of their chains. */
export interface Restored {
  readonly exposed: Exposed
  readonly conditions: ReadonlyMap<string, Conditions>
}

export function recordOf({ owner, mode, families }: Exposed, conditions: ReadonlyMap<string, Conditions>): Recorded {
  return {
    mode,
    ...(owner.pod === undefined ? {} : { pod: owner.pod }),
    ...(owner.link === undefined ? {} : { link: owner.link }),
    families: families.map(({ address, beside, mappings, conditions: chain }) => {
      const words = chain === undefined ? undefined : conditions.get(chain)?.words
      return {
        address: formatAddress(address),
        ...(beside === undefined ? {} : { beside }),
        mappings: mappings.map(({ hostAddress, ...mapping }) => ({
          ...mapping,
          ...(hostAddress === undefined ? {} : { hostAddress: formatAddress(hostAddress) }),
        })),
        ...(words === undefined ? {} : { conditions: words }),
      }
    }),
  }
}

type Whose = Pick<Owner, 'network' | 'containerId' | 'ifName'>

function restore(owner: Whose, recorded: Recorded): Restored {
  const { mode, pod, link } = recorded
  const conditions = new Map<string, Conditions>()
  const families: ExposedFamily[] = recorded.families.map(({ address, beside, mappings, conditions: words = [] }) => {
    const parsed = requireAddress(address)
    const chain = words.length === 0 ? undefined : conditionsChain({ family: parsed.family, words })
    const asked = legible(parsed.family, words)
    if (asked !== undefined && chain !== undefined) conditions.set(chain, asked)
    return {
      address: parsed,
      ...(beside === undefined ? {} : { beside }),
      mappings: mappings.map(({ hostAddress, ...mapping }) => ({
        ...mapping,
        ...(hostAddress === undefined ? {} : { hostAddress: requireAddress(hostAddress) }),
      })),
      ...(chain === undefined ? {} : { conditions: chain }),
    }
  })
  const whose = { ...owner, ...(pod === undefined ? {} : { pod }), ...(link === undefined ? {} : { link }) }
  return { exposed: { owner: whose, mode, families }, conditions }
}

/** Undefined for what another version has taken and this one does not: such words must not stop a DEL. */
function legible(family: Family, words: readonly string[]): Conditions | undefined {
  try {
    return parseConditions('conditions', family, words)
  } catch {
    return undefined
  }
}

/** Undefined for a record whose addresses are none. */
export function restoreIfLegible(owner: Whose, recorded: Recorded): Restored | undefined {
  try {
    return restore(owner, recorded)
  } catch (error) {
    if (!isCniError(error)) throw error
    warn(`the record of ${owner.containerId}/${owner.ifName} counts as none: ${messageOf(error)}`)
    return undefined
  }
}

function requireAddress(text: string): IpAddress {
  const address = parseAddress(text)
  if (address !== undefined) return address
  throw new CniError(ErrorCode.IoFailure, `${JSON.stringify(text)} is not an address`)
}

/** Every attachment that a record of this boot says is mapped, in all networks. */
export function restoreAll(stateDir: string): Restored[] {
  return restored(listReady<Recorded>(stateDir, PLUGIN, SHAPE))
}

/** The other attachments of a container, whatever their state. */
export function restoreSiblings(stateDir: string, tag: Tag): Restored[] {
  const others = listLegible<Recorded>(stateDir, PLUGIN, SHAPE)
  return restored(others.filter(({ key, containerId }) => key !== tag.key && isOfContainer(tag, containerId)))
}

function restored(records: readonly ReadyRecord<Recorded>[]): Restored[] {
  return records.flatMap(({ content, ...owner }) => restoreIfLegible(owner, content) ?? []).filter(hasAllConditions)
}

/** Ports that were under conditions must not come back without. */
function hasAllConditions({ exposed: { families }, conditions }: Restored): boolean {
  return families.every(({ conditions: chain }) => chain === undefined || conditions.has(chain))
}
