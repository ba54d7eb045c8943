import t from 'tap'
import { shape } from './shapes.js'

const NEWEST = {
  interfaces: [{ name: 'eth0', mac: '02:00:00:00:00:01', mtu: 1500, sandbox: '/x' }],
  ips: [
    { address: '10.0.0.2/24', gateway: '10.0.0.1', interface: 0 },
    { address: 'fd00::2/64', interface: 0 },
  ],
  routes: [{ dst: '0.0.0.0/0', gw: '10.0.0.1', mtu: 1400 }, { dst: '::/0' }],
}

t.test('the oldest shape has one address of each family, with its routes', async (t) => {
  t.strictSame(shape('0.2.0', NEWEST), {
    cniVersion: '0.2.0',
    ip4: { ip: '10.0.0.2/24', gateway: '10.0.0.1', routes: [{ dst: '0.0.0.0/0', gw: '10.0.0.1' }] },
    ip6: { ip: 'fd00::2/64', routes: [{ dst: '::/0' }] },
  })
})

t.test('from 0.3.0 to 0.4.0 addresses have a version, before 1.1.0 nothing has an MTU', async (t) => {
  const { ips, interfaces, routes, dns } = shape('0.3.1', NEWEST)
  t.strictSame(
    ips.map(({ version }: { version: string }) => version),
    ['4', '6'],
  )
  t.strictSame(interfaces, [{ name: 'eth0', mac: '02:00:00:00:00:01', sandbox: '/x' }])
  t.strictSame(routes[0], { dst: '0.0.0.0/0', gw: '10.0.0.1' })
  t.strictSame(dns, {})
  t.strictSame(shape('1.1.0', NEWEST), { cniVersion: '1.1.0', ...NEWEST })
})
