import t from 'tap'
import { familyOf, fromAnyVersion, toVersion } from './convert.js'
import { VERSIONS } from './version.js'

const rich = {
  interfaces: [
    { name: 'cni0', mac: '02:00:00:00:00:01', mtu: 1500 },
    { name: 'eth0', mac: '02:00:00:00:00:02', mtu: 1500, sandbox: '/run/netns/x', pciID: '0000:00:1f.6' },
  ],
  ips: [
    { address: '10.1.2.5/24', gateway: '10.1.2.1', interface: 1 },
    { address: 'fd00::5/64', interface: 0 },
  ],
  routes: [
    { dst: '0.0.0.0/0', gw: '10.1.2.1', mtu: 1400, priority: 5, table: 0, scope: 0 },
    { dst: '::/0', gw: 'fd00::1' },
  ],
  dns: { nameservers: ['10.1.2.1'] },
}

t.test('toVersion() at 1.1.0 keeps every member', async (t) => {
  t.same(toVersion(rich, '1.1.0'), { ...rich, cniVersion: '1.1.0' })
})

t.test('toVersion() before 1.1.0 drops what 1.1.0 added and keeps index 0', async (t) => {
  t.same(toVersion(rich, '1.0.0'), {
    cniVersion: '1.0.0',
    interfaces: [
      { name: 'cni0', mac: '02:00:00:00:00:01' },
      { name: 'eth0', mac: '02:00:00:00:00:02', sandbox: '/run/netns/x' },
    ],
    ips: rich.ips,
    routes: [
      { dst: '0.0.0.0/0', gw: '10.1.2.1' },
      { dst: '::/0', gw: 'fd00::1' },
    ],
    dns: rich.dns,
  })
})

t.test('toVersion() at 0.3.0 to 0.4.0 names the family of each address and always has dns', async (t) => {
  for (const version of ['0.3.0', '0.3.1', '0.4.0'] as const) {
    const { ips, dns } = toVersion({ ips: rich.ips }, version) as { ips: { version: string }[]; dns: object }
    t.same(
      ips.map((ip) => ip.version),
      ['4', '6'],
    )
    t.same(dns, {})
  }
})

t.test('toVersion() at 0.1.0 and 0.2.0 gives the first address of each family with its routes', async (t) => {
  const result = { ...rich, ips: [...rich.ips, { address: '10.9.9.9/24' }] }
  for (const version of ['0.1.0', '0.2.0'] as const) {
    t.same(toVersion(result, version), {
      cniVersion: version,
      ip4: { ip: '10.1.2.5/24', gateway: '10.1.2.1', routes: [{ dst: '0.0.0.0/0', gw: '10.1.2.1' }] },
      ip6: { ip: 'fd00::5/64', routes: [{ dst: '::/0', gw: 'fd00::1' }] },
      dns: rich.dns,
    })
  }
})

t.test('toVersion() at 0.2.0 drops routes of a family without an address', async (t) => {
  const converted = toVersion({ ips: [{ address: '10.1.2.5/24' }], routes: [{ dst: '::/0' }] }, '0.2.0')
  t.notOk('ip6' in converted)
  t.same(converted['ip4'], { ip: '10.1.2.5/24' })
})

t.test('toVersion() at 0.2.0 refuses a result without addresses', async (t) => {
  t.throws(() => toVersion({ interfaces: [{ name: 'eth0' }] }, '0.2.0'), { code: 7, message: /no valid IPs/ })
})

t.test('fromAnyVersion() reads what toVersion() writes', async (t) => {
  const plain = {
    interfaces: [{ name: 'eth0', mac: '02:00:00:00:00:02', sandbox: '/x' }],
    ips: [{ address: '10.1.2.5/24', gateway: '10.1.2.1', interface: 0 }],
    routes: [{ dst: '0.0.0.0/0', gw: '10.1.2.1' }],
    dns: { domain: 'x' },
  }
  for (const version of VERSIONS) {
    const read = fromAnyVersion(toVersion(plain, version), version, 'it')
    if (version < '0.3')
      t.same(read, { ips: [{ address: '10.1.2.5/24', gateway: '10.1.2.1' }], routes: plain.routes, dns: plain.dns })
    else t.same(read, plain, version)
  }
})

t.test('fromAnyVersion() lifts ip4 before ip6', async (t) => {
  const old = {
    cniVersion: '0.2.0',
    ip6: { ip: 'fd00::5/64', routes: [{ dst: '::/0' }] },
    ip4: { ip: '10.1.2.5/24', gateway: '10.1.2.1', routes: [{ dst: '0.0.0.0/0' }] },
  }
  t.same(fromAnyVersion(old, '1.1.0', 'it'), {
    ips: [{ address: '10.1.2.5/24', gateway: '10.1.2.1' }, { address: 'fd00::5/64' }],
    routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
  })
})

t.test('fromAnyVersion() keeps members nobody knows', async (t) => {
  const value = { ips: [{ address: '10.1.2.5/24', colour: 'red' }], weather: 'fine' }
  t.match(fromAnyVersion(value, '1.1.0', 'it'), value)
})

t.test('fromAnyVersion() refuses what is no result', async (t) => {
  for (const [value, why] of [
    ['text', /not an object/],
    [{ cniVersion: 1 }, /not a string/],
    [{ cniVersion: '9.9.9' }, /unknown cniVersion/],
    [{ ips: {} }, /not a list/],
    [{ ips: [{ address: 'x' }] }, /no address/],
    [{ ips: [{ address: '10.1.2.5/24', interface: 0 }] }, /not an index/],
    [{ interfaces: [{ name: 'a' }], ips: [{ address: '10.1.2.5/24', interface: 1 }] }, /not an index/],
    [{ interfaces: [{ name: 'a' }], ips: [{ address: '10.1.2.5/24', interface: -1 }] }, /not an index/],
    [{ interfaces: [{}] }, /no name/],
    [{ routes: [{ dst: '10.0.0.0' }] }, /no prefix/],
  ] as const) {
    t.throws(() => fromAnyVersion(value, '1.1.0', 'it'), { code: 6, message: why }, JSON.stringify(value))
  }
})

t.test('familyOf() counts an IPv4-mapped address as 4', async (t) => {
  t.equal(familyOf('::ffff:10.1.2.5/120'), '4')
  t.equal(familyOf('10.1.2.5/24'), '4')
  t.equal(familyOf('64:ff9b::10.1.2.5/96'), '6')
  t.equal(familyOf('fd00::1/64'), '6')
})
