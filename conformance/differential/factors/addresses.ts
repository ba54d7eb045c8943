/** host-local's keys, for every scenario that has addresses. */

import type { Json } from '../../../lib/testing/cni.js'
import { type Draft, type Factor, key, unset, type Value, value } from '../factor.js'
import { before, DIRECTORY } from './common.js'

const V4 = { subnet: '10.1.0.0/24' }
const V6 = { subnet: 'fd01::/64' }

const MORE = { dataDir: `${DIRECTORY}/data` }

function sets(id: string, ranges: Json, kind: Value['kind'] = 'good', more: Json = {}): Value {
  return {
    id,
    kind,
    apply: ({ ipam }) => void Object.assign(ipam, structuredClone({ type: 'host-local', ...MORE, ranges, ...more })),
  }
}

/** What the sets of a value give: families, and how many of each. */
export const FAMILIES: Readonly<Record<string, string>> = {
  IPv4: '4',
  IPv6: '6',
  both: '46',
  'IPv6 first': '64',
  'old form': '4',
  'old form and ranges': '46',
  'two ranges in a set': '4',
  'two IPv6 ranges in a set': '6',
  'a small subnet': '4',
  'a small IPv6 subnet': '6',
  'two IPv4 sets': '44',
  'two IPv6 sets': '66',
  'one subnet in two sets': '44',
  'three sets': '466',
}

const GOOD: readonly Value[] = [
  sets('IPv4', [[V4]]),
  sets('IPv6', [[V6]]),
  sets('both', [[V4], [V6]]),
  sets('IPv6 first', [[V6], [V4]], 'edge'),
  sets('old form', undefined, 'good', V4),
  sets('old form and ranges', [[V6]], 'edge', V4),
  sets('two ranges in a set', [[V4, { subnet: '10.2.0.0/28' }]]),
  sets('two IPv6 ranges in a set', [[V6, { subnet: 'fd02::/120' }]], 'edge'),
  sets('a small subnet', [[{ subnet: '10.1.0.0/30' }]], 'edge'),
  sets('a small IPv6 subnet', [[{ subnet: 'fd01::/126' }]], 'edge'),
  sets('two IPv4 sets', [[V4], [{ subnet: '10.2.0.0/24' }]]),
  sets('two IPv6 sets', [[V6], [{ subnet: 'fd02::/64' }]]),
  sets(
    'one subnet in two sets',
    [[{ ...V4, rangeEnd: '10.1.0.99' }], [{ ...V4, rangeStart: '10.1.0.100', rangeEnd: '10.1.0.199' }]],
    'edge',
  ),
  sets('three sets', [[V4], [V6], [{ subnet: 'fd02::/64' }]]),
]

const subnet = (text: Json, id = `subnet ${text}`) => sets(id, [[{ subnet: text }]], 'bad')

const BAD: readonly Value[] = [
  sets('no sets', [], 'bad'),
  sets('an empty set', [[]], 'bad'),
  sets('a range without subnet', [[{}]], 'bad'),
  sets('ranges that are null', null, 'bad'),
  sets('ranges that are text', 'x', 'bad'),
  sets('ranges without sets', [V4], 'bad'),
  sets('families mixed in a set', [[V4, V6]], 'bad'),
  sets('a range twice', [[V4, V4]], 'bad'),
  sets('sets that overlap', [[V4], [{ subnet: '10.1.0.128/25' }]], 'bad'),
  subnet('10.1.0.7/24'),
  subnet('fd01::7/64'),
  subnet('10.1.0.0/31'),
  subnet('10.1.0.0/32'),
  subnet('fd01::/127'),
  subnet('10.1.0.0/33'),
  subnet('10.1.0.0'),
  subnet('10.1.0/24'),
  subnet('10.01.0.0/24'),
  subnet('fd01::%eth0/64'),
  subnet(''),
  subnet('x'),
  subnet(24),
  subnet('10.1.0.0/024'),
  subnet('FD01:0::/64'),
  subnet('::ffff:10.1.0.0/120'),
]

/** `layer2`: whether there may be no IPAM at all. */
export function addresses({ layer2 }: { readonly layer2: boolean }): Factor {
  const none: Value = { ...unset, id: 'layer 2' }
  const types: readonly Value[] = [
    {
      id: 'IPAM without type',
      kind: 'bad',
      apply: ({ ipam }) => void Object.assign(ipam, MORE, { ranges: [[{ ...V4 }]] }),
    },
    value('ipam.type', 'nowhere', { kind: 'bad' }),
    value('ipam.type', 'a/b', { kind: 'bad' }),
    value('ipam.type', 7, { kind: 'bad' }),
  ]
  return { name: 'addresses', values: [...(layer2 ? [none] : []), ...GOOD, ...BAD, ...(layer2 ? types : [])] }
}

function firstRange({ ipam }: Draft): Json {
  return ipam.subnet === undefined ? (ipam.ranges?.[0]?.[0] ?? {}) : ipam
}

/** The host with that number in a subnet of ours. */
function hostIn(subnet: string, number: number): string {
  return subnet.includes(':')
    ? `${subnet.slice(0, subnet.indexOf('::'))}::${number.toString(16)}`
    : `${subnet.slice(0, subnet.lastIndexOf('.'))}.${number}`
}

/** A value of the first range that depends on its subnet. */
function inRange(id: string, kind: Value['kind'], change: (range: Json) => Json): Value {
  return {
    id,
    kind,
    apply(draft) {
      const range = firstRange(draft)
      Object.assign(range, change(range))
    },
  }
}

const other = ({ subnet }: Json) => (subnet.includes(':') ? '10.1.0.9' : 'fd01::9')

export const RANGE_START: Factor = {
  name: 'rangeStart',
  values: [
    unset,
    inRange('the tenth', 'good', ({ subnet }) => ({ rangeStart: hostIn(subnet, 10) })),
    inRange('empty', 'edge', () => ({ rangeStart: '' })),
    inRange('the network address', 'edge', ({ subnet }) => ({ rangeStart: hostIn(subnet, 0) })),
    inRange('the gateway', 'edge', ({ subnet }) => ({ rangeStart: hostIn(subnet, 1) })),
    inRange('outside', 'bad', ({ subnet }) => ({ rangeStart: subnet.includes(':') ? 'fd99::1' : '10.99.0.1' })),
    inRange('of the other family', 'bad', (range) => ({ rangeStart: other(range) })),
    inRange('no address', 'bad', () => ({ rangeStart: 'x' })),
    inRange('a number', 'bad', () => ({ rangeStart: 5 })),
  ],
}

export const RANGE_END: Factor = {
  name: 'rangeEnd',
  values: [
    unset,
    inRange('the 99th', 'good', ({ subnet }) => ({ rangeEnd: hostIn(subnet, 99) })),
    inRange('empty', 'edge', () => ({ rangeEnd: '' })),
    inRange('the last of all', 'edge', ({ subnet }) => ({
      rangeEnd: subnet.includes(':') ? 'fd01::ffff:ffff:ffff:ffff' : hostIn(subnet, 255),
    })),
    inRange('before rangeStart', 'bad', ({ subnet }) => ({
      rangeStart: hostIn(subnet, 50),
      rangeEnd: hostIn(subnet, 40),
    })),
    inRange('outside', 'bad', ({ subnet }) => ({ rangeEnd: subnet.includes(':') ? 'fd99::1' : '10.99.0.1' })),
    inRange('no address', 'bad', () => ({ rangeEnd: 'x' })),
    inRange('rangeStart behind the default end', 'bad', ({ subnet }) => ({
      rangeStart: subnet.includes(':') ? 'fd01::ffff:ffff:ffff:ffff' : hostIn(subnet, 255),
    })),
  ],
}

export const GATEWAY: Factor = {
  name: 'gateway',
  values: [
    unset,
    inRange('the 200th', 'good', ({ subnet }) => ({ gateway: hostIn(subnet, 200) })),
    inRange('empty', 'edge', () => ({ gateway: '' })),
    inRange('outside', 'edge', ({ subnet }) => ({ gateway: subnet.includes(':') ? 'fd09::1' : '10.9.0.1' })),
    inRange('of the other family', 'bad', (range) => ({ gateway: other(range) })),
    inRange('no address', 'bad', () => ({ gateway: 'x' })),
  ],
}

function routes(id: string, kind: Value['kind'], list: (has: (family: 4 | 6) => boolean) => Json[], more = {}): Value {
  return {
    id,
    kind,
    ...more,
    apply(draft) {
      const text = JSON.stringify(draft.ipam)
      draft.ipam.routes = list((family) => text.includes(family === 4 ? '"10.' : '"fd'))
    },
  }
}

/** One route a family that the container has. */
const each =
  (v4: Json, v6: Json) =>
  (has: (family: 4 | 6) => boolean): Json[] => [...(has(4) ? [v4] : []), ...(has(6) ? [v6] : [])]

const TO4 = { dst: '192.168.0.0/16' }
const TO6 = { dst: 'fd99::/48' }
const both = (more: Json) => each({ ...TO4, ...more }, { ...TO6, ...more })
const recent = { recent: true as const }

export const ROUTES: Factor = {
  name: 'routes',
  values: [
    unset,
    routes('by the gateway', 'good', both({})),
    routes('by a next hop', 'good', each({ ...TO4, gw: '10.1.0.5' }, { ...TO6, gw: 'fd01::5' })),
    routes('default', 'good', each({ dst: '0.0.0.0/0', gw: '10.1.0.7' }, { dst: '::/0', gw: 'fd01::7' })),
    routes('default without next hop', 'good', each({ dst: '0.0.0.0/0' }, { dst: '::/0' })),
    routes('priority', 'good', both({ priority: 77 }), recent),
    routes('table', 'good', both({ table: 200 }), recent),
    routes('MTU and MSS', 'good', both({ mtu: 1300, advmss: 1200 }), recent),
    routes('scope global', 'edge', both({ scope: 0 }), recent),
    routes('none', 'edge', () => []),
    routes('table main and zeros', 'edge', both({ table: 254, mtu: 0, advmss: 0, priority: 0 }), recent),
    routes('one host', 'edge', each({ dst: '192.168.7.7/32' }, { dst: 'fd99::7/128' })),
    routes('another spelling', 'edge', each(TO4, { dst: 'FD99:0::/48' })),
    routes('host bits', 'edge', each({ dst: '192.168.7.7/16' }, { dst: 'fd99::7/48' })),
    routes('an empty next hop', 'edge', both({ gw: '' })),
    routes('two to one place', 'edge', (has) =>
      has(4)
        ? [
            { ...TO4, gw: '10.1.0.5' },
            { ...TO4, gw: '10.1.0.6' },
          ]
        : [],
    ),
    routes('scope link', 'bad', both({ scope: 253 }), { ...recent, code: 0 }),
    routes('scope link, next hop', 'bad', each({ ...TO4, gw: '10.1.0.5', scope: 253 }, TO6), recent),
    routes('the same twice', 'bad', (has) => [...both({})(has), ...both({})(has)]),
    routes('nowhere', 'bad', () => [{ dst: 'nowhere' }]),
    routes('without dst', 'bad', () => [{ gw: '10.1.0.5' }]),
    routes('without length', 'bad', () => [{ dst: '192.168.0.0' }]),
    routes('next hop that is none', 'bad', () => [{ ...TO4, gw: 'x' }]),
    routes('next hop of the other family', 'bad', () => [{ ...TO4, gw: 'fd01::5' }]),
    routes('next hop out of reach', 'bad', () => [{ ...TO4, gw: '172.31.0.1' }], { code: 105 }),
    routes('negative priority', 'bad', both({ priority: -1 }), recent),
    routes('table beyond 32 bits', 'bad', both({ table: 2 ** 32 }), recent),
    routes('scope beyond 8 bits', 'bad', both({ scope: 256 }), recent),
    routes('MTU as text', 'bad', both({ mtu: '1300' }), recent),
    value('ipam.routes', 'x', { kind: 'bad' }),
    value('ipam.routes', {}, { kind: 'bad' }),
    value('ipam.routes', null, { kind: 'edge' }),
    value('ipam.routes', ['192.168.0.0/16'], { kind: 'bad' }),
  ],
}

function resolvConf(id: string, kind: Value['kind'], content: string, more = {}): Value {
  return {
    id,
    kind,
    ...more,
    apply(draft) {
      draft.ipam.resolvConf = `${DIRECTORY}/resolv.conf`
      draft.setup.push(`printf '${content}' >$D/resolv.conf`)
    },
  }
}

export const RESOLV_CONF: Factor = {
  name: 'resolvConf',
  values: [
    unset,
    resolvConf('usual', 'good', 'nameserver 10.0.0.53\\nsearch a b\\ndomain d\\noptions ndots:5 rotate\\n', recent),
    resolvConf('empty', 'edge', ''),
    resolvConf(
      'odd',
      'edge',
      '# c\\n; c\\n\\n\\tnameserver fd01::53 # x\\nsearch a\\nsearch b c\\ndomain d\\ndomain e\\noptions x\\nbogus y\\n',
      recent,
    ),
    value('ipam.resolvConf', '', { kind: 'edge' }),
    value('ipam.resolvConf', '/nowhere/resolv.conf', { kind: 'bad', code: 5 }),
    value('ipam.resolvConf', '/etc', { kind: 'bad', code: 5 }),
    value('ipam.resolvConf', 5, { kind: 'bad' }),
  ],
}

export const DATA_DIR: Factor = {
  name: 'dataDir',
  values: [
    unset,
    value('ipam.dataDir', `${DIRECTORY}/made/on/the/way`, { kind: 'edge' }),
    value('ipam.dataDir', '', { kind: 'edge' }),
    value('ipam.dataDir', null, { kind: 'edge' }),
    value('ipam.dataDir', 'relative', { kind: 'bad' }),
    value('ipam.dataDir', 5, { kind: 'bad' }),
    value('ipam.dataDir', '/etc/passwd/x', { kind: 'bad', code: 5 }),
  ],
}

/** Addresses asked for, in the first set. */
function requests(id: string, kind: Value['kind'], put: (draft: Draft, subnet: string) => void, code?: number): Value {
  return {
    id,
    kind,
    ...(code === undefined ? {} : { code }),
    apply: (draft) => put(draft, firstRange(draft).subnet ?? ''),
  }
}

/** Subnets of the sets, the first range of each. */
function subnets({ ipam }: Draft): string[] {
  const ranges: Json[][] = ipam.ranges ?? []
  return [...(ipam.subnet === undefined ? [] : [ipam.subnet]), ...ranges.map(([first]) => first.subnet)]
}

export const REQUESTS: Factor = {
  name: 'requested addresses',
  values: [
    unset,
    requests('capability', 'good', (draft, subnet) => void Object.assign(draft.runtime, { ips: [hostIn(subnet, 42)] })),
    requests('capability, one a set', 'good', (draft) => {
      draft.runtime.ips = [...new Set(subnets(draft))].map((subnet) => hostIn(subnet, 43))
    }),
    requests('capability, with a length', 'edge', ({ runtime }, subnet) => {
      runtime.ips = [`${hostIn(subnet, 44)}/${subnet.includes(':') ? 48 : 16}`]
    }),
    requests('args', 'good', ({ args }, subnet) => void Object.assign(args, { ips: [hostIn(subnet, 45)] })),
    requests('CNI_ARGS', 'good', ({ cniArgs }, subnet) => {
      cniArgs.push(`IgnoreUnknown=1;IP=${hostIn(subnet, 46)}`)
    }),
    requests('none', 'edge', ({ runtime }) => void Object.assign(runtime, { ips: [] })),
    requests('null', 'edge', ({ runtime }) => void Object.assign(runtime, { ips: null })),
    requests(
      'the network address',
      'bad',
      ({ runtime }, subnet) => void Object.assign(runtime, { ips: [hostIn(subnet, 0)] }),
      103,
    ),
    requests(
      'the gateway',
      'bad',
      ({ runtime }, subnet) => void Object.assign(runtime, { ips: [hostIn(subnet, 1)] }),
      103,
    ),
    requests('of no range', 'bad', ({ runtime }) => void Object.assign(runtime, { ips: ['10.77.0.1'] }), 103),
    requests(
      'two of one set',
      'bad',
      ({ runtime }, subnet) => {
        runtime.ips = [hostIn(subnet, 42), hostIn(subnet, 43)]
      },
      103,
    ),
    requests(
      'taken',
      'bad',
      ({ runtime, setup }, subnet) => {
        runtime.ips = [hostIn(subnet, 42)]
        setup.push(`mkdir -p $data/net; printf 'x\\r\\neth0' >$data/net/${hostIn(subnet, 42)}`)
      },
      103,
    ),
    requests(
      'args and CNI_ARGS',
      'bad',
      ({ args, cniArgs }, subnet) => {
        args.ips = [hostIn(subnet, 45)]
        cniArgs.push(`IgnoreUnknown=1;IP=${hostIn(subnet, 46)}`)
      },
      0,
    ),
    requests(
      'args and capability',
      'bad',
      ({ args, runtime }, subnet) => {
        args.ips = [hostIn(subnet, 45)]
        runtime.ips = [hostIn(subnet, 42)]
      },
      103,
    ),
    requests('no address', 'bad', ({ runtime }) => void Object.assign(runtime, { ips: ['x'] })),
    requests('no address in args', 'bad', ({ args }) => void Object.assign(args, { ips: ['10.1.0.300'] })),
    requests('no address in CNI_ARGS', 'bad', ({ cniArgs }) => void cniArgs.push('IgnoreUnknown=1;IP=x'), 4),
    requests(
      'text for a list',
      'bad',
      ({ runtime }, subnet) => void Object.assign(runtime, { ips: hostIn(subnet, 42) }),
    ),
    requests('numbers', 'bad', ({ args }) => void Object.assign(args, { ips: [5] })),
    requests(
      'CNI_ARGS without IgnoreUnknown',
      'bad',
      ({ cniArgs }, subnet) => {
        cniArgs.push(`IP=${hostIn(subnet, 46)}`)
      },
      0,
    ),
  ],
}

export const IP_RANGES = key(
  'runtime.ipRanges',
  {
    edge: [[], null],
    bad: [
      [[{ subnet: '10.7.0.0' }]],
      [[{ subnet: '10.7.0.3/24' }]],
      [[{ subnet: 5 }]],
      [[]],
      'x',
      [['10.7.0.0/24']],
      [{ subnet: '10.7.0.0/24' }],
    ],
  },
  value('runtime.ipRanges', [[{ subnet: '10.7.0.0/24' }]], { id: 'IPv4' }),
  value('runtime.ipRanges', [[{ subnet: 'fd07::/64', rangeStart: 'fd07::7' }]], { id: 'IPv6' }),
)

const lease = (address: (subnet: string) => string, content: string) => (draft: Draft) => {
  const name = address(firstRange(draft).subnet ?? '10.1.0.0/24')
  draft.setup.push(`mkdir -p $data/net; printf '${content}' >$data/net/${name}`)
}
const stored = (id: string, kind: Value['kind'], apply: Value['apply'], code?: number): Value => ({
  id,
  kind,
  ...(code === undefined ? {} : { code }),
  apply,
})
const at = (number: number) => (subnet: string) => hostIn(subnet, number)

/** What others left in the store. */
export const STORE: Factor = {
  name: 'store',
  values: [
    unset,
    stored('last reserved', 'good', (draft) =>
      lease(() => 'last_reserved_ip.0', at(77)(firstRange(draft).subnet))(draft),
    ),
    stored('last of the range', 'edge', (draft) =>
      lease(() => 'last_reserved_ip.0', at(254)(firstRange(draft).subnet))(draft),
    ),
    stored(
      'last outside the range',
      'edge',
      lease(() => 'last_reserved_ip.0', '172.16.0.1'),
    ),
    stored(
      'last that is none',
      'edge',
      lease(() => 'last_reserved_ip.0', 'x'),
    ),
    stored('taken by others', 'good', (draft) => {
      lease(at(2), 'x\\r\\neth0')(draft)
      lease(at(3), 'y\\r\\neth0')(draft)
    }),
    stored('taken, old form', 'edge', lease(at(2), 'x')),
    stored('ours, of another interface', 'edge', lease(at(2), 'c1\\r\\nnet9')),
    stored('ours already', 'bad', lease(at(9), 'c1\\r\\neth0'), 0),
    stored('ours already, old form', 'bad', lease(at(9), 'c1'), 0),
    stored('a damaged lease', 'bad', lease(at(2), ''), 0),
    before(
      'full',
      'bad',
      'mkdir -p $data/net; for n in $(seq 2 254); do printf "x\\r\\neth0" >$data/net/10.1.0.$n; done',
      102,
    ),
  ],
}

/** What contradicts itself when there are these addresses. */
export function forbidsAddresses(of: (factor: string) => string | undefined): boolean {
  const chosen = of('addresses')
  const families = chosen === undefined ? undefined : FAMILIES[chosen]
  const said = (factor: string) => (of(factor) ?? 'unset') !== 'unset'
  const anyRange = ['rangeStart', 'rangeEnd', 'gateway', 'requested addresses', 'runtime.ipRanges', 'routes', 'store']
  const ofRange = ['resolvConf', 'dataDir', ...anyRange]
  if (chosen !== undefined && families === undefined && ofRange.some(said)) return true
  const version = of('cniVersion')
  const isOld = version !== undefined && ['0.1.0', '0.2.0', 'unset', '""', 'null'].includes(version)
  const more = of('runtime.ipRanges') === 'IPv4' ? '4' : of('runtime.ipRanges') === 'IPv6' ? '6' : ''
  const all = `${families ?? ''}${more}`
  if (isOld && (all.split('4').length > 2 || all.split('6').length > 2)) return true
  if (
    chosen?.includes('small') === true &&
    ['rangeStart', 'rangeEnd', 'gateway', 'requested addresses', 'store'].some(said)
  )
    return true
  if (chosen === 'one subnet in two sets' && ['rangeStart', 'rangeEnd', 'requested addresses', 'store'].some(said))
    return true
  if (of('rangeEnd') === 'rangeStart behind the default end' && said('rangeStart')) return true
  if (said('runtime.ipRanges') && (said('requested addresses') || said('store'))) return true
  // A pod's name and an address are two texts for one variable.
  if (said('CNI_ARGS') && of('requested addresses')?.includes('CNI_ARGS') === true) return true
  // A store is looked at where it is by default, too.
  if (said('store') && (said('dataDir') || said('network.name') || said('CNI_CONTAINERID') || said('CNI_IFNAME')))
    return true
  if (of('store') === 'full' && !(families ?? '4').startsWith('4')) return true
  if (of('store') === 'full' && (chosen === 'two ranges in a set' || ['rangeStart', 'rangeEnd', 'gateway'].some(said)))
    return true
  if (of('requested addresses') === 'taken' && (said('dataDir') || said('network.name'))) return true
  return false
}
