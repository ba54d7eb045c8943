/** A list of bridge and one plugin behind it: what bridge itself can be told is bridge's own scenario. */

import type { Json } from '../../../lib/testing/cni.js'
import { type Draft, type Factor, unset, type Value } from '../factor.js'
import { DIRECTORY, emptyDraft, pluginOf } from './common.js'

const RANGES: Readonly<Record<string, Json>> = {
  both: [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd01::/64' }]],
  IPv4: [[{ subnet: '10.1.0.0/24' }]],
  IPv6: [[{ subnet: 'fd01::/64' }]],
}

export const FAMILY: Factor = {
  name: 'addresses',
  values: Object.entries(RANGES).map(([id, ranges]) => ({
    id,
    kind: 'good',
    apply: ({ ipam }) => void Object.assign(ipam, { ranges: structuredClone(ranges) }),
  })),
}

export function chainedDraft(): Draft {
  const draft = emptyDraft()
  Object.assign(draft.main, { bridge: 'cni0', isDefaultGateway: true })
  Object.assign(draft.ipam, { type: 'host-local', dataDir: `${DIRECTORY}/data` })
  return draft
}

/** bridge, then `type`; or `type` alone where there is to be no previous result. */
export function listOf(type: string, draft: Draft): Json[] {
  const own = pluginOf(type, draft.chained, draft)
  const first = { ...draft, runtime: {}, args: {} }
  return draft.main.bridge === undefined ? [own] : [pluginOf('bridge', { ...draft.main, ipam: draft.ipam }, first), own]
}

function alone(id: string, prevResult: Json, more: Partial<Value> = {}): Value {
  return {
    id,
    kind: 'bad',
    ...more,
    apply(draft) {
      delete draft.main.bridge
      if (prevResult !== undefined) draft.chained.prevResult = structuredClone(prevResult)
    },
  }
}

/** The result that a plugin behind another is given. */
export const CHAIN: Factor = {
  name: 'chain',
  values: [
    { ...unset, id: 'behind bridge' },
    alone('alone', undefined),
    alone('prevResult null', null),
    alone('prevResult {}', {}),
    alone('prevResult as text', 'x'),
    alone('prevResult of another version', { cniVersion: '9.9.9' }),
    alone('prevResult without interfaces', { ips: [{ version: '4', address: '10.1.0.9/24' }] }),
    alone('prevResult with a bad address', { ips: [{ version: '4', address: 'x' }] }),
  ],
}

export const isAlone = (of: (factor: string) => string | undefined): boolean =>
  (of('chain') ?? 'behind bridge') !== 'behind bridge'
