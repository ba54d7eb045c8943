/** What a runtime asks for in runtimeConfig, seen where it takes effect. */

import { check, done, err, ok, ok0, same, show } from '../assert.js'
import type { Attachment } from '../attachment.js'
import type { Case } from '../case.js'
import type { Context } from '../context.js'
import type { Json } from '../json.js'
import type { Netns } from '../netns.js'
import { ask, serve } from '../traffic.js'
import { addressesIn, answers, nothingLeft } from '../witness.js'

/** Of the case's host, towards a namespace outside. */
const HOST = { 4: '192.0.2.1', 6: 'fd00:aa::1' }

/** A namespace that is a neighbour of the host, with the host as its router. */
function outside(context: Context): Netns {
  const far = context.netns('outside')
  context.host.sh(
    `ip link add out0 type veth peer name eth0 netns ${far.path}`,
    `ip addr add ${HOST[4]}/24 dev out0`,
    `ip addr add ${HOST[6]}/64 dev out0 nodad`,
    'ip link set out0 up',
    'echo 1 > /proc/sys/net/ipv4/ip_forward',
    'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding',
  )
  far.sh(
    'ip link set lo up',
    'ip addr add 192.0.2.2/24 dev eth0',
    'ip addr add fd00:aa::2/64 dev eth0 nodad',
    'ip link set eth0 up',
    `ip route add default via ${HOST[4]}`,
    `ip -6 route add default via ${HOST[6]}`,
  )
  return far
}

function mapped(context: Context, portMappings: Json): Attachment {
  const one = context.attachment()
  one.added({ config: { runtimeConfig: { portMappings } } })
  return one
}

/** The first container's second link, `eth1` on the same bridge, before any plugin has seen it. */
function secondLink(context: Context, config: Json): Attachment {
  const { host, container } = context
  const two = context.attachment({ containerId: 'c1', netns: container, ifName: 'eth1', config, bare: true })
  host.sh(
    `ip link add second0 type veth peer name eth1 netns ${container.path}`,
    'ip link set second0 master suite0 up',
  )
  container.sh('ip addr add 10.88.0.99/24 dev eth1', 'ip link set eth1 up')
  two.prevResult = context.shape({
    interfaces: [{ name: 'suite0' }, { name: 'second0' }, { name: 'eth1', sandbox: container.path }],
    ips: [{ interface: 2, address: '10.88.0.99/24', gateway: '10.88.0.1' }],
  })
  return two
}

const address = (text: string) => text.split('/')[0] ?? ''

const UNITS: Record<string, number> = { '': 1, K: 1e3, M: 1e6, G: 1e9 }

/** Rates in bit/s of a link's queues and classes. */
function rates(host: Netns, link: string): number[] {
  const text = host.sh(`tc qdisc show dev ${link}; tc class show dev ${link}`)
  return [...text.matchAll(/ rate (\d+)([KMG]?)bit /g)].map(
    ([, number, unit = '']) => Number(number) * (UNITS[unit] ?? 0),
  )
}

/** Rates towards the container and from it, wherever the plugin has put them. */
function shaping(context: Context, one: Attachment): { to: number[]; from: number[] } {
  const { host } = context
  const others = host.ip('link', 'show').map(({ ifname }) => ifname)
  return {
    to: rates(host, one.hostEnd),
    from: others
      .filter((name) => name !== one.hostEnd && !name.startsWith('suite'))
      .flatMap((name) => rates(host, name)),
  }
}

function burst(host: Netns, link: string): number {
  const [qdisc] = JSON.parse(host.run('tc', '-j', 'qdisc', 'show', 'dev', link))
  return Number(qdisc?.options?.burst)
}

function shaped(context: Context, bandwidth: Json): Attachment {
  const one = context.attachment()
  one.added({ config: { ...(context.plugin.noop ?? {}), runtimeConfig: { bandwidth } } })
  return one
}

function leased(ips: Json): Json {
  return { config: { runtimeConfig: { ips } } }
}

export const cases: Case[] = [
  {
    id: 'CAP-01',
    section: 'CV',
    level: 'SHOULD',
    duty: ['P'],
    claim:
      'traffic to a mapped port of the host reaches the container, from outside and from the host, and no more after DEL',
    needs: { capabilities: ['portMappings'], kinds: ['chained'] },
    async run(context) {
      const far = outside(context)
      const one = mapped(context, [
        { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
        { hostPort: 5353, containerPort: 53, protocol: 'udp', hostIP: '' },
        { hostPort: 8081, containerPort: 81, protocol: 'tcp', hostIP: HOST[4] },
        { hostPort: 8082, containerPort: 82, protocol: 'tcp', hostIP: '0.0.0.0' },
        { hostPort: 8083, containerPort: 83, protocol: 'tcp', hostIP: '::' },
        { hostPort: 8084, containerPort: 84, protocol: 'tcp', hostIP: '198.51.100.9' },
        { hostPort: 8085, containerPort: 85, protocol: 'tcp', hostIP: HOST[6] },
      ])
      await serve(context, one.netns, 'tcp/80', 'udp/53', ...[81, 82, 83, 84, 85].map((port) => `tcp/${port}`))
      const reached = (from: Netns, protocol: string, host: string, port: number) =>
        ask(from, protocol, host, port).port
      const expected: [string, string, number, string][] = [
        ['tcp', HOST[4], 8080, '80'],
        ['tcp', HOST[6], 8080, '80'],
        ['udp', HOST[4], 5353, '53'],
        ['udp', HOST[6], 5353, '53'],
        ['tcp', HOST[4], 8081, '81'],
        ['tcp', HOST[4], 8082, '82'],
        ['tcp', HOST[6], 8083, '83'],
        ['tcp', HOST[6], 8085, '85'],
      ]
      for (const [protocol, host, port, answer] of expected) {
        same(reached(far, protocol, host, port), answer, `who answers outside at ${protocol} ${host} ${port}`)
      }
      for (const [protocol, host, port, answer] of expected.filter(([, host]) => host === HOST[4])) {
        same(
          reached(context.host, protocol, host, port),
          answer,
          `who answers on the host at ${protocol} ${host} ${port}`,
        )
      }
      same(reached(far, 'tcp', HOST[4], 8084), '', 'who answers at a port of another address of the host')
      same(ask(far, 'tcp', HOST[4], 8080).seen, '192.0.2.2', 'address that the container sees of the client')
      ok0(one.del())
      for (const [protocol, host, port] of expected.slice(0, 3)) {
        same(reached(far, protocol, host, port), '', `who answers after DEL at ${protocol} ${host} ${port}`)
      }
    },
  },
  {
    id: 'CAP-01.sctp',
    section: 'CV',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'a mapping of protocol sctp is taken, and gone after DEL',
    needs: { capabilities: ['portMappings'], kinds: ['chained'] },
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      one.added({
        config: { runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'sctp' }] } },
      })
      if (context.since('0.4.0')) {
        ok0(
          one.check({
            config: { runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'sctp' }] } },
          }),
        )
      }
      ok0(one.del())
      context.noResidue(before)
    },
  },
  {
    id: 'CAP-02',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'port mappings spelled like the fields of Go work like the documented spelling',
    needs: { capabilities: ['portMappings'], kinds: ['chained'] },
    async run(context) {
      const far = outside(context)
      const one = mapped(context, [{ HostPort: 8080, ContainerPort: 80, Protocol: 'tcp', HostIP: '' }])
      await serve(context, one.netns, 'tcp/80')
      same(ask(far, 'tcp', HOST[4], 8080).port, '80', 'who answers at the port of the host')
    },
  },
  {
    id: 'CAP-02.bandwidth',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'limits spelled like the fields of Go work like the documented spelling',
    needs: { capabilities: ['bandwidth'], kinds: ['chained'] },
    run(context) {
      const Burst = 1_000_000
      const one = shaped(context, {
        IngressRate: 3_000_000,
        IngressBurst: Burst,
        EgressRate: 4_000_000,
        EgressBurst: Burst,
      })
      same(shaping(context, one), { to: [3_000_000], from: [4_000_000] }, 'rates')
    },
  },
  {
    id: 'CAP-02.dns',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'DNS spelled like the fields of Go, and null in it, are no error',
    run(context) {
      const one = context.attachment()
      const dns = { Servers: ['192.0.2.53'], Searches: null, Options: null }
      one.added({ config: { runtimeConfig: { ...(one.config('ADD').runtimeConfig ?? {}), dns } } })
    },
  },
  {
    id: 'CAP-08',
    section: 'CV',
    level: 'SHOULD',
    duty: ['P'],
    needs: { capabilities: ['dns'] },
    claim: 'The capability dns replaces the DNS of the result',
    run(context) {
      const dns = context.plugin.capabilities?.['dns']
      const result = context.attachment().added({ config: { runtimeConfig: { dns } } })
      same(result.dns?.nameservers, dns.servers, 'nameservers')
      same(result.dns?.search, dns.searches, 'search')
      same(result.dns?.options, dns.options, 'options')
    },
  },
  {
    id: 'CAP-03',
    section: 'CV',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'invalid port mappings fail with code 7 and leave nothing',
    needs: { capabilities: ['portMappings'], kinds: ['chained'] },
    run(context) {
      const good = { hostPort: 8080, containerPort: 80, protocol: 'tcp' }
      const bad: Json[] = [
        { ...good, hostPort: -1 },
        { ...good, hostPort: 0 },
        { ...good, hostPort: 65536 },
        { ...good, hostPort: '8080' },
        { ...good, containerPort: 0 },
        { ...good, containerPort: -1 },
        { ...good, containerPort: 70000 },
        { ...good, protocol: 'xyz' },
        { ...good, protocol: 7 },
        { ...good, hostIP: 'nonsense' },
        { ...good, hostIP: '192.0.2.300' },
      ]
      const one = context.attachment()
      const before = context.snapshot()
      for (const mapping of bad) {
        const other = { hostPort: 9090, containerPort: 90, protocol: 'tcp' }
        const answer = one.add({ config: { runtimeConfig: { portMappings: [other, mapping] } } })
        check(answer.status !== 0, `ADD fails for ${show(mapping)}`)
        err(answer, 7)
        context.unchanged(before, `ADD with ${show(mapping)} changes nothing`, context.lastingDirectories)
      }
    },
  },
  {
    id: 'CAP-03.twice',
    section: 'CV',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'one host port for two ports of the container, and a mapping without a protocol, fail with code 7 or work',
    needs: { capabilities: ['portMappings'], kinds: ['chained'] },
    async run(context) {
      const far = outside(context)
      const one = context.attachment()
      const before = context.snapshot()
      const good = { hostPort: 8080, containerPort: 80, protocol: 'tcp' }
      const odd: Json[] = [[good, { ...good, containerPort: 81 }], [{ hostPort: 8080, containerPort: 80 }]]
      await serve(context, one.netns, 'tcp/80', 'tcp/81')
      for (const portMappings of odd) {
        const answer = one.add({ config: { runtimeConfig: { portMappings } } })
        if (answer.status !== 0) {
          err(answer, 7)
          context.unchanged(before, `ADD with ${show(portMappings)} changes nothing`, context.lastingDirectories)
        } else {
          same(ask(far, 'tcp', HOST[4], 8080).port, '80', `who answers with ${show(portMappings)}`)
          ok0(one.del())
        }
      }
    },
  },
  {
    id: 'CAP-03.case',
    section: 'CV',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'a protocol in capitals is taken as the same in small letters, or fails with code 7',
    needs: { capabilities: ['portMappings'], kinds: ['chained'] },
    async run(context) {
      const far = outside(context)
      const one = context.attachment()
      const answer = one.add({
        config: { runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'TCP' }] } },
      })
      if (answer.status !== 0) {
        err(answer, 7)
        return
      }
      await serve(context, one.netns, 'tcp/80')
      same(ask(far, 'tcp', HOST[4], 8080).port, '80', 'who answers at the port of the host')
    },
  },
  {
    id: 'CAP-04',
    section: 'CV',
    level: 'SHOULD',
    duty: ['IPAM'],
    claim: 'ipRanges give one address for each of their sets, from its ranges',
    needs: { capabilities: ['ipRanges'], since: '0.3.0' },
    run(context) {
      const ipRanges = [
        [{ subnet: '10.61.0.0/24', rangeStart: '10.61.0.40', rangeEnd: '10.61.0.50' }],
        [{ subnet: 'fd61::/64', gateway: 'fd61::9' }],
      ]
      const addresses = addressesIn(context.attachment().added({ config: { runtimeConfig: { ipRanges } } }))
      const of = (prefix: string) => addresses.filter((each) => each.startsWith(prefix))
      same(of('10.61.0.').length, 1, `number of addresses of 10.61.0.0/24 in ${addresses}`)
      same(of('fd61::').length, 1, `number of addresses of fd61::/64 in ${addresses}`)
      const last = Number(of('10.61.0.')[0]?.split(/[./]/)[3])
      check(last >= 40 && last <= 50, `the address is in its range: ${addresses}`)
    },
  },
  {
    id: 'CAP-05',
    section: 'CV, DF',
    level: 'DF',
    duty: ['IPAM'],
    claim: 'ipRanges as a flat list of ranges are accepted, or fail with code 7',
    needs: { capabilities: ['ipRanges'], since: '0.3.0' },
    run(context) {
      const ipRanges = [{ subnet: '10.61.0.0/24' }, { subnet: 'fd61::/64' }]
      const answer = context.attachment().add({ config: { runtimeConfig: { ipRanges } } })
      if (answer.status !== 0) err(answer, 7)
      else
        check(
          addressesIn(ok(answer)).some((each) => each.startsWith('10.61.')),
          'an address is of these ranges',
        )
    },
  },
  {
    id: 'CAP-06',
    section: 'CV',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'limits are in bit/s and in the right direction; one alone limits one direction, and 0 none',
    needs: { capabilities: ['bandwidth'], kinds: ['chained'] },
    run(context) {
      const limit = { ingressRate: 3_000_000, ingressBurst: 1_000_000 }
      const other = { egressRate: 4_000_000, egressBurst: 1_000_000 }
      const zero = { ingressRate: 0, ingressBurst: 0, egressRate: 0, egressBurst: 0 }
      same(shaping(context, shaped(context, { ...limit, ...other })), { to: [3_000_000], from: [4_000_000] }, 'rates')
      context.host.sh(
        'for l in $(ip -o link show type ifb | sed "s/^[0-9]*: \\([^:@]*\\).*/\\1/"); do ip link del $l; done',
      )
      same(shaping(context, shaped(context, limit)), { to: [3_000_000], from: [] }, 'rates with a limit of ingress')
      same(shaping(context, shaped(context, other)).from, [4_000_000], 'rates with a limit of egress')
      context.host.sh(
        'for l in $(ip -o link show type ifb | sed "s/^[0-9]*: \\([^:@]*\\).*/\\1/"); do ip link del $l; done',
      )
      same(shaping(context, shaped(context, zero)), { to: [], from: [] }, 'rates with limits of 0')
    },
  },
  {
    id: 'CAP-07',
    section: 'CV',
    level: 'SHOULD',
    duty: ['P'],
    claim:
      'a burst without a rate, or beyond 32 bits of bytes, fails with code 7; those that runtimes send for none do not wrap around',
    needs: { capabilities: ['bandwidth'], kinds: ['chained'] },
    run(context) {
      const one = context.attachment()
      const ask = (bandwidth: Json) =>
        one.add({ config: { ...(context.plugin.noop ?? {}), runtimeConfig: { bandwidth } } })
      const before = context.snapshot()
      err(ask({ ingressBurst: 1_000_000 }), 7)
      err(ask({ egressBurst: 1_000_000 }), 7)
      // More than 32 bits of bytes.
      err(ask({ ingressRate: 1_000_000, ingressBurst: 34_359_738_368 }), 7)
      context.unchanged(before, 'ADD with invalid limits changes nothing')
      // At these rates a burst that the kernel's 32 bits of time cannot hold would wrap to less than a packet.
      for (const [ingressBurst, ingressRate] of [
        [4294967295, 15_624_992],
        [34359738359, 124_999_992],
      ]) {
        ok(ask({ ingressRate, ingressBurst }))
        const bytes = burst(context.host, one.hostEnd)
        check(bytes >= 1514, `a burst of ${ingressBurst} bit lets a packet through: ${bytes} byte`)
        done(one.del())
        context.host.try(['tc', 'qdisc', 'del', 'dev', one.hostEnd, 'root'])
      }
    },
  },
  {
    id: 'CAP-07.rate',
    section: 'CV',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'a rate without a burst fails with code 7, or gets a burst that lets full packets through',
    needs: { capabilities: ['bandwidth'], kinds: ['chained'] },
    run(context) {
      const one = context.attachment()
      const answer = one.add({
        config: { ...(context.plugin.noop ?? {}), runtimeConfig: { bandwidth: { ingressRate: 10_000_000 } } },
      })
      if (answer.status !== 0) err(answer, 7)
      else
        check(burst(context.host, one.hostEnd) >= 1514, `burst of the kernel: ${burst(context.host, one.hostEnd)} byte`)
    },
  },
  {
    id: 'CAP-09',
    section: 'CV',
    level: 'SHOULD',
    duty: ['IPAM'],
    claim: 'the addresses in ips are the ones allocated, with or without a prefix length',
    needs: { capabilities: ['ips'] },
    run(context) {
      const ips = context.plugin.capabilities?.['ips'] as string[]
      const one = context.attachment()
      for (const list of [ips, ips.map((each) => `${each}/${each.includes(':') ? 64 : 24}`)]) {
        const addresses = addressesIn(one.added(leased(list)))
        same(addresses.map(address).sort(), ips.map(address).sort(), `addresses allocated for ${list}`)
        ok0(one.del())
      }
    },
  },
  {
    id: 'CAP-09.taken',
    section: 'CV',
    level: 'SHOULD',
    duty: ['IPAM'],
    claim: 'an address that is taken, a gateway, or outside every range is an error, and nothing is kept',
    needs: { capabilities: ['ips'], leases: true },
    run(context) {
      const [first = '', ...rest] = context.plugin.capabilities?.['ips'] as string[]
      context.attachment().added(leased([first, ...rest]))
      const one = context.attachment()
      const before = context.snapshot()
      for (const ip of [first, '203.0.113.7', first.replace(/\d+$/, '1')]) {
        err(one.add(leased([ip])))
        context.noResidue(before, `after ADD with ${ip} all is as before`)
      }
      one.added()
    },
  },
  {
    id: 'CAP-10',
    section: 'CV',
    level: 'SHOULD',
    duty: ['IF', 'CH'],
    claim: 'the link has the mac that was asked for, and the result has it in small letters with colons',
    needs: { capabilities: ['mac'] },
    run(context) {
      const one = context.attachment()
      for (const mac of ['02:11:22:aa:bb:cc', '02:11:22:AA:BB:CC']) {
        const result = one.added({ config: { runtimeConfig: { mac } } })
        const lower = mac.toLowerCase()
        same(one.netns.link(one.ifName)?.address, lower, `hardware address for ${mac}`)
        const listed = (result.interfaces as Json[] | undefined)?.find(({ sandbox }) => sandbox)
        if (listed !== undefined) same(listed.mac, lower, `mac of the result for ${mac}`)
        ok0(one.del())
      }
    },
  },
  {
    id: 'CAP-10.invalid',
    section: 'CV',
    level: 'SHOULD',
    duty: ['IF', 'CH'],
    claim: 'a mac that no link can have fails with code 7 and leaves nothing',
    needs: { capabilities: ['mac'] },
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const bad = ['01:00:5e:00:00:01', '00:00:00:00:00:00', '02:11:22', '02:11:22:33:44:55:66:77', 'zz:11:22:33:44:55']
      for (const mac of bad) {
        err(one.add({ config: { runtimeConfig: { mac } } }), 7)
        context.noResidue(before, `after ADD with mac ${mac} all is as before`)
      }
    },
  },
  {
    id: 'CAP-10.notation',
    section: 'CV',
    level: 'SHOULD',
    duty: ['IF', 'CH'],
    claim: 'a mac with hyphens or dots becomes one with colons, or fails with code 7',
    needs: { capabilities: ['mac'] },
    run(context) {
      const one = context.attachment()
      for (const mac of ['02-11-22-aa-bb-cc', '0211.22aa.bbcc']) {
        const answer = one.add({ config: { runtimeConfig: { mac } } })
        if (answer.status !== 0) err(answer, 7)
        else {
          same(one.netns.link(one.ifName)?.address, '02:11:22:aa:bb:cc', `hardware address for ${mac}`)
          ok0(one.del())
        }
      }
    },
  },
  {
    id: 'CAP-11',
    section: 'CV',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'capabilities the plugin does not know do no harm',
    run(context) {
      const one = context.attachment()
      const foreign = {
        infinibandGUID: 'c2:11:22:33:44:55:66:77',
        deviceID: '0000:04:00.5',
        cgroupPath: '/kubelet.slice/pod1',
        aliases: ['my-container', 'primary-db'],
        'io.kubernetes.cri.pod-annotations': { a: 'b' },
        CNIDeviceInfoFile: '/tmp/net-1',
      }
      const known = Object.keys(context.plugin.capabilities ?? {})
      const others = Object.fromEntries(Object.entries(foreign).filter(([name]) => !known.includes(name)))
      one.added({ config: { runtimeConfig: { ...(one.config('ADD').runtimeConfig ?? {}), ...others } } })
      if (context.since('0.4.0')) ok0(one.check())
      ok0(one.del())
    },
  },
  {
    id: 'CAP-12',
    section: 'CV, DF',
    level: 'DF',
    duty: ['P'],
    claim: 'aliases as a list and as a map from network to list are accepted, or fail with code 7',
    run(context) {
      const one = context.attachment()
      for (const aliases of [['db', 'db.example'], { suite: ['db'] }]) {
        const answer = one.add({ config: { runtimeConfig: { ...(one.config('ADD').runtimeConfig ?? {}), aliases } } })
        if (answer.status !== 0) err(answer, 7)
        else ok0(one.del())
      }
    },
  },
  {
    id: 'CAP-13',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'annotations of the pod and a device information file are ignored',
    run(context) {
      const one = context.attachment()
      const common = { 'io.kubernetes.cri.pod-annotations': { 'a/b': 'c' }, CNIDeviceInfoFile: '/var/run/none' }
      one.added({ config: { runtimeConfig: { ...(one.config('ADD').runtimeConfig ?? {}), ...common } } })
      ok0(one.del())
    },
  },
  {
    id: 'CAP-14',
    section: 'CV, LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'a container on two networks may have one port mapping in both; it holds until both are gone',
    needs: { capabilities: ['portMappings'], kinds: ['chained'] },
    async run(context) {
      const portMappings = [{ hostPort: 8090, containerPort: 80, protocol: 'tcp' }]
      const config = (name: string) => ({ name, runtimeConfig: { portMappings } })
      const one = context.attachment({ config: config('suite') })
      const two = secondLink(context, config('suite-b'))
      const far = outside(context)
      await serve(context, context.container, 'tcp/80')
      for (const first of [one, two]) {
        one.added()
        two.added()
        if (context.since('0.4.0')) for (const each of [one, two]) ok0(each.check())
        const answered = () => ask(far, 'tcp', HOST[4], 8090).port
        same(answered(), '80', 'port that answers while both are attached')
        ok0(first.del())
        same(answered(), '80', `port that answers when ${first.ifName} is gone`)
        ok0((first === one ? two : one).del())
        same(answered(), '', 'port that answers when both are gone')
      }
    },
  },
  {
    id: 'CAP-15',
    section: 'CV',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'a MAC that another container on the same bridge has is refused, and that container stays in reach',
    needs: { capabilities: ['mac'], kinds: ['interface'], link: true, kernel: ['veth'] },
    async run(context) {
      const one = context.attachment()
      const [first = ''] = addressesIn(one.added())
      await answers(context.host, address(first))
      const mac = one.netns.link(one.ifName)?.address
      const two = context.attachment()
      const before = context.snapshot()
      err(two.add({ config: { runtimeConfig: { mac } } }))
      ok0(two.del())
      nothingLeft(context, before, 'a refused MAC leaves nothing')
      await answers(context.host, address(first))
    },
  },
]
