import t from 'tap'
import { formatAddress } from '../../lib/ip/address.js'
import { dataDirOf, type HostLocalConfig, rangeSetsOf } from './config.js'
import { formatRangeSet } from './ranges.js'
import { requestedAddresses } from './requests.js'

const config = (ipam: HostLocalConfig['ipam'], rest: Partial<HostLocalConfig> = {}): HostLocalConfig => ({
  name: 'net',
  ...(ipam === undefined ? {} : { ipam }),
  ...rest,
})
const sets = (c: HostLocalConfig, version: Parameters<typeof rangeSetsOf>[1] = '1.1.0') =>
  rangeSetsOf(c, version).map(formatRangeSet)

t.test('rangeSetsOf() puts ipRanges first, then the old form, then ranges', async (t) => {
  const c = config(
    { subnet: '10.0.1.0/29', ranges: [[{ subnet: '10.0.2.0/29' }], [{ subnet: 'fd00::/126' }]] },
    { runtimeConfig: { ipRanges: [[{ subnet: '10.0.3.0/29' }, { subnet: '10.0.4.0/29' }]] } },
  )
  t.same(sets(c), ['10.0.3.1-10.0.3.6,10.0.4.1-10.0.4.6', '10.0.1.1-10.0.1.6', '10.0.2.1-10.0.2.6', 'fd00::1-fd00::3'])
})

t.test('rangeSetsOf() takes the flat ipRanges of containerd, each a set', async (t) => {
  const ipRanges = [
    { Subnet: '10.0.3.0/29', RangeStart: '10.0.3.4', Gateway: null },
    { Subnet: 'fd00::/126', RangeEnd: '' },
  ]
  t.same(sets(config({}, { runtimeConfig: { ipRanges } })), ['10.0.3.4-10.0.3.6', 'fd00::1-fd00::3'])
})

t.test('rangeSetsOf() refuses with code 7 and a pointer', async (t) => {
  for (const [c, message] of [
    [config(undefined), '"/ipam" is missing'],
    [config({}), '"/ipam/ranges" no IP ranges'],
    [config({ rangeStart: '10.0.0.1' }), '"/ipam/ranges" no IP ranges'],
    [config({ ranges: [] }), '"/ipam/ranges" no IP ranges'],
    [config({ ranges: [[]] }), '"/ipam/ranges/0" the range set is empty'],
    [config({ subnet: '10.0.0.1/24' }), '"/ipam/subnet" Network has host bits set'],
    [config({ ranges: [[{ subnet: '10.0.0.0/24' }], [{ subnet: '10.0.0.0/16' }]] }), '"/ipam/ranges/1" its range'],
    [
      config({ subnet: '10.0.0.0/24' }, { runtimeConfig: { ipRanges: [[{ subnet: '10.0.0.0/16' }]] } }),
      '"/ipam" its range 10.0.0.1-10.0.0.254 overlaps 10.0.0.1-10.0.255.254 of /runtimeConfig/ipRanges/0',
    ],
    [config({}, { runtimeConfig: { ipRanges: [[{ subnet: 5 }]] } }), '"/runtimeConfig/ipRanges/0/0/subnet"'],
    [config({}, { runtimeConfig: { ipRanges: ['x'] } }), '"/runtimeConfig/ipRanges/0" is no range'],
    [config({ subnet: '10.0.0.0/24', dataDir: 'var/lib' }), '"/ipam/dataDir" must be an absolute path'],
  ] as const) {
    try {
      sets(c)
      t.fail(`accepted: ${message}`)
    } catch (error) {
      t.match(error, { code: 7 })
      t.ok((error as Error).message.startsWith(`invalid configuration: ${message}`), (error as Error).message)
    }
  }
})

t.test('rangeSetsOf() allows one set a family before 0.3.0', async (t) => {
  const twice = config({ ranges: [[{ subnet: '10.0.0.0/24' }], [{ subnet: '10.0.1.0/24' }]] })
  const each = config({ ranges: [[{ subnet: '10.0.0.0/24' }], [{ subnet: 'fd00::/64' }]] })
  t.throws(() => sets(twice, '0.2.0'), { code: 7 })
  t.equal(sets(twice, '0.3.0').length, 2)
  t.equal(sets(each, '0.1.0').length, 2)
})

t.test('dataDirOf() has a default', async (t) => {
  t.equal(dataDirOf({}), '/var/lib/cni/networks')
  t.equal(dataDirOf(config({ dataDir: '' })), '/var/lib/cni/networks')
  t.equal(dataDirOf(config({ dataDir: '/x' })), '/x')
})

t.test('requestedAddresses() adds up, but CNI_ARGS yields to args.cni.ips', async (t) => {
  const ask = (rest: Partial<HostLocalConfig>, ip?: string) =>
    requestedAddresses(config({}, rest), new Map(ip === undefined ? [] : [['IP', ip]])).map(formatAddress)
  t.same(ask({}), [])
  t.same(ask({}, '10.0.0.5'), ['10.0.0.5'])
  t.same(ask({}, '10.0.0.5/24'), ['10.0.0.5'])
  t.same(ask({}, '::ffff:10.0.0.5'), ['10.0.0.5'])
  t.same(ask({ args: { cni: { ips: ['10.0.0.6/24', 'fd00::6'] } } }, '10.0.0.5'), ['10.0.0.6', 'fd00::6'])
  t.same(ask({ args: { cni: { ips: [] } } }, '10.0.0.5'), ['10.0.0.5'])
  t.same(ask({ runtimeConfig: { ips: ['10.0.0.7'] } }, '10.0.0.5'), ['10.0.0.5', '10.0.0.7'])
  t.same(ask({ args: { cni: { ips: ['10.0.0.6'] } }, runtimeConfig: { ips: ['10.0.0.6/8', 'fd00::7'] } }), [
    '10.0.0.6',
    'fd00::7',
  ])
  t.throws(() => ask({}, '10.0.0.5,10.0.0.6'), { code: 4 })
  t.throws(() => ask({ runtimeConfig: { ips: ['fd00::7/129'] } }), { code: 7, message: /runtimeConfig\/ips\/0/ })
  t.throws(() => ask({ args: { cni: { ips: [' 10.0.0.6'] } } }), { code: 7, message: /args\/cni\/ips\/0/ })
})
