/** The record of an attachment: what the host side is, so that it can be undone without anything else. */

import { stateDirOf } from '../attachment/state-dir.js'
import type { Request } from '../cni/request.js'
import type { RecordPlace, RecordsPlace } from '../store/record.js'
import type { Shape } from '../store/shape.js'

export interface Attached {
  /** Name of the host's end of the pair; `''` where the container's link has none. */
  readonly hostLink: string
  /** The container's namespace, for a link that can be found only there. */
  readonly netns?: string
  /** Where the host's neighbour entries for the container are; `''` where the host is no gateway. */
  readonly gatewayLink: string
  /** The container's, with prefix length. */
  readonly addresses: readonly string[]
  /** The container's; absent before it has addresses. */
  readonly mac?: string
  /** Type of the IPAM plugin; `''` at layer 2. */
  readonly ipam: string
  /** Absent where there is nothing of it in the ruleset. */
  readonly rules?: RecordedRules
}

/** What JSON has words for. */
export interface RecordedRules {
  readonly masquerade?: {
    readonly exclude: readonly string[]
    readonly fullyRandom: boolean
    readonly to: readonly string[]
  }
  /** The MAC that frames must come from. */
  readonly mac?: string
  readonly pod?: string
}

export const SHAPE: Shape = {
  hostLink: 'string',
  'netns?': 'string',
  gatewayLink: 'string',
  addresses: ['string'],
  'mac?': 'string',
  ipam: 'string',
  'rules?': {
    'masquerade?': { exclude: ['string'], fullyRandom: 'boolean', to: ['string'] },
    'mac?': 'string',
    'pod?': 'string',
  },
}

/** The plugins that make pairs and masquerade: aliases and tables do not tell which of them made an entry. */
export const PAIRING = ['bridge', 'ptp'] as const

/** Where the records of a plugin in a network are. */
export function placesOf(
  plugin: string,
  { config, network }: Pick<Request<{ readonly stateDir?: string }>, 'config' | 'network'>,
): RecordsPlace {
  return { stateDir: stateDirOf(config), plugin, network, shape: SHAPE }
}

export function placeOf(
  plugin: string,
  request: Pick<Request<{ readonly stateDir?: string }>, 'config' | 'network'> & {
    readonly containerId: string
    readonly ifName: string
  },
): RecordPlace {
  const { containerId, ifName } = request
  return { ...placesOf(plugin, request), containerId, ifName }
}
