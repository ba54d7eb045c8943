import t, { type Test } from 'tap'
import { Attachment, type Json } from '../../lib/testing/cni.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { network } from '../../lib/testing/pod-network.js'

const skip = needs('root')

/** A node on 192.168.5.0/24 and 2001:db8:5::/64, with an uplink of MTU 1400 that its default routes go by. */
function node(t: Test): Netns {
  const host = Netns.create(t, 'node')
  host.batch(
    'link add up0 mtu 1400 type veth peer name up1',
    'link set up1 up',
    'link set up0 up',
    'addr add 192.168.5.7/24 dev up0',
    'route add default via 192.168.5.1',
  )
  host.run('ip', 'addr', 'add', '2001:db8:5::7/64', 'dev', 'up0', 'nodad')
  return host
}

function attach(t: Test, host: Netns, list: Json): Attachment {
  return new Attachment(host, list, Netns.create(t, 'pod', { loopback: false }))
}

const turnIpv6Off = (host: Netns, ...which: string[]) => {
  for (const one of which) host.run('sysctl', '-qw', `net.ipv6.conf.${one}.disable_ipv6=1`)
}

t.test('STATUS and ADD fail where no pod of this node could work', { skip }, async (t) => {
  const foreign = (host: Netns) => host.batch('link add br0 type bridge', 'link set br0 up')
  const cases: Record<
    string,
    { list: Json; prepare?: (host: Netns) => void; add: number; words: RegExp; fails?: boolean }
  > = {
    "the pods' subnet is the node's own, IPv4": {
      list: network(t, { subnets: ['192.168.5.0/24'], config: { mtu: 1400 } }),
      add: 7,
      words: /192\.168\.5\.0\/24.*up0/,
    },
    "the pods' subnet is the node's own, IPv6, with IPv4 beside it": {
      list: network(t, { subnets: ['10.1.2.0/24', '2001:db8:5::/64'], config: { mtu: 1400 } }),
      add: 7,
      words: /2001:db8:5::\/64.*up0/,
    },
    'IPv6 is off on the node, and the network has nothing else': {
      list: network(t, { subnets: ['fd12::/64'], config: { mtu: 1400 } }),
      prepare: (host) => turnIpv6Off(host, 'all', 'default'),
      add: 50,
      words: /net\.ipv6\.conf\.all\.disable_ipv6/,
    },
    "IPv6 is off on somebody's bridge": {
      list: network(t, { subnets: ['10.1.2.0/24', 'fd12::/64'], config: { bridge: 'br0', mtu: 1400 } }),
      prepare: (host) => {
        foreign(host)
        turnIpv6Off(host, 'br0')
      },
      add: 50,
      words: /net\.ipv6\.conf\.br0\.disable_ipv6/,
    },
  }
  for (const [what, { list, prepare, add, words }] of Object.entries(cases)) {
    const host = node(t)
    prepare?.(host)
    const one = attach(t, host, list)
    const status = one.status().json
    t.match(status, { code: 50 }, what)
    t.match(`${status.msg} ${status.details}`, words, `${what}: STATUS`)
    const { json } = one.tryAdd()
    t.match(json, { code: add }, what)
    t.match(`${json.msg} ${json.details}`, words, `${what}: ADD`)
    t.same(
      host.ip('link', 'show', 'type', 'veth').filter(({ ifname }) => /^veth/.test(ifname)),
      [],
    )
  }
})

t.test(
  'what spoils some traffic is said by ADD and STATUS in the same words, and CHECK fails for it',
  {
    skip,
  },
  async (t) => {
    const cases: Record<string, { list: Json; prepare?: (host: Netns) => void; words: RegExp }> = {
      'an MTU above that of the uplink': {
        list: network(t, { config: { mtu: 1401 } }),
        words: /MTU 1401, more than the 1400 of up0.*set "mtu": 1400/,
      },
      "the node's own address in the pods' subnet": {
        list: network(t, { subnets: ['192.168.0.0/16'], config: { mtu: 1400 } }),
        words: /192\.168\.0\.0\/16 .*192\.168\.5\.7\/24 of up0/,
      },
      'IPv6 off on the node, with IPv4 beside it': {
        list: network(t, { subnets: ['10.1.2.0/24', 'fd12::/64'], config: { mtu: 1400 } }),
        prepare: (host) => turnIpv6Off(host, 'all', 'default'),
        words: /net\.ipv6\.conf\.all\.disable_ipv6=0/,
      },
      'isDefaultGateway without ipam': {
        list: network(t, { config: { ipam: {} } }),
        words: /"isDefaultGateway" has no effect without "ipam"/,
      },
      'isGateway without ipam': {
        list: network(t, { config: { ipam: {}, isDefaultGateway: false, isGateway: true } }),
        words: /"isGateway" has no effect without "ipam"/,
      },
      'ipMasq without ipam': {
        list: network(t, { config: { ipam: {}, isDefaultGateway: false, ipMasq: true } }),
        words: /"ipMasq" has no effect without "ipam"/,
      },
    }
    for (const [what, { list, prepare, words }] of Object.entries(cases)) {
      const host = node(t)
      prepare?.(host)
      const one = attach(t, host, list)
      const status = one.status()
      t.equal(status.status, 0, `${what}: STATUS succeeds`)
      const added = one.tryAdd()
      t.equal(added.status, 0, `${what}: ADD succeeds`)
      const said = (text: string) => text.split('\n').filter((line) => words.test(line))
      t.equal(said(added.stderr).length, 1, `${what}: ${added.stderr}`)
      t.same(said(status.stderr), said(added.stderr), `${what}: the same words`)
      t.match(one.tryCheck().json, { code: 100, details: words }, what)
      one.del()
    }
  },
)

t.test('a network that is as it should be is silent', { skip }, async (t) => {
  for (const [subnets, config] of [
    [['10.1.2.0/24', 'fd12::/64'], { mtu: 1400 }],
    [['10.1.2.0/24'], { mtu: 1200, vlan: 0, ipMasq: true }],
  ] as const) {
    const host = node(t)
    const one = attach(t, host, network(t, { subnets, config }))
    const status = one.status()
    t.match(status, { status: 0, stderr: '' })
    t.match(one.tryAdd(), { status: 0, stderr: '' })
    t.match(one.status(), { status: 0, stderr: '' })
    one.check()
  }
})

t.test('a bridge of ours gets the IPv6 that sysctl turned off, and pods talk by it', { skip }, async (t) => {
  for (const which of [['default'], ['all', 'default']]) {
    const host = Netns.create(t, 'node')
    turnIpv6Off(host, ...which)
    const list = network(t, { subnets: ['10.1.2.0/24', 'fd12::/64'] })
    const pods = [1, 2].map((n) => {
      const container = Netns.create(t, 'pod', { loopback: false })
      turnIpv6Off(container, 'all', 'default')
      const one = new Attachment(host, list, container, { containerId: `c${n}` })
      const answer = one.tryAdd()
      t.equal(answer.status, 0, answer.stdout)
      if (n === 1) t.match(answer.stderr, /IPv6 was off on cni0/)
      return container
    })
    t.ok(pods[0]?.ping('fd12::3', { seconds: 2 }), `${which}: pod to pod`)
    t.ok(pods[0]?.ping('fd12::1', { seconds: 2 }), `${which}: pod to node`)
    t.equal(
      host.run('sysctl', '-n', 'net.ipv6.conf.lo.disable_ipv6').trim(),
      which.length > 1 ? '1' : '0',
      'lo is as it was',
    )
  }
})
