import t from 'tap'
import { formatAddress } from '../ip/address.js'
import { formatPrefix, type Prefix } from '../ip/prefix.js'
import { addressesOf, gatewayFor, missingDefaultRoutes, toKernelRoute } from './routes.js'

const DUAL = addressesOf({
  ips: [
    { address: '10.1.2.5/24', gateway: '10.1.2.1' },
    { address: 'fd12::5/64', gateway: 'fd12::1' },
  ],
})

function next(route: Parameters<typeof toKernelRoute>[0]): string | undefined {
  const { via } = toKernelRoute(route, 2, DUAL)
  return via === undefined ? undefined : formatAddress(via)
}

t.test('toKernelRoute() sends a route without a next hop by the gateway of its family', async (t) => {
  t.equal(next({ dst: '10.0.0.0/8' }), '10.1.2.1')
  t.equal(next({ dst: '2001:db8::/32' }), 'fd12::1')
  t.equal(next({ dst: '10.0.0.0/8', gw: '10.1.2.9' }), '10.1.2.9')
  t.equal(toKernelRoute({ dst: '10.0.0.0/8' }, 2, []).via, undefined, 'or straight to the link')
})

t.test('toKernelRoute() forces no gateway onto link or host scope', async (t) => {
  t.equal(next({ dst: '10.0.0.0/8', scope: 253 }), undefined)
  t.equal(next({ dst: '10.0.0.0/8', scope: 254 }), undefined)
  t.equal(next({ dst: '10.0.0.0/8', scope: 0 }), '10.1.2.1')
})

t.test('toKernelRoute() takes table 0 for main and other zeros for absent', async (t) => {
  const route = toKernelRoute({ dst: '10.0.0.0/8', table: 0, priority: 0, mtu: 0, advmss: 0 }, 2, DUAL)
  t.match(route, { table: 254, priority: undefined, mtu: undefined, advertisedMss: undefined })
})

t.test('toKernelRoute() clears the host bits of an IPv6 destination', async (t) => {
  for (const [dst, to] of [
    ['2001:db8:200::1/24', '2001:d00::/24'],
    ['fd00::7/121', 'fd00::/121'],
    ['fd00::7/128', 'fd00::7/128'],
    ['::7/0', '::/0'],
  ] as const) {
    t.equal(formatPrefix(toKernelRoute({ dst }, 2, DUAL).to as Prefix), to)
  }
})

t.test('toKernelRoute() refuses host bits of IPv4, and a next hop of the other family', async (t) => {
  t.throws(() => next({ dst: '10.0.0.1/8' }), { code: 7 })
  t.throws(() => next({ dst: '2001:db8::/32', gw: '10.1.2.1' }), { code: 7 })
  t.throws(() => next({ dst: 'ten' }), { code: 7 })
})

t.test('missingDefaultRoutes() adds one for each family that has none in main', async (t) => {
  const both = [
    { dst: '0.0.0.0/0', gw: '10.1.2.1' },
    { dst: '::/0', gw: 'fd12::1' },
  ]
  t.same(missingDefaultRoutes(DUAL, []), both)
  t.same(missingDefaultRoutes(DUAL, [{ dst: '0.0.0.0/0' }]), both.slice(1), 'with or without a next hop')
  t.same(missingDefaultRoutes(DUAL, [{ dst: '0.0.0.0/0', table: 100 }]), both, 'another table is another matter')
  t.same(missingDefaultRoutes(addressesOf({ ips: [{ address: '10.1.2.5/24' }] }), []), [])
})

t.test('gatewayFor() is the first address of the network that is not the container itself', async (t) => {
  for (const [address, gateway] of [
    ['10.1.2.5/24', '10.1.2.1'],
    ['10.1.2.0/31', '10.1.2.1'],
    ['10.1.2.1/31', '10.1.2.0'],
    ['fd12::5/64', 'fd12::1'],
  ] as const) {
    const [only] = addressesOf({ ips: [{ address }] })
    t.equal(only === undefined ? '' : formatAddress(gatewayFor(only)), gateway, address)
  }
})
