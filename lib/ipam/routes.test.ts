import t from 'tap'
import { routesOf } from './routes.js'

t.test('routesOf() keeps what was set, zeros only where they mean something', async (t) => {
  const routes = [
    { dst: '0.0.0.0/0' },
    { dst: '10.1.2.3/8', gw: '10.0.0.1', mtu: 1400, advmss: 1360, priority: 5, table: 0, scope: 0 },
    { dst: '2001:DB8:0::/48', gw: '', mtu: 0, advmss: 0, priority: 0 },
  ]
  t.same(routesOf(routes), [
    { dst: '0.0.0.0/0' },
    { dst: '10.1.2.3/8', gw: '10.0.0.1', mtu: 1400, advmss: 1360, priority: 5, table: 0, scope: 0 },
    { dst: '2001:db8::/48' },
  ])
  t.throws(() => routesOf([{ dst: '10.0.0.0' }]), { code: 7, message: /routes\/0\/dst/ })
  t.throws(() => routesOf([{ dst: '::/0', gw: 'x' }]), { code: 7, message: /routes\/0\/gw/ })
})
