import t, { type Test } from 'tap'
import { Attachment, type Json } from '../../lib/testing/cni.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { fakeIpam, network } from '../../lib/testing/pod-network.js'

const skip = needs('root')

function topology(t: Test) {
  const host = Netns.create(t, 'node')
  const pod = (name = 'pod') => Netns.create(t, name, { loopback: false })
  return { host, pod }
}

/** An attachment whose IPAM plugin answers this. */
function attachment(t: Test, host: Netns, container: Netns, result: Json, config: Json = {}, more: Json = {}) {
  const { list, bin } = fakeIpam(t, result, { config })
  return new Attachment(host, list, container, { bin, ...more })
}

const DUAL = (last: number): Json => ({
  ips: [
    { address: `10.77.0.${last}/24`, gateway: '10.77.0.1' },
    { address: `fd77::${last}/64`, gateway: 'fd77::1' },
  ],
})

/** The subnet of `DUAL` through its gateway, before or behind other routes through it. */
const OWN = [
  { dst: '10.77.0.0/24', gw: '10.77.0.1' },
  { dst: 'fd77::/64', gw: 'fd77::1' },
]

t.test(
  'host bits of an IPv6 destination are taken as the kernel takes them, in every kind of route',
  {
    skip,
  },
  async (t) => {
    const { host, pod } = topology(t)
    const container = pod()
    const routes = [
      { dst: '2001:db8:200::1/24' },
      { dst: '2001:db8:7::7/48', gw: 'fd77::1' },
      { dst: '2001:db8:8::8/48', scope: 253 },
      { dst: '2001:db8:9::9/48', priority: 7, table: 1000 },
      { dst: '2001:db8:a::a/128' },
      { dst: '::5/0' },
    ]
    const one = attachment(t, host, container, { ...DUAL(2), routes })
    t.same(one.add().routes.slice(0, routes.length), routes, 'the result repeats what IPAM gave')
    one.check()
    const listed = [
      ...container.ip('-6', 'route', 'show', 'table', '1000'),
      ...container.ip('-6', 'route', 'show', 'dev', 'eth0'),
    ]
    for (const dst of ['2001:d00::/24', '2001:db8:7::/48', '2001:db8:8::/48', '2001:db8:9::/48', 'default']) {
      t.ok(
        listed.some((route) => route.dst === dst),
        `${dst} is there`,
      )
    }
    t.equal(
      listed.filter(({ dst }) => dst === 'default').length,
      1,
      '::5/0 is the default route that isDefaultGateway wants',
    )
    container.run('ip', '-6', 'route', 'del', '2001:db8:7::/48')
    t.match(one.tryCheck().json, { code: 100, details: 'route 2001:db8:7::7/48 via fd77::1 is missing' })
  },
)

t.test(
  'a route of the own subnet through the gateway comes before the connected one, wherever it is in the list',
  {
    skip,
  },
  async (t) => {
    const others = [{ dst: '10.9.0.0/16' }, { dst: 'fd99::/64', gw: 'fd77::1' }, { dst: '::/0' }]
    for (const routes of [OWN, [...OWN, ...others], [...others, ...OWN]]) {
      for (const enabledad of [false, true]) {
        const { host, pod } = topology(t)
        const container = pod()
        const one = attachment(t, host, container, { ...DUAL(2), routes }, { enabledad })
        one.add()
        one.check()
        for (const [to, gateway] of [
          ['10.77.0.9', '10.77.0.1'],
          ['fd77::9', 'fd77::1'],
          ['fd99::9', 'fd77::1'],
        ] as const) {
          const [route] = container.ip('route', 'get', to)
          if (to !== 'fd99::9' || routes.length > 2)
            t.equal(route.gateway, gateway, `${to} of ${JSON.stringify(routes)}`)
        }
        container.run('ip', '-6', 'route', 'add', 'fd88::/64', 'via', 'fd77::1')
        t.pass('and a route through that gateway can be added later')
        one.del()
      }
    }
  },
)

t.test('isolated ports reach each other through the gateway, and go on doing so', { skip }, async (t) => {
  const { host, pod } = topology(t)
  const [a, b] = [pod(), pod()]
  for (const [container, last] of [
    [a, 2],
    [b, 3],
  ] as const) {
    const options = { containerId: `c${last}` }
    attachment(t, host, container, { ...DUAL(last), routes: OWN }, { portIsolation: true }, options).add()
  }
  for (const to of ['10.77.0.3', 'fd77::3']) {
    // Long enough for the gateway to say that there is a shorter way, which there is not.
    const { stdout } = a.try(['ping', '-c', '5', '-i', '0.2', '-W', '1', to])
    t.match(stdout, / 5 received/, to)
  }
})

t.test('routes of another attachment in the same subnet stay in front', { skip }, async (t) => {
  const { host, pod } = topology(t)
  const container = pod()
  const subnet = { ...DUAL(2), routes: [...OWN, { dst: 'fd99::/64', gw: 'fd77::1' }] }
  attachment(t, host, container, subnet, { bridge: 'br1', name: 'one' }).add()
  const before = ['10.77.0.9', 'fd77::9', 'fd99::9'].map((to) => container.ip('route', 'get', to)[0])
  const again = { ...DUAL(3), routes: subnet.routes }
  const second = attachment(t, host, container, again, { bridge: 'br2', name: 'two' }, { ifName: 'eth1' })
  second.add()
  second.check()
  const after = ['10.77.0.9', 'fd77::9', 'fd99::9'].map((to) => container.ip('route', 'get', to)[0])
  t.same(
    after.map(({ dev, gateway }) => ({ dev, gateway })),
    before.map(({ dev, gateway }) => ({ dev, gateway })),
  )
  container.run('ip', 'link', 'set', 'eth0', 'down')
  for (const to of ['10.77.0.9', 'fd77::9']) {
    const [route] = container.ip('route', 'get', to)
    t.equal(route.dev, 'eth1', 'and when that one is gone ours count')
    t.ok(route.gateway, 'through the gateway')
  }
})

t.test('what is refused is refused with its own reason, whatever comes after it', { skip }, async (t) => {
  const [v4, v6] = DUAL(2).ips
  const cases: Record<string, { result: Json; msg: RegExp }> = {
    'an IPv4 address twice': { result: { ips: [v4, v6, v4] }, msg: /add address 10\.77\.0\.2\/24 .*EEXIST/ },
    'an IPv6 address twice': { result: { ips: [v4, v6, v6] }, msg: /add address fd77::2\/64 .*EEXIST/ },
    'an IPv6 route twice': {
      result: { ips: [v6], routes: [1, 2].map(() => ({ dst: 'fd99::/64' })) },
      msg: /add route fd99::\/64 .*EEXIST/,
    },
    'an IPv6 default route twice': {
      result: { ips: [v6], routes: [1, 2].map(() => ({ dst: '::/0' })) },
      msg: /add route ::\/0 .*EEXIST/,
    },
  }
  for (const [what, { result, msg }] of Object.entries(cases)) {
    for (const enabledad of [false, true]) {
      const { host, pod } = topology(t)
      const container = pod()
      const routes = result.routes ?? [{ dst: '0.0.0.0/0' }, { dst: '::/0' }].slice(result.ips.length > 1 ? 0 : 1)
      const one = attachment(t, host, container, { ...result, routes }, { enabledad })
      t.match(one.tryAdd().json, { code: 105, msg }, `${what}, enabledad ${enabledad}`)
      t.equal(container.ip('link', 'show').length, 1, 'and nothing is left')
    }
  }
})

t.test('a dual-stack pod with enabledad has one default route of each family', { skip }, async (t) => {
  const { host, pod } = topology(t)
  const container = pod()
  const list = network(t, { subnets: ['10.77.0.0/24', 'fd77::/64'], config: { enabledad: true } })
  new Attachment(host, list, container).add()
  for (const family of ['-4', '-6']) t.equal(container.ip(family, 'route', 'show', 'default').length, 1)
})
