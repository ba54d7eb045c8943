/** bandwidth behind bridge. */

import { type Factor, key, raw, type Scenario, toText, unset, type Value, value } from '../factor.js'
import { CHAIN, chainedDraft, FAMILY, isAlone, listOf } from './chained.js'
import { CNI_ARGS, calls, IF_NAME, NAME, NETNS, version } from './common.js'

const WRONG = [-1, '1000000', 1.5, true]

const limit = (direction: string): Factor => ({
  name: direction,
  values: [
    unset,
    both(direction, 8e6, 800_000),
    both(direction, 800e6, 80_000_000),
    both(direction, 1e9, 8 * 1500, 'edge'),
    both(direction, 40e9, 8 * 1024 * 1024, 'edge'),
    both(direction, 8, 8 * 2000, 'edge'),
    both(direction, 1_000_001, 800_001, 'edge'),
    both(direction, 0, 0, 'edge'),
    both(direction, 8e6, 8, 'bad', 0),
    both(direction, 8e6, 2 ** 35, 'bad'),
    both(direction, 8e6, 2 ** 31 - 1, 'bad', 0),
    both(direction, 7, 8 * 2000, 'bad'),
    both(direction, 8e6, undefined, 'bad', 0),
    both(direction, undefined, 800_000, 'bad'),
    both(direction, 8e6, 0, 'bad', 0),
    both(direction, raw('18446744073709551615'), 8 * 2000, 'bad', 0),
    ...WRONG.map((one) => both(direction, one, 800_000, 'bad')),
    both(direction, 8e6, -1, 'bad'),
    both(direction, 8e6, '800000', 'bad'),
  ],
})

function both(direction: string, rate: unknown, burst: unknown, kind: Value['kind'] = 'good', code = 7): Value {
  return {
    id: `${toText(rate ?? null)} ${toText(burst ?? null)}`,
    kind,
    code,
    apply(draft) {
      const where = draft.runtime.bandwidth ?? draft.chained
      if (rate !== undefined) where[`${direction}Rate`] = rate
      if (burst !== undefined) where[`${direction}Burst`] = burst
    },
  }
}

/** Where the limits are: at the top, or in the capability. Before them, for they ask. */
const PLACE: Factor = {
  name: 'place',
  values: [
    { ...unset, id: 'the top' },
    { id: 'the capability', kind: 'good', apply: ({ runtime }) => void Object.assign(runtime, { bandwidth: {} }) },
  ],
}

/** After the limits: what is in the other place as well. */
const BESIDES: Factor = {
  name: 'besides',
  values: [
    unset,
    value('chained.ingressRate', 0, { id: 'a rate of 0 at the top', kind: 'edge' }),
    value('runtime.bandwidth', null, { id: 'a capability of null', kind: 'edge' }),
    {
      id: 'limits at the top before those of the capability',
      kind: 'good',
      apply({ chained, runtime }) {
        Object.assign(chained, { egressRate: 16e6, egressBurst: 1.6e6 })
        runtime.bandwidth = { ingressRate: 1e6, ingressBurst: 1e6, egressRate: 1e6, egressBurst: 1e6 }
      },
    },
    value('runtime.bandwidth', 'x', { kind: 'bad' }),
    value('runtime.bandwidth', [], { kind: 'bad' }),
  ],
}

export const BANDWIDTH: Scenario = {
  name: 'bandwidth',
  factors: [
    version('0.3.0'),
    FAMILY,
    PLACE,
    limit('ingress'),
    limit('egress'),
    BESIDES,
    key('main.mtu', { good: [1400, 9000] }),
    CHAIN,
    calls(
      ['ADD', 'CHECK', 'DEL'],
      ['ADD', 'OTHER', 'CHECK', 'OTHER DEL', 'DEL'],
      ['ADD', 'CHECK', 'DEL', 'DEL twice'],
      ['ADD', 'DEL gone'],
      ['ADD', 'DEL netnsless'],
      ['STATUS', 'DEL', 'ADD', 'DEL'],
    ),
    NAME,
    IF_NAME,
    NETNS,
    CNI_ARGS,
  ],
  together: [],
  forbids(of) {
    if (isAlone(of)) {
      if ((of('calls') ?? 'ADD, CHECK, DEL') !== 'ADD, CHECK, DEL') return true
      if ((of('main.mtu') ?? 'unset') !== 'unset' || (of('CNI_NETNS') ?? 'unset') !== 'unset') return true
    }
    if (of('place') === 'the capability' && (of('besides') ?? 'unset') !== 'unset') return true
    return of('besides') === 'a rate of 0 at the top' && (of('ingress') ?? 'unset') !== 'unset'
  },
  draft: chainedDraft,
  plugins: (draft) => listOf('bandwidth', draft),
}
