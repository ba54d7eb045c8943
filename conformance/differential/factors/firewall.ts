/** firewall behind bridge, on hosts that drop what they forward and on hosts that do not. */

import { type Factor, key, type Scenario, unset, type Value, value } from '../factor.js'
import { CHAIN, chainedDraft, FAMILY, isAlone, listOf } from './chained.js'
import { before, CNI_ARGS, calls, IF_NAME, NAME, NETNS, version } from './common.js'

const DROPS = 'iptables -P FORWARD DROP; ip6tables -P FORWARD DROP'

const HOST: Factor = {
  name: 'host',
  values: [
    forwards(unset),
    forwards(before('drops what it forwards', 'good', DROPS)),
    forwards(
      before(
        'drops, but for what an admin lets in',
        'edge',
        `${DROPS}; for t in iptables ip6tables; do $t -N CNI-ADMIN; $t -A CNI-ADMIN -p udp --dport 7000 -j DROP; done`,
      ),
    ),
  ],
}

/** With packets to and fro. */
function forwards(one: Value): Value {
  return {
    ...one,
    apply(draft) {
      one.apply(draft)
      draft.probes = ['forward']
    },
  }
}

export const FIREWALL: Scenario = {
  name: 'firewall',
  factors: [
    version('0.4.0'),
    FAMILY,
    key('chained.backend', { good: ['iptables'], edge: ['', 'bogus', null], bad: ['firewalld', 5] }),
    key('chained.iptablesAdminChainName', {
      good: ['MY-ADMIN'],
      edge: [null],
      bad: ['', 'a-name-beyond-twenty-eight-chars', 5],
    }),
    key(
      'chained.firewalldZone',
      { good: ['internal'], edge: [null], bad: [5] },
      value('chained.firewalldZone', '', { kind: 'bad', code: 0 }),
    ),
    key('chained.ingressPolicy', {
      good: ['same-bridge', 'isolated'],
      edge: ['open', '', null],
      bad: ['closed', true],
    }),
    HOST,
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
      if ((of('host') ?? 'unset') !== 'unset' || (of('CNI_NETNS') ?? 'unset') !== 'unset') return true
    }
    return false
  },
  draft: chainedDraft,
  plugins: (draft) => listOf('firewall', draft),
}
