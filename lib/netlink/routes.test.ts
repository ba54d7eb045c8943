import t from 'tap'
import { type IpAddress, parseAddress } from '../ip/address.js'
import { type Prefix, parsePrefix } from '../ip/prefix.js'
import { matchesRecorded, messagesOf } from '../testing/netlink.js'
import { addRoute, getRoute, listRoutes, readRoute, removeRoute } from './routes.js'

const HEADER = 12
const METRICS = { '8': 0 }
const ip = (text: string) => parseAddress(text) as IpAddress
const to = (text: string) => parsePrefix(text) as Prefix

t.test('addRoute() is what ip route sends', async (t) => {
  const route = { to: to('10.244.2.0/24'), link: 2 }
  const via = ip('10.1.2.7')
  matchesRecorded(
    t,
    'ip route add 10.244.2.0/24 via 10.1.2.7 dev br0 proto 77',
    `
      3400000018000506e73c016b00000000
      02180000fe4d000100000000080001000af40200080005000a0102070800040002000000
    `,
    addRoute({ ...route, via, protocol: 77 }, 'create-exclusive'),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip route replace 10.244.2.0/24 via 10.1.2.7 dev br0 onlink metric 5 src 10.1.2.1 mtu 1400 advmss 1360',
    `
      5800000018000505e73c016b00000000
      02180000fe03000104000000080001000af40200080005000a0102070800060005000000080007000a010201080004000200
      00001400080008000200780500000800080050050000
    `,
    addRoute(
      { ...route, via, onlink: true, priority: 5, source: ip('10.1.2.1'), mtu: 1400, advertisedMss: 1360 },
      'replace',
    ),
    HEADER,
    METRICS,
  )
  matchesRecorded(
    t,
    'ip route append 10.244.2.0/24 dev br0',
    '2c0000001800050ce73c016b00000000 02180000fe03fd0100000000080001000af402000800040002000000',
    addRoute(route, 'append'),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip route add unreachable 10.244.0.0/16 metric 9999 proto 77',
    '2c00000018000506e73c016b00000000 02100000fe4d000700000000080001000af40000080006000f270000',
    addRoute({ to: to('10.244.0.0/16'), type: 'unreachable', priority: 9999, protocol: 77 }, 'create-exclusive'),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip route add 10.244.3.0/24 via inet6 fd00:1::7 dev br0',
    `
      4400000018000506e83c016b00000000
      02180000fe03000100000000080001000af40300160012000a00fd0000010000000000000000000000070000080004000200
      0000
    `,
    addRoute({ to: to('10.244.3.0/24'), via: ip('fd00:1::7'), link: 2 }, 'create-exclusive'),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip route add default via 10.1.2.7',
    '2400000018000506e83c016b00000000 02000000fe03000100000000080005000a010207',
    addRoute({ to: 'default', via }, 'create-exclusive'),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip -6 route add fd00:2::/64 via fd00:1::7 dev br0 table 1000',
    `
      5400000018000506e83c016b00000000
      0a400000000300010000000014000100fd00000200000000000000000000000014000500fd00000100000000000000000000
      000708000f00e80300000800040002000000
    `,
    addRoute({ to: to('fd00:2::/64'), via: ip('fd00:1::7'), link: 2, table: 1000 }, 'create-exclusive'),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip route add 10.3.0.0/16 dev br0 table 100',
    '2c00000018000506e83c016b00000000 021000006403fd0100000000080001000a0300000800040002000000',
    addRoute({ to: to('10.3.0.0/16'), link: 2, table: 100 }, 'create-exclusive'),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip route add local 10.7.0.0/16 dev lo table 100',
    '2c00000018000506e83c016b00000000 021000006403fe0200000000080001000a0700000800040001000000',
    addRoute({ to: to('10.7.0.0/16'), link: 1, table: 100, type: 'local' }, 'create-exclusive'),
    HEADER,
  )
})

t.test('addRoute() needs to know the family of a default route', async (t) => {
  const write = addRoute({ to: 'default', link: 2 }, 'replace').write
  t.throws(() => write(undefined as never), /family/)
})

t.test('removeRoute() is what ip route sends', async (t) => {
  matchesRecorded(
    t,
    'ip route del 10.244.2.0/24 via 10.1.2.7 dev br0',
    `
      3400000019000500e83c016b00000000
      02180000fe00ff0000000000080001000af40200080005000a0102070800040002000000
    `,
    removeRoute({ to: to('10.244.2.0/24'), via: ip('10.1.2.7'), link: 2 }),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip -6 route del fd00:2::/64',
    '3000000019000500e83c016b00000000 0a400000fe0000000000000014000100fd000002000000000000000000000000',
    removeRoute({ to: to('fd00:2::/64') }),
    HEADER,
  )
})

t.test('routes are listed and looked up as ip route does', async (t) => {
  matchesRecorded(
    t,
    'ip route show table main proto 77',
    '240000001a000103e83c016b00000000 02000000004d00000000000008000f00fe000000',
    listRoutes(4, { table: 254, protocol: 77 }),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip -6 route show table main dev br0 proto 77',
    '2c0000001a000103e83c016b00000000 0a000000004d00000000000008000f00fe0000000800040002000000',
    listRoutes(6, { table: 254, protocol: 77, linkIndex: 2 }),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip route get 10.244.2.9',
    '240000001a000100e83c016b00000000 022000000000000000100000080001000af40209',
    getRoute(ip('10.244.2.9')),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip -6 route get fd00:2::9',
    '300000001a000100e83c016b00000000 0a800000000000000000000014000100fd000002000000000000000000000009',
    getRoute(ip('fd00:2::9')),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip route get fibmatch 10.244.2.9',
    '240000001a000100dac80a6b00000000 022000000000000000300000080001000af40209',
    getRoute(ip('10.244.2.9'), { entry: true }),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip -6 route get fibmatch fd00:2::9',
    '300000001a000100dac80a6b00000000 0a800000000000000020000014000100fd000002000000000000000000000009',
    getRoute(ip('fd00:2::9'), { entry: true }),
    HEADER,
  )
})

// ip route show table main proto 77
const ROUTES = `
  3400000018002200e83c016ba908000002000000fe4d00010000000008000f00fe000000080005000a010207080004000200000034000000
  18002200e83c016ba908000002100000fe4d00070000000008000f00fe000000080001000af40000080006000f2700004800000018002200
  e83c016ba908000002180000fe4d00010000000008000f00fe000000080001000af402000c0008000800020078050000080005000a010207
  08000400020000004c00000018002200e83c016ba908000002180000fe4d00010400000008000f00fe000000080001000af4030016001200
  0a00fd00000100000000000000000000000700000800040002000000
`
// ip -6 route show table main dev br0 proto 77
const ROUTES6 = `
  8800000018002200e83c016bb90800000a400000fe4d00010000000008000f00fe00000014000100fd000002000000000000000000000000
  080006000004000014000500fd000001000000000000000000000007080004000200000024000c0000000000000000000000000000000000
  000000000000000000000000000000000500140000000000
`
// ip route get 10.244.2.9
const LOOKUP = `
  7c00000018000000e83c016bc908000002200000fe0000010002000008000f00fe000000080001000af40209080004000200000008000700
  0a010201080005000a0102070c0008000800020078050000080019000000000024000c000200000000000000000000000000000000000000
  000000000000000000000000
`

t.test('readRoute() reads what ip route prints', async (t) => {
  const common = { family: 4, table: 254, protocol: 77, scope: 'universe' }
  const via = ip('10.1.2.7')
  t.match(messagesOf(ROUTES).map(readRoute), [
    { ...common, to: 'default', via, link: 2, type: 'unicast', priority: undefined },
    { ...common, to: to('10.244.0.0/16'), type: 'unreachable', priority: 9999, via: undefined },
    { ...common, to: to('10.244.2.0/24'), via, link: 2, type: 'unicast', mtu: 1400, onlink: false },
    { ...common, to: to('10.244.3.0/24'), via: ip('fd00:1::7'), link: 2, type: 'unicast', onlink: true },
  ])
  t.match(messagesOf(ROUTES6).map(readRoute), [
    { family: 6, to: to('fd00:2::/64'), via: ip('fd00:1::7'), link: 2, priority: 1024, protocol: 77, table: 254 },
  ])
  t.match(messagesOf(LOOKUP).map(readRoute), [
    { to: to('10.244.2.9/32'), via, link: 2, source: ip('10.1.2.1'), mtu: 1400, table: 254 },
  ])
})
