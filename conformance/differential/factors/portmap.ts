/** portmap behind bridge. */

import type { Json } from '../../../lib/testing/cni.js'
import { type Factor, flag, key, type Scenario, unset, type Value, value } from '../factor.js'
import { CHAIN, chainedDraft, FAMILY, isAlone, listOf } from './chained.js'
import { before, CNI_ARGS, calls, IF_NAME, NAME, NETNS, version } from './common.js'

/** The node's addresses on its uplink; outside has the ninth. */
const NODE4 = '192.0.2.1'
const NODE6 = '2001:db8::1'

const WEB = { hostPort: 8080, containerPort: 80, protocol: 'tcp' }
const DNS = { hostPort: 5353, containerPort: 53, protocol: 'udp' }

function mappings(id: string, list: Json, more: Partial<Value> = {}): Value {
  return {
    id,
    kind: 'good',
    ...more,
    apply(draft) {
      draft.runtime.portMappings = structuredClone(list)
      if (more.kind !== 'bad') draft.probes = ['ports']
    },
  }
}

const wrong = (id: string, member: Json, more: Partial<Value> = {}): Value =>
  mappings(id, [{ ...WEB, ...member }], { kind: 'bad', ...more })

const PORT_MAPPINGS: Factor = {
  name: 'portMappings',
  values: [
    mappings('one', [WEB]),
    mappings('TCP and UDP', [WEB, DNS]),
    mappings('of one address', [{ ...WEB, hostIP: NODE4 }]),
    mappings('of one IPv6 address', [{ ...WEB, hostIP: NODE6 }]),
    mappings('of all addresses', [{ ...WEB, hostIP: '0.0.0.0' }], { kind: 'edge' }),
    mappings('of all IPv6 addresses', [{ ...WEB, hostIP: '::' }], { kind: 'edge' }),
    mappings('of an empty address', [{ ...WEB, hostIP: '' }, DNS], { kind: 'edge' }),
    mappings('of 127.0.0.1', [{ ...WEB, hostIP: '127.0.0.1' }], { kind: 'edge' }),
    mappings('the last port', [{ ...WEB, hostPort: 65535 }], { kind: 'edge' }),
    mappings('sixteen', [...Array.from({ length: 16 }, (_, n) => ({ ...WEB, hostPort: 9000 + n })), WEB, DNS]),
    mappings('none', [], { kind: 'edge' }),
    { ...unset, kind: 'edge' },
    value('runtime.portMappings', null, { kind: 'edge' }),
    mappings('capitals', [{ ...WEB, protocol: 'TCP' }], { kind: 'edge' }),
    mappings('SCTP', [{ ...WEB, protocol: 'sctp' }], { kind: 'edge' }),
    mappings('the same twice', [WEB, WEB], { kind: 'edge' }),
    mappings('one host port to two ports', [WEB, { ...WEB, containerPort: 81 }], { kind: 'bad' }),
    mappings('text', 'x', { kind: 'bad' }),
    mappings('numbers', [8080], { kind: 'bad' }),
    wrong('host port 0', { hostPort: 0 }),
    wrong('container port 0', { containerPort: 0 }),
    wrong('negative port', { hostPort: -1 }),
    wrong('port beyond', { hostPort: 65536 }),
    wrong('container port beyond', { containerPort: 65536 }),
    wrong('port as text', { hostPort: '8080' }),
    wrong('no protocol', { protocol: undefined }),
    wrong('empty protocol', { protocol: '' }),
    wrong('unknown protocol', { protocol: 'quic' }),
    wrong('address that is none', { hostIP: 'x' }),
    wrong('address with length', { hostIP: '192.0.2.1/24' }),
  ],
}

const backend = (id: string, keys: Json, more: Partial<Value> = {}): Value => ({
  id,
  kind: 'good',
  ...more,
  apply: ({ chained }) => void Object.assign(chained, keys),
})

/** The backend, and what only one of them takes. */
const BACKEND: Factor = {
  name: 'backend',
  values: [
    unset,
    backend('nftables', { backend: 'nftables' }, { recent: true }),
    backend('iptables', { backend: 'iptables' }, { recent: true }),
    backend('empty', { backend: '' }, { kind: 'edge', recent: true }),
    backend('conditions of iptables', { conditionsV4: ['-s', '192.0.2.0/24'], conditionsV6: ['-s', '2001:db8::/32'] }),
    backend('negated conditions of iptables', {
      conditionsV4: ['!', '-s', '192.0.2.9'],
      conditionsV6: ['!', '-s', '2001:db8::9'],
    }),
    backend(
      'conditions of nftables',
      {
        backend: 'nftables',
        conditionsV4: ['ip', 'saddr', '192.0.2.0/24'],
        conditionsV6: ['ip6', 'saddr', '2001:db8::/32'],
      },
      { recent: true },
    ),
    backend('empty conditions', { conditionsV4: [], conditionsV6: [] }, { kind: 'edge' }),
    backend('another', { backend: 'ipchains' }, { kind: 'bad', recent: true }),
    backend('a number', { backend: 5 }, { kind: 'bad', recent: true }),
    backend(
      'conditions that are none',
      { conditionsV4: ['bogus', 'words'], conditionsV6: ['bogus', 'words'] },
      { kind: 'bad' },
    ),
    backend('conditions as text', { conditionsV4: '-s 192.0.2.0/24' }, { kind: 'bad' }),
    backend(
      'conditions of the other backend',
      { backend: 'nftables', conditionsV4: ['-s', '192.0.2.0/24'], conditionsV6: ['-s', '2001:db8::/32'] },
      { kind: 'bad', recent: true, code: 0 },
    ),
    backend('a chain that marks', { externalSetMarkChain: 'KUBE-MARK-MASQ' }, { kind: 'bad' }),
    backend('a chain and a bit', { externalSetMarkChain: 'X', markMasqBit: 5 }, { kind: 'bad' }),
    backend('an empty chain', { externalSetMarkChain: '' }, { kind: 'bad', code: 0 }),
  ],
}

export const PORTMAP: Scenario = {
  name: 'portmap',
  factors: [
    version(),
    FAMILY,
    PORT_MAPPINGS,
    flag('chained.snat'),
    flag('chained.masqAll'),
    BACKEND,
    key('chained.markMasqBit', { good: [5], edge: [0, 31, null], bad: [-1, 32, '13', 1.5] }),
    CHAIN,
    calls(
      ['ADD', 'CHECK', 'DEL'],
      ['ADD', 'OTHER', 'CHECK', 'OTHER DEL', 'DEL'],
      ['ADD', 'CHECK', 'DEL', 'DEL twice'],
      ['ADD', 'DEL gone'],
      ['ADD', 'DEL netnsless'],
      ['STATUS', 'DEL', 'ADD', 'DEL'],
    ),
    {
      name: 'before',
      values: [
        unset,
        before(
          'rules of others',
          'edge',
          'nft "add table ip mine; add chain ip mine c { type filter hook input priority 0; }; add rule ip mine c tcp dport 1 drop"',
        ),
      ],
    },
    NAME,
    IF_NAME,
    NETNS,
    CNI_ARGS,
  ],
  together: [{ values: { 'chained.snat': 'false', 'chained.masqAll': 'true' }, code: 0 }],
  forbids(of) {
    if (isAlone(of)) {
      if ((of('calls') ?? 'ADD, CHECK, DEL') !== 'ADD, CHECK, DEL') return true
      if ((of('before') ?? 'unset') !== 'unset' || (of('CNI_NETNS') ?? 'unset') !== 'unset') return true
    }
    // Who holds a port is asked before another container gets it.
    if (of('calls')?.includes('OTHER') && (of('portMappings') ?? 'one') !== 'none') return true
    if (of('chained.snat') === 'false' && of('chained.masqAll') === 'true') return true
    return false
  },
  draft: chainedDraft,
  plugins: (draft) => listOf('portmap', draft),
}
