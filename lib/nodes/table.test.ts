import t from 'tap'
import { formatAddress } from '../ip/address.js'
import { formatPrefix } from '../ip/prefix.js'
import { endpointOf, vtepMac } from './model.js'
import { judgeTable, parseTable } from './table.js'

const n1 = { name: 'n1', addresses: ['10.9.0.1'], podCIDRs: ['10.244.1.0/24'] }
const n2 = { name: 'n2', addresses: ['10.9.0.2', 'fd09::2'], podCIDRs: ['10.244.2.0/24', 'fd10:2::/64'] }

t.test('parseTable reads nodes with both families', async (t) => {
  const [, second] = parseTable([n1, { ...n2, vtepMAC: '0A-58-00-00-00-02', mtu: 1400 }])
  t.match(second, { name: 'n2', vtepMAC: '0a:58:00:00:00:02', mtu: 1400 })
  t.same(second?.addresses.map(formatAddress), ['10.9.0.2', 'fd09::2'])
  t.same(second?.podCIDRs.map(formatPrefix), ['10.244.2.0/24', 'fd10:2::/64'])
})

const REFUSED: readonly (readonly [what: string, table: unknown, message: RegExp])[] = [
  ['no list', { nodes: [] }, /"\/nodes" must be a list/],
  ['nothing', undefined, /"\/nodes" must be a list of nodes, got nothing/],
  ['an empty list', [], /"\/nodes" is empty/],
  ['a text for a node', ['n1'], /"\/nodes\/0" must be an object, got "n1"/],
  ['no name', [{ ...n1, name: '' }], /"\/nodes\/0\/name"/],
  ['no addresses', [{ ...n1, addresses: [] }], /"\/nodes\/0\/addresses"/],
  [
    'an address with a prefix length',
    [{ ...n1, addresses: ['10.9.0.1/24'] }],
    /"\/nodes\/0\/addresses\/0" must be an address, got "10.9.0.1\/24"/,
  ],
  ['a loopback address', [{ ...n1, addresses: ['127.0.0.1'] }], /addresses\/0/],
  ['a link-local IPv6 address', [{ ...n1, addresses: ['fe80::1'] }], /addresses\/0/],
  [
    'a CIDR with host bits',
    [n1, { ...n2, podCIDRs: ['10.244.2.1/24'] }],
    /"\/nodes\/1\/podCIDRs\/0" must be a CIDR without host bits/,
  ],
  [
    'a misspelt key',
    [n1, { ...n2, podCIDRs: undefined, podCidrs: [] }],
    /"\/nodes\/1\/podCidrs" .* is "podCIDRs" meant/,
  ],
  ['a CIDR of everything', [{ ...n1, podCIDRs: ['0.0.0.0/0'] }], /podCIDRs\/0/],
  ['a multicast endpoint', [{ ...n1, vtepMAC: '01:00:5e:00:00:01' }], /"\/nodes\/0\/vtepMAC" must be a unicast/],
  ['an MTU of text', [{ ...n1, mtu: '1400' }], /"\/nodes\/0\/mtu"/],
  ['two of a name', [n1, { ...n2, name: 'n1' }], /"\/nodes\/1\/name" is "n1", which \/nodes\/0 is called already/],
  [
    'two of an address',
    [n1, { ...n2, addresses: ['10.9.0.1'] }],
    /"\/nodes\/1\/addresses\/0" of "n2" is 10.9.0.1, which "n1" \(\/nodes\/0\) has too/,
  ],
  [
    'two of a CIDR',
    [n1, { ...n2, podCIDRs: ['10.244.1.0/24'] }],
    /"\/nodes\/1\/podCIDRs\/0" overlaps.*of "n2".*of "n1"/,
  ],
  [
    'a CIDR in another',
    [{ ...n2, podCIDRs: ['10.244.1.128/25'] }, n1],
    /10.244.1.0\/24 of "n1" \(\/nodes\/1\/podCIDRs\/0\) and 10.244.1.128\/25 of "n2"/,
  ],
  ['IPv6 CIDRs that overlap', [{ ...n1, podCIDRs: ['fd10::/16'] }, n2], /"\/nodes\/1\/podCIDRs\/1" overlaps/],
]

t.test('parseTable names the fault by its pointer, and both culprits', async (t) => {
  for (const [what, table, message] of REFUSED) t.throws(() => parseTable(table), { kind: 'invalid', message }, what)
  t.throws(() => parseTable([], 'in /etc/nodes.json'), { message: /invalid table of nodes in \/etc\/nodes.json: / })
})

t.test('an entry that is refused is left out, and the rest is judged without it', async (t) => {
  const verdicts = judgeTable([
    n1,
    { ...n2, podCIDRs: ['10.244.1.128/25'] },
    'n3',
    { ...n2, name: 'n4', podCIDRs: ['10.244.1.192/26', '10.244.4.0/24'] },
    n2,
    { name: 'n5', addresses: ['10.9.0.5'], podCIDRs: [] },
    { name: 'n6', addresses: ['10.9.0.6'] },
    { name: 'n7', addresses: ['10.9.0.7'], podCIDRs: ['10.240.0.0/12'] },
    { name: 'n8', addresses: ['10.9.0.8'], podCIDRs: ['10.244.8.0/24', '10.244.8.0/25'] },
  ])
  t.same(
    verdicts.map((verdict) => ('fault' in verdict ? verdict.fault.pointer : verdict.node.name)),
    [
      'n1',
      '/nodes/1/podCIDRs/0',
      '/nodes/2',
      '/nodes/3/podCIDRs/0',
      'n2',
      'n5',
      'n6',
      '/nodes/7/podCIDRs/0',
      '/nodes/8/podCIDRs/1',
    ],
  )
})

t.test('neighbouring CIDRs do not overlap', async (t) => {
  t.equal(
    parseTable([
      { ...n1, podCIDRs: ['10.244.0.0/25', '10.244.0.128/25', 'fd10::/64'] },
      { ...n2, podCIDRs: ['10.244.1.0/24', 'fd10:0:0:1::/64'] },
    ]).length,
    2,
  )
})

t.test('a thousand nodes are read in any order', async (t) => {
  const nodes = Array.from({ length: 1000 }, (_, at) => ({
    name: `n${at}`,
    addresses: [`10.9.${at >> 8}.${at & 255}`],
    podCIDRs: [`10.${100 + (at >> 8)}.${at & 255}.0/24`],
  }))
  t.equal(parseTable(nodes.reverse()).length, 1000)
})

t.test('vtepMac', async (t) => {
  const digest = () => 'deadbeef00'
  const macOf = (node: object) => vtepMac(parseTable([node])[0] as never, digest)
  t.equal(macOf(n1), '0a:58:0a:f4:01:00', 'is 0a:58 and the first pod CIDR')
  t.equal(
    macOf({ ...n2, podCIDRs: ['fd10:2::/64', '10.244.2.0/24'] }),
    '0a:58:0a:f4:02:00',
    'of IPv4 where there is one',
  )
  t.equal(macOf({ ...n2, podCIDRs: ['fd10:2::/64'] }), '0a:58:de:ad:be:ef', 'else of the digest of the IPv6 one')
  t.equal(macOf({ ...n1, vtepMAC: 'ce:b4:17:00:00:01' }), 'ce:b4:17:00:00:01', 'what the table says wins')
})

t.test('endpointOf is the first address of the first CIDR of a family', async (t) => {
  const [node] = parseTable([n2])
  if (node === undefined) return
  t.equal(formatAddress(endpointOf(node, 6) as never), 'fd10:2::')
  t.equal(endpointOf({ ...node, podCIDRs: [] }, 4), undefined)
})
