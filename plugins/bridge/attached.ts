/** The record of an attachment: what the host side is, so that it can be undone without anything else. */

import type { Request } from '../../lib/cni/request.js'
import type { RecordPlace, RecordsPlace } from '../../lib/store/record.js'
import type { Shape } from '../../lib/store/shape.js'
import { stateDirOf } from './config.js'
import type { RecordedRules } from './ruleset.js'

export interface Attached {
  /** Name of the host's end of the pair. */
  readonly hostLink: string
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

export const PLUGIN = 'bridge'

export const SHAPE: Shape = {
  hostLink: 'string',
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

/** Where the records of a network are. */
export function placesOf({ config, network }: Whose): RecordsPlace {
  return { stateDir: stateDirOf(config), plugin: PLUGIN, network, shape: SHAPE }
}

type Whose = Pick<Request<{ readonly stateDir?: string }>, 'config' | 'network'>

export function placeOf(
  { config, network }: Whose,
  { containerId, ifName }: { readonly containerId: string; readonly ifName: string },
): RecordPlace {
  return { ...placesOf({ config, network }), containerId, ifName }
}
