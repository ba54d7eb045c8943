/** The difference by table: what is there, what is wanted, what is changed. */

import t from 'tap'
import { parseAddress } from '../ip/address.js'
import { parsePrefix } from '../ip/prefix.js'
import type { Link } from '../netlink/links/link.js'
import type { KnownRoute } from '../netlink/routes.js'
import type { Scope } from '../netlink/scope.js'
import { describeChange } from './changes.js'
import type { Desired, DesiredDevice, DesiredRoute } from './desired.js'
import { addressSteps, deviceStep } from './device.js'
import { difference, type Ownership, type Present, routeKey } from './diff.js'

const prefix = (text: string) => parsePrefix(text) as NonNullable<ReturnType<typeof parsePrefix>>
const address = (text: string) => parseAddress(text) as NonNullable<ReturnType<typeof parseAddress>>

const wanted = (n: number, via = `10.9.0.${n}`, more: Partial<DesiredRoute> = {}): DesiredRoute => ({
  node: `n${n}`,
  to: prefix(`10.244.${n}.0/24`),
  type: 'unicast',
  via: address(via),
  link: 2,
  onlink: false,
  table: 254,
  priority: 0,
  ...more,
})

const there = (n: number, via = `10.9.0.${n}`, more: object = {}): KnownRoute =>
  ({
    family: 4,
    to: prefix(`10.244.${n}.0/24`),
    type: 'unicast',
    via: address(via),
    link: 2,
    table: 254,
    protocol: 70,
    ...more,
  }) as KnownRoute

const key = (n: number) => routeKey({ to: prefix(`10.244.${n}.0/24`) })
const none: Present = { routes: [], neighbours: [], fdb: [], rules: [] }

function changes(desired: Partial<Desired>, present: Partial<Present>, own: Partial<Ownership> = {}): string[] {
  const all = { neighbours: [], fdb: [], routes: [], rules: [], ...desired } as unknown as Desired
  const owner = {
    device: 9,
    applied: new Set<string>(),
    others: new Map<string, string>(),
    tables: new Set<number>(),
    ...own,
  }
  const found = difference(all, { ...none, ...present }, owner)
  return [
    ...found.changes.map((change) => describeChange(change, 'flat.1', (index) => `if${index}`)),
    ...found.conflicts.map(({ node, reason }) => `${node}: ${reason}`),
  ]
}

t.test('routes', async (t) => {
  t.same(changes({ routes: [wanted(2)] }, {}), ['+ route 10.244.2.0/24 via 10.9.0.2 dev if2'], 'a missing one is added')
  t.same(changes({ routes: [wanted(2)] }, { routes: [there(2)] }), [], 'one that is right stays')
  t.same(
    changes({ routes: [wanted(2, '10.9.0.22')] }, { routes: [there(2)] }),
    ['~ route 10.244.2.0/24 via 10.9.0.22 dev if2'],
    'one that leads elsewhere is replaced, not removed and added',
  )
  t.same(
    changes({ routes: [wanted(2, undefined, { mtu: 1400 })] }, { routes: [there(2)] }).length,
    1,
    'or has another MTU',
  )
  t.same(changes({}, { routes: [there(2)] }), [], 'one of ours that this network did not apply is not touched')
  t.same(
    changes({}, { routes: [there(2)] }, { applied: new Set([key(2)]) }),
    ['- route 10.244.2.0/24 via 10.9.0.2 dev if2 proto 70'],
    'one that it applied is removed',
  )
  t.same(
    changes({}, { routes: [there(2)] }, { applied: new Set([key(2)]), others: new Map([[key(2), 'other']]) }),
    [],
    'unless another network has it too',
  )
  t.same(changes({}, { routes: [there(2, '10.244.2.0', { link: 9 })] }).length, 1, 'whatever is on our tunnel is ours')
  t.match(
    changes({ routes: [wanted(2)] }, { routes: [there(2, '10.9.0.9', { protocol: 4 })] }),
    [/^n2: route 10.244.2.0\/24 via 10.9.0.9 proto static is not ours and stays/],
    "somebody else's is named and stays",
  )
  t.match(
    changes({ routes: [wanted(2)] }, { routes: [there(2, '10.9.0.9')] }, { others: new Map([[key(2), 'other']]) }),
    [/^n2: .* belongs to network other/],
    "so is another network's",
  )
})

t.test('a peer that changes side is moved without a gap and without leftovers', async (t) => {
  const neighbours = [
    { linkIndex: 9, address: address('10.244.2.0'), mac: '0a:58:0a:f4:02:00', state: 'permanent' },
  ] as const
  const fdb = [
    { linkIndex: 9, mac: '0a:58:0a:f4:02:00', to: address('10.9.0.2'), self: true, master: false, state: 'permanent' },
  ] as const
  t.same(
    changes(
      { routes: [wanted(2)] },
      { routes: [there(2, '10.244.2.0', { link: 9 })], neighbours, fdb },
      { applied: new Set([key(2)]) },
    ),
    [
      '~ route 10.244.2.0/24 via 10.9.0.2 dev if2',
      '- fdb 0a:58:0a:f4:02:00 dev flat.1 dst 10.9.0.2',
      '- neighbour 10.244.2.0 lladdr 0a:58:0a:f4:02:00 dev flat.1',
    ],
  )
})

t.test('a peer comes by its far end first', async (t) => {
  const desired = {
    routes: [wanted(2, '10.244.2.0', { link: 'device', onlink: true })],
    neighbours: [{ node: 'n2', address: address('10.244.2.0'), mac: '0a:58:0a:f4:02:00' }],
    fdb: [{ node: 'n2', mac: '0a:58:0a:f4:02:00', to: address('10.9.0.2') }],
    rules: [{ from: prefix('10.244.1.0/24'), unlessMark: 0x20000000, table: 1000000001, priority: 30000 }],
  }
  t.same(changes(desired, {}), [
    '+ neighbour 10.244.2.0 lladdr 0a:58:0a:f4:02:00 dev flat.1',
    '+ fdb 0a:58:0a:f4:02:00 dev flat.1 dst 10.9.0.2',
    '+ route 10.244.2.0/24 via 10.244.2.0 dev flat.1 onlink',
    '+ rule from 10.244.1.0/24 fwmark 0/0x20000000 lookup 1000000001 pref 30000',
  ])
  const rule = { family: 4, from: prefix('10.244.1.0/24'), table: 1000000001, priority: 30000, protocol: 70 } as const
  const tables = new Set([1000000001])
  t.same(changes({ rules: desired.rules }, { rules: [{ ...rule, markMask: 0x20000000 }] }, { tables }), [])
  t.same(
    changes({ rules: desired.rules }, { rules: [rule] }, { tables }),
    [
      '+ rule from 10.244.1.0/24 fwmark 0/0x20000000 lookup 1000000001 pref 30000',
      '- rule from 10.244.1.0/24 lookup 1000000001 pref 30000',
    ],
    'a rule that takes marked packets too is replaced',
  )
  const dynamic = { linkIndex: 9, address: address('10.244.2.0'), mac: '0a:58:0a:f4:02:00', state: 'stale' } as const
  t.match(
    changes({ neighbours: desired.neighbours }, { neighbours: [dynamic] }),
    [/^~ neighbour/],
    'one that ages is made permanent',
  )
  t.same(changes({}, { neighbours: [dynamic] }), [], 'and others that age are the kernel’s')
})

const device: DesiredDevice = {
  name: 'flat.1',
  vni: 1,
  port: 8472,
  mac: '0a:58:0a:f4:01:00',
  mtu: 1450,
  local: address('10.9.0.1'),
  underlay: 4,
  txChecksum: 'auto',
  addresses: [{ prefix: prefix('10.244.1.0/32'), scope: 'link' }],
}
const link = (more: object = {}, data: object = {}) =>
  ({
    name: 'flat.1',
    kind: 'vxlan',
    mtu: 1450,
    mac: device.mac,
    up: true,
    data: { kind: 'vxlan', id: 1, port: 8472, learning: false, local: device.local, ...data },
    ...more,
  }) as Link

t.test('deviceStep', async (t) => {
  t.match(deviceStep(device, undefined), { step: 'create' })
  t.match(deviceStep(device, link()), { step: 'keep' })
  const kept: readonly (readonly [Link, object])[] = [
    [link({ mtu: 1500 }), { change: { mtu: 1450 } }],
    [link({ mac: '02:00:00:00:00:01' }), { change: { mac: device.mac } }],
    [link({ up: false }), { change: { up: true } }],
    [link({}, { local: address('10.9.0.9') }), { change: { data: { local: device.local } } }],
    [link({}, { learning: true }), { change: { data: { learning: false } } }],
  ]
  for (const [found, change] of kept)
    t.match(deviceStep(device, found), { step: 'change', ...change }, 'changed in place')
  const fixed = [
    { id: 2 },
    { port: 4789 },
    { collectMetadata: true },
    { underlay: 2 },
    { remote: address('10.9.0.7') },
    { local: address('fd09::1') },
  ]
  for (const data of fixed)
    t.match(deviceStep(device, link({}, data)), { step: 'recreate' }, JSON.stringify(Object.keys(data)))
  t.match(deviceStep(device, link({ kind: 'dummy', data: undefined })), { step: 'recreate', why: 'it is a dummy' })
})

t.test('addressSteps replaces all but link-local addresses', async (t) => {
  const at = (text: string, scope: Scope = 'universe') => ({ prefix: prefix(text), scope })
  const present = [at('10.244.9.0/32'), at('fe80::1/64', 'link')]
  t.same(addressSteps(device.addresses, present), { add: device.addresses, remove: [present[0]] })
  const global = [at('10.244.1.0/32')]
  t.same(
    addressSteps(device.addresses, global),
    { add: device.addresses, remove: global },
    'one of another scope is another',
  )
  t.same(addressSteps([at('fd10::/128')], [at('fd10::/128', 'site')]), { add: [], remove: [] }, 'but not of IPv6')
})
