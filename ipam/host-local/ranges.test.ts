import t from 'tap'
import { formatAddress, parseAddress } from '../../lib/ip/address.js'
import {
  capacityOf,
  firstOverlap,
  formatRangeSet,
  overlap,
  parseRange,
  parseRangeSet,
  type RangeConfig,
  type RangeSet,
  rangeOf,
  roundRobin,
  setFinder,
  spanOf,
} from './ranges.js'

const refuse = (pointer: string, why: string): never => {
  throw new Error(`${pointer} ${why}`)
}
const range = (config: RangeConfig) => parseRange(config, '/r', refuse)
const set = (...configs: RangeConfig[]) => parseRangeSet(configs, '/s', refuse)
const address = (text: string) => {
  const parsed = parseAddress(text)
  if (parsed === undefined) throw new Error(`no address: ${text}`)
  return parsed
}

/** The first `n` addresses of the round robin; all without `n`. */
function lap(configs: RangeConfig[], last?: string, n = Number.POSITIVE_INFINITY): string[] {
  const next = roundRobin(set(...configs), last === undefined ? undefined : address(last))
  const seen: string[] = []
  while (seen.length < n) {
    const one = next()
    if (one === undefined) break
    seen.push(formatAddress(one))
  }
  return seen
}

t.test('parseRange() fills in start, end and gateway', async (t) => {
  for (const [subnet, span, gateway] of [
    ['10.1.2.0/24', '10.1.2.1-10.1.2.254', '10.1.2.1'],
    ['10.1.2.128/25', '10.1.2.129-10.1.2.254', '10.1.2.129'],
    ['10.1.2.4/30', '10.1.2.5-10.1.2.6', '10.1.2.5'],
    ['0.0.0.0/0', '0.0.0.1-255.255.255.254', '0.0.0.1'],
    ['2001:db8:1::/64', '2001:db8:1::1-2001:db8:1:0:ffff:ffff:ffff:ffff', '2001:db8:1::1'],
    ['2001:db8:1::4/126', '2001:db8:1::5-2001:db8:1::7', '2001:db8:1::5'],
    ['::ffff:10.1.2.0/120', '10.1.2.1-10.1.2.254', '10.1.2.1'],
  ] as const) {
    const parsed = range({ subnet, rangeStart: '', rangeEnd: '', gateway: '' })
    t.equal(spanOf(parsed), span, subnet)
    t.equal(formatAddress(parsed.gateway), gateway)
  }
})

t.test('parseRange() takes network, broadcast and a foreign gateway when told', async (t) => {
  const parsed = range({
    subnet: '10.1.2.0/24',
    rangeStart: '10.1.2.0',
    rangeEnd: '10.1.2.255',
    gateway: '192.0.2.1',
  })
  t.equal(spanOf(parsed), '10.1.2.0-10.1.2.255')
  t.equal(formatAddress(parsed.gateway), '192.0.2.1')
})

t.test('parseRange() names what is wrong, and where', async (t) => {
  for (const [config, pointer, why] of [
    [{}, '/r/subnet', /missing/],
    [{ subnet: '10.1.2.0' }, '/r/subnet', /invalid CIDR/],
    [{ subnet: '10.1.2.0/33' }, '/r/subnet', /invalid CIDR/],
    [{ subnet: '10.01.2.0/24' }, '/r/subnet', /invalid CIDR/],
    [{ subnet: '10.1.2.0/31' }, '/r/subnet', /too small/],
    [{ subnet: '10.1.2.0/32' }, '/r/subnet', /too small/],
    [{ subnet: 'fd00::/127' }, '/r/subnet', /too small/],
    [{ subnet: 'fd00::/128' }, '/r/subnet', /too small/],
    [{ subnet: '10.1.2.1/24' }, '/r/subnet', /host bits.*10\.1\.2\.0\/24/],
    [{ subnet: 'fd00:0:0:1::/63' }, '/r/subnet', /host bits/],
    [{ subnet: '10.1.2.0/24', rangeStart: '10.1.3.1' }, '/r/rangeStart', /not in network/],
    [{ subnet: '10.1.2.0/24', rangeEnd: '10.1.3.1' }, '/r/rangeEnd', /not in network/],
    [{ subnet: '10.1.2.0/24', rangeStart: '10.1.2.9', rangeEnd: '10.1.2.8' }, '/r/rangeStart', /after rangeEnd/],
    [{ subnet: '10.1.2.0/24', rangeStart: 'fd00::1' }, '/r/rangeStart', /family/],
    [{ subnet: '10.1.2.0/24', rangeStart: '10.1.2.09' }, '/r/rangeStart', /invalid IP/],
    [{ subnet: 'fd00::/64', gateway: '10.0.0.1' }, '/r/gateway', /family/],
    [{ subnet: 'fd00::/64', gateway: 'fe80::1%eth0' }, '/r/gateway', /invalid IP/],
  ] as const) {
    t.throws(() => range(config), { message: why }, JSON.stringify(config))
    t.throws(() => range(config), { message: new RegExp(`^${pointer} `) })
  }
})

t.test('overlap() compares what is allocated, not the subnets', async (t) => {
  const of = (rangeStart: string, rangeEnd: string, subnet = '10.0.0.0/16') => range({ subnet, rangeStart, rangeEnd })
  const a = of('10.0.1.10', '10.0.1.20')
  t.ok(overlap(a, a))
  t.ok(overlap(a, of('10.0.1.20', '10.0.1.30')), 'one address in common')
  t.ok(overlap(a, of('10.0.1.12', '10.0.1.13')), 'inside')
  t.ok(overlap(of('10.0.1.12', '10.0.1.13'), a), 'around')
  t.notOk(overlap(a, of('10.0.1.21', '10.0.1.30')), 'side by side in one subnet')
  t.notOk(overlap(a, of('a00:10a::', 'a00:114::', 'a00::/8')), 'another family')
})

t.test('parseRangeSet() wants one family, no overlap, and a range', async (t) => {
  t.throws(() => set(), { message: /^\/s the range set is empty/ })
  t.throws(() => set({ subnet: '10.0.0.0/24' }, { subnet: 'fd00::/64' }), { message: /^\/s\/1 mixed address families/ })
  t.throws(() => set({ subnet: '10.0.0.0/24' }, { subnet: '10.0.0.0/16' }), { message: /^\/s\/1 .*overlap/ })
  t.equal(
    formatRangeSet(set({ subnet: '10.0.0.0/24' }, { subnet: '10.0.1.0/29' })),
    '10.0.0.1-10.0.0.254,10.0.1.1-10.0.1.6',
  )
})

t.test('rangeOf() finds the range of an address, ends included', async (t) => {
  const both = set({ subnet: '10.0.0.0/29' }, { subnet: '10.0.1.0/29' })
  t.equal(rangeOf(both, address('10.0.0.1')), both[0])
  t.equal(rangeOf(both, address('10.0.1.6')), both[1])
  t.equal(rangeOf(both, address('10.0.0.7')), undefined)
  t.equal(rangeOf(both, address('fd00::1')), undefined)
})

t.test('capacityOf() leaves out gateways inside', async (t) => {
  t.equal(capacityOf(set({ subnet: '10.0.0.0/29' })), 5)
  t.equal(capacityOf(set({ subnet: '10.0.0.0/29', gateway: '192.0.2.1' })), 6)
  t.equal(capacityOf(set({ subnet: '10.0.0.0/29', rangeStart: '10.0.0.3' })), 4)
  t.equal(capacityOf(set({ subnet: '10.0.0.0/29' }, { subnet: '10.0.1.0/29' })), 10)
  t.equal(capacityOf(set({ subnet: 'fd00::/64' })), Number.POSITIVE_INFINITY)
})

t.test('roundRobin() goes around from the one after the last', async (t) => {
  const small = [{ subnet: '10.1.2.0/29' }]
  const all = ['10.1.2.2', '10.1.2.3', '10.1.2.4', '10.1.2.5', '10.1.2.6']
  t.same(lap(small), all, 'from the start, without gateway, network and broadcast')
  t.same(lap(small, '10.1.2.5'), ['10.1.2.6', '10.1.2.2', '10.1.2.3', '10.1.2.4', '10.1.2.5'], 'the last comes last')
  t.same(lap(small, '10.1.2.6'), all, 'from the end to the start')
  t.same(lap(small, '10.1.2.1'), all, 'from the gateway')
  t.same(lap(small, '10.9.9.9'), all, 'a last that is none of this set')
  t.same(lap(small, 'fd00::1'), all)
})

t.test('roundRobin() passes from range to range', async (t) => {
  const two = [
    { subnet: '10.1.0.0/24', rangeStart: '10.1.0.254', rangeEnd: '10.1.0.255' },
    { subnet: '10.2.0.0/30', rangeStart: '10.2.0.0', gateway: '10.2.0.3' },
  ]
  t.same(lap(two), ['10.1.0.254', '10.1.0.255', '10.2.0.0', '10.2.0.1', '10.2.0.2'])
  t.same(lap(two, '10.1.0.255'), ['10.2.0.0', '10.2.0.1', '10.2.0.2', '10.1.0.254', '10.1.0.255'])
  t.same(lap(two, '10.2.0.2'), ['10.1.0.254', '10.1.0.255', '10.2.0.0', '10.2.0.1', '10.2.0.2'])
})

t.test('roundRobin() never gives the gateway of another range of the set', async (t) => {
  const shared = [
    { subnet: '10.1.0.0/24', rangeStart: '10.1.0.10', rangeEnd: '10.1.0.11', gateway: '10.1.0.20' },
    { subnet: '10.1.0.0/24', rangeStart: '10.1.0.20', rangeEnd: '10.1.0.21', gateway: '10.1.0.20' },
  ]
  t.same(lap(shared), ['10.1.0.10', '10.1.0.11', '10.1.0.21'])
})

t.test('roundRobin() ends on a set of nothing but its gateway', async (t) => {
  t.same(lap([{ subnet: '10.1.0.0/30', rangeEnd: '10.1.0.1' }]), [])
})

t.test('roundRobin() does not enumerate a large range', async (t) => {
  t.same(lap([{ subnet: 'fd00::/8' }], undefined, 2), ['fd00::2', 'fd00::3'])
  t.same(lap([{ subnet: '0.0.0.0/0' }], '255.255.255.254', 2), ['0.0.0.2', '0.0.0.3'])
})

/** Ranges of /24 in an order that is none. */
function scattered(count: number) {
  return Array.from({ length: count }, (_, at) => {
    const place = (at * 7919) % count
    return range({ subnet: `10.${place >> 8}.${place & 255}.0/24` })
  })
}

t.test('thousands of ranges: the two that overlap are found, and the set of an address', async (t) => {
  const ranges = scattered(3000)
  t.equal(firstOverlap(ranges), undefined)
  const inside = range({ subnet: '10.7.0.0/16', rangeStart: '10.7.9.200', rangeEnd: '10.7.9.210' })
  const around = ranges.findIndex(({ start }) => formatAddress(start) === '10.7.9.1')
  t.same(firstOverlap([...ranges, inside]), [around, 3000])
  t.same(firstOverlap([inside, ...ranges]), [0, around + 1])

  const six = range({ subnet: 'fd00::/64' })
  const setOf = setFinder([...ranges.map((one) => [one]), [six]])
  t.equal(setOf(address('10.7.9.77')), around)
  t.equal(setOf(address('fd00::5')), 3000)
  t.equal(setOf(address('192.0.2.1')), undefined)
  t.equal(setOf(address('10.7.9.255')), undefined, 'the broadcast address is of no range')
})

t.test('four times the ranges are no more than eight times the looks', async (t) => {
  const looks = (count: number) => {
    let looks = 0
    const ranges = scattered(count).map(({ subnet, start, end, gateway }) => ({
      subnet,
      gateway,
      get start() {
        looks++
        return start
      },
      get end() {
        looks++
        return end
      },
    }))
    firstOverlap(ranges)
    const set: RangeSet = ranges
    for (const { start } of ranges) rangeOf(set, start)
    const setOf = setFinder(ranges.map((one) => [one]))
    for (const { start } of ranges) setOf(start)
    return looks
  }
  // Each with each would be sixteen times as many.
  t.ok(looks(4000) < 8 * looks(1000))
})
