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
    host.batch('addr add 10.1.2.0/32 dev up0') // as a tunnel's end has it
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

/** A node as `node` makes it, and a machine behind its uplink that pods may reach. */
function nodeAndNeighbour(t: Test): Netns {
  const outside = Netns.create(t, 'outside')
  const host = Netns.create(t, 'node')
  host.batch(
    `link add up0 type veth peer name up1 netns ${outside.path}`,
    'link set up0 up',
    'addr add 192.168.5.7/24 dev up0',
    'route add default via 192.168.5.1',
  )
  outside.batch('link set up1 up', 'addr add 192.168.5.1/24 dev up1', 'route add 10.1.2.0/24 via 192.168.5.7')
  host.run('ip', 'addr', 'add', '2001:db8:5::7/64', 'dev', 'up0', 'nodad')
  outside.run('ip', 'addr', 'add', '2001:db8:5::1/64', 'dev', 'up1', 'nodad')
  outside.run('ip', 'route', 'add', 'fd12::/64', 'via', '2001:db8:5::7')
  return host
}

const iptables =
  (...rules: string[]) =>
  (host: Netns) => {
    for (const rule of ['-P FORWARD DROP', ...rules]) host.run('iptables', ...rule.split(' '))
  }

const forward =
  (...rules: string[]) =>
  (host: Netns) =>
    host.run(
      'nft',
      `table inet mine { chain onward { type filter hook forward priority 10; policy drop; ${rules.join('; ')}; }; }`,
    )

const ANSWERS = '-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'
const DROPS = /of this node drops? what pods send.*put \{ "type": "firewall" \} behind this plugin/

t.test('a firewall of the node that drops what pods send is said, and drops it', { skip }, async (t) => {
  const cases: Record<string, { prepare: (host: Netns) => void; name: RegExp }> = {
    'the policy of iptables': { prepare: iptables(), name: /^chain ip filter FORWARD of/ },
    'the end of a chain of iptables': {
      prepare: iptables('-P FORWARD ACCEPT', ANSWERS, '-A FORWARD -j REJECT'),
      name: /^chain ip filter FORWARD of/,
    },
    'the policy of a chain of nftables': {
      prepare: forward('ct state established,related accept'),
      name: /^chain inet mine onward of/,
    },
    'both, in one line': {
      prepare: (host) => {
        iptables()(host)
        forward('counter')(host)
      },
      name: /^chain ip filter FORWARD and chain inet mine onward of this node drop what/,
    },
    'rules for containers of Docker': {
      prepare: (host) => {
        host.batch('link add docker0 type bridge', 'link set docker0 up')
        iptables(
          '-N DOCKER',
          '-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp --dport 80 -j ACCEPT',
          '-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
          '-A FORWARD -o docker0 -j DOCKER',
          '-A FORWARD -i docker0 ! -o docker0 -j ACCEPT',
          '-A FORWARD -i docker0 -o docker0 -j ACCEPT',
        )(host)
      },
      name: /^chain ip filter FORWARD of/,
    },
    'rules of ufw, which accept some ICMP': {
      prepare: iptables('-N before', '-A FORWARD -j before', '-A before -p icmp --icmp-type 3 -j ACCEPT', ANSWERS),
      name: /^chain ip filter FORWARD of/,
    },
    'rules for others': {
      prepare: forward(
        'ip saddr 10.9.0.0/16 accept',
        'ip saddr != 10.0.0.0/8 accept',
        'ip saddr 10.1.3.0/24 accept',
        'ip6 saddr fd13::/64 accept',
        'iifname != "cni*" accept',
        'iif "lo" accept',
        'oifname "nowhere" accept',
        'ct state established accept',
        'ct status dnat accept',
      ),
      name: /^chain inet mine onward of/,
    },
  }
  for (const [what, { prepare, name }] of Object.entries(cases)) {
    const host = nodeAndNeighbour(t)
    prepare(host)
    const one = attach(t, host, network(t, { subnets: ['10.1.2.0/24', 'fd12::/64'] }))
    const said = ({ stderr }: { stderr: string }) => stderr.split('\n').filter((line) => DROPS.test(line))
    t.same(said(one.status()), [], `${what}: firewall may be behind`)
    t.match(one.tryAdd(), { status: 0, stderr: '' }, `${what}: the first ADD cannot know that it is not`)
    const status = one.status()
    t.equal(status.status, 0, `${what}: STATUS succeeds`)
    t.equal(said(status).length, 1, `${what}: ${status.stderr}`)
    t.match(said(status)[0]?.replace(/.*?(?=chain )/, ''), name)
    t.match(one.tryCheck().json, { code: 100, details: DROPS }, what)
    t.notOk((one.container as Netns).ping('192.168.5.1', { seconds: 1 }), `${what}: it drops`)
    const second = new Attachment(host, one.list, Netns.create(t, 'pod', { loopback: false }), { containerId: 'c2' })
    t.same(said(second.tryAdd()), [], `${what}: no ADD looks while the bridge stays a gateway`)
  }
})

t.test('a firewall of the node that lets pods pass is nothing to speak of', { skip }, async (t) => {
  const cases: Record<string, (host: Netns) => void> = {
    'their subnet, in iptables': iptables(ANSWERS, '-A FORWARD -s 10.1.2.0/24 -j ACCEPT'),
    'a larger subnet, in iptables': iptables(ANSWERS, '-A FORWARD -s 10.0.0.0/12 -j ACCEPT'),
    'all but another subnet, in iptables': iptables(ANSWERS, '-A FORWARD ! -s 10.1.3.0/24 -j ACCEPT'),
    'their bridge, by a chain of its own': iptables(
      ANSWERS,
      '-N pods',
      '-A FORWARD -j pods',
      '-A pods -i cni+ -j ACCEPT',
    ),
    'the uplink': iptables(ANSWERS, '-A FORWARD -o up0 -j ACCEPT'),
    'the rules of the reference firewall': iptables(
      '-N CNI-FORWARD',
      '-A FORWARD -j CNI-FORWARD',
      '-A CNI-FORWARD -d 10.1.2.2/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      '-A CNI-FORWARD -s 10.1.2.2/32 -j ACCEPT',
    ),
    'their subnets, in nftables': forward(
      'ct state established,related accept',
      'ip saddr 10.1.2.0/24 accept',
      'ip6 saddr fd12::/64 accept',
    ),
    'a map of interfaces': forward('ct state established accept', 'iifname vmap { "cni0" : accept }'),
    'a set of interfaces': forward('ct state established accept', 'iifname { "cni0", "cni1" } accept'),
    'a condition that cannot be read': forward(
      'ct state established accept',
      'ip ttl > 1 accept',
      'ip6 hoplimit > 1 accept',
    ),
    'no rule that drops': (host) => host.run('iptables', '-A', 'FORWARD', '-i', 'nowhere', '-j', 'DROP'),
  }
  for (const [what, prepare] of Object.entries(cases)) {
    const host = nodeAndNeighbour(t)
    prepare(host)
    const one = attach(t, host, network(t, { subnets: ['10.1.2.0/24', 'fd12::/64'] }))
    t.match(one.status(), { status: 0, stderr: '' }, `${what}: STATUS`)
    t.match(one.tryAdd(), { status: 0, stderr: '' }, `${what}: ADD`)
    t.match(one.tryCheck(), { status: 0, stderr: '' }, `${what}: CHECK`)
    t.ok((one.container as Netns).ping('192.168.5.1', { seconds: 5 }), `${what}: it lets them pass`)
  }
})

t.test('where firewall lets each pod pass, only a pod that it has not let pass is amiss', { skip }, async (t) => {
  const host = nodeAndNeighbour(t)
  iptables()(host)
  const bridge = network(t)
  const { cniVersion, name, stateDir } = bridge
  const list = { cniVersion, name, plugins: [bridge, { type: 'firewall', backend: 'nftables', stateDir }] }
  const admitted = attach(t, host, list)
  t.match(admitted.tryAdd(), { status: 0, stderr: '' }, 'not even the first ADD says anything')
  admitted.check()
  t.ok((admitted.container as Netns).ping('192.168.5.1', { seconds: 5 }))
  const other = new Attachment(host, bridge, Netns.create(t, 'pod', { loopback: false }), { containerId: 'c2' })
  t.match(other.status(), { status: 0, stderr: '' })
  t.match(other.tryAdd(), { status: 0, stderr: '' })
  t.match(other.tryCheck().json, { code: 100, details: DROPS })
  t.notOk((other.container as Netns).ping('192.168.5.1', { seconds: 1 }))
  admitted.del()
  t.match(other.status(), { status: 0, stderr: '' }, 'STATUS is silent after the last pod, too')
})

t.test('a bridge that masquerades is looked at, too, and one at layer 2 is not', { skip }, async (t) => {
  for (const [config, isSaid] of [
    [{ isDefaultGateway: false, ipMasq: true }, true],
    [{ isDefaultGateway: false }, false],
    [{ isDefaultGateway: false, ipam: {} }, false],
  ] as const) {
    const host = nodeAndNeighbour(t)
    iptables()(host)
    const one = attach(t, host, network(t, { config }))
    one.add()
    t.equal(DROPS.test(one.status().stderr), isSaid)
    const { status, json } = one.tryCheck()
    if (isSaid) t.match(json, { code: 100, details: DROPS })
    else t.equal(status, 0)
  }
})
