/** Host ports of a node whose pods go by the tunnel: who asks, by which way, with which filters between. */

import t from 'tap'
import { Cluster, type ClusterNode, type ClusterOptions, type Pod } from '../../lib/testing/cluster.js'
import { expectSuccess, type Json } from '../../lib/testing/cni.js'
import { needs } from '../../lib/testing/netns.js'
import { ask, isSilent, serve } from '../../lib/testing/peer.js'

const skip = needs('root')

const VXLAN = { type: 'vxlan' }
const PORTS = [
  { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
  { hostPort: 5353, containerPort: 80, protocol: 'udp' },
]

function portmap(more: Json = {}): Json {
  return { type: 'portmap', capabilities: { portMappings: true }, runtimeConfig: { portMappings: PORTS }, ...more }
}

function cluster(t: ConstructorParameters<typeof Cluster>[0], options: ClusterOptions = {}): Cluster {
  const made = new Cluster(t, options)
  for (const n of [1, 2]) {
    made.addNode({
      name: `n${n}`,
      addresses: [`10.9.0.${n}/24`, `fd09::${n}/64`],
      podCIDRs: [`10.244.${n}.0/24`, `fd10:${n}::/64`],
    })
  }
  made.tell()
  return made
}

/** A pod of the chain vxlan, portmap; its name answers on port 80. */
async function exposed(node: ClusterNode, name: string, ports: Json = portmap()): Promise<Pod> {
  const pod = node.makePod()
  const { json } = node.add(VXLAN, pod)
  expectSuccess('ADD', node.call('ADD', ports, pod, json))
  await serve(pod.netns, name, 80)
  return pod
}

interface Case {
  readonly name: string
  readonly strict?: true
  readonly portmap?: Json
  /** More settings of both nodes. */
  readonly sysctls?: readonly string[]
  /** Whether those beside it get no answer, for want of a source address that finds back. */
  readonly plain?: true
}

const CASES: readonly Case[] = [
  { name: 'loose filters' },
  { name: 'strict filters', strict: true },
  { name: 'strict filters that look at marks', strict: true, sysctls: ['net.ipv4.conf.all.src_valid_mark=1'] },
  { name: 'strict filters, sources never replaced', strict: true, portmap: { snat: false }, plain: true },
]

t.test('a host port answers everybody, each seen by his own address', { skip }, async (t) => {
  for (const { name, strict = false, portmap: more, sysctls = [], plain = false } of CASES) {
    await t.test(name, async (t) => {
      const made = cluster(t, { strict })
      const [first, second] = made.nodes
      if (first === undefined || second === undefined) return
      for (const { host } of made.nodes) for (const line of sysctls) host.run('sysctl', '-qw', line)
      const server = await exposed(first, 'server', portmap(more))
      const own = (family: 4 | 6) => second.addresses[family === 4 ? 0 : 1] as string
      const port = (family: 4 | 6) => first.addresses[family === 4 ? 0 : 1] as string
      const askBoth = (from: Pod | ClusterNode, seen: (family: 4 | 6) => string | undefined, what: string) => {
        const netns = 'host' in from ? from.host : from.netns
        for (const family of [4, 6] as const) {
          const wanted = `server sees ${seen(family)}`
          t.equal(ask(netns, port(family), 8080), wanted, `${what}, IPv${family}`)
          t.equal(ask(netns, port(family), 5353, 'udp'), wanted, `${what}, IPv${family}, UDP`)
        }
      }
      askBoth(second, own, 'another node that has no tunnel yet')
      const client = second.makePod()
      second.add(VXLAN, client)
      askBoth(second, own, 'another node')
      askBoth(client, (family) => client.address(family), 'a pod of another node')
      if (!plain) {
        const beside = first.makePod()
        first.add(VXLAN, beside)
        for (const family of [4, 6] as const) {
          t.match(ask(beside.netns, port(family), 8080), /^server sees /, `a pod beside it, IPv${family}`)
        }
        askBoth(server, (family) => (family === 4 ? '10.244.1.1' : 'fd10:1::1'), 'itself')
        t.equal(ask(first.host, '127.0.0.1', 8080), 'server sees 10.244.1.1', 'its node by 127.0.0.1')
      }
      askBoth(first, port, 'its node')
      second.host.batch('addr add 192.0.2.2/32 dev lo')
      first.host.batch('route add 192.0.2.2/32 via 10.9.0.2')
      second.host.batch('route add 10.9.0.1/32 dev eth0 src 192.0.2.2')
      t.equal(ask(second.host, port(4), 8080), 'server sees 192.0.2.2', 'somebody who is no node')
      second.host.batch('route del 10.9.0.1/32')

      await serve(second.host, 'node', 81)
      for (const family of [4, 6] as const) {
        t.equal(ask(server.netns, own(family), 81), `node sees ${server.address(family)}`, 'the server asks a node')
        t.equal(ask(second.host, server.address(family), 80).startsWith('server sees '), true, 'a node asks the server')
      }
      t.same(made.unreachable(), [], 'and everybody pings everybody')
      for (const pod of made.pods) t.equal(pod.node.call('CHECK', VXLAN, pod).json, undefined, 'CHECK finds nothing')
    })
  }
})

t.test(
  "who has a host port and asks a node through somebody else's rewriting goes by the tunnel",
  { skip },
  async (t) => {
    for (const mark of [0, 1]) {
      const made = cluster(t, { strict: true })
      const [first, second] = made.nodes
      if (first === undefined || second === undefined) return
      second.add(VXLAN)
      first.host.run('sysctl', '-qw', `net.ipv4.conf.all.src_valid_mark=${mark}`)
      const server = await exposed(first, 'server')
      // As kube-proxy sends a service to the API server, with its mark.
      const table = `table ip services {
      chain out { type nat hook prerouting priority dstnat; ip daddr 10.96.0.1 tcp dport 443 meta mark set meta mark | 0x4000 dnat to 10.9.0.2:81; }
    }`
      first.host.try(['nft', '-f', '-'], { input: table })
      await serve(second.host, 'node', 81)
      t.equal(ask(server.netns, '10.96.0.1', 443), `node sees ${server.address(4)}`)
      t.match(first.host.run('ip', 'rule', 'show'), /from 10.244.1.0\/24 fwmark 0\/0x20000000 lookup 1000000001/)
    }
  },
)

t.test("others' bits of the mark stay, and no packet but a host port's gets ours", { skip }, async (t) => {
  const made = cluster(t, { strict: true })
  const [first, second] = made.nodes
  if (first === undefined || second === undefined) return
  second.add(VXLAN)
  const server = await exposed(first, 'server')
  const count = `table inet witness {
    counter both {}
    counter ours {}
    chain early { type filter hook prerouting priority raw; meta mark set 0x8041; }
    chain late { type filter hook prerouting priority 0; meta mark 0x20008041 counter name both; meta mark & 0x20000000 != 0 counter name ours; }
  }`
  first.host.try(['nft', '-f', '-'], { input: count })
  const packets = (name: string) =>
    Number(first.host.run('nft', 'list', 'counter', 'inet', 'witness', name).match(/packets (\d+)/)?.[1])
  t.equal(ask(second.host, '10.9.0.1', 8080), 'server sees 10.9.0.2')
  const seen = packets('both')
  t.ok(seen > 5, 'there and back')
  t.equal(packets('ours'), seen, 'each with the other bits as they were')
  await serve(second.host, 'node', 81)
  t.equal(ask(server.netns, '10.9.0.2', 81), `node sees ${server.address(4)}`)
  t.match(ask(second.host, server.address(4), 80), /^server sees/)
  t.equal(packets('ours'), seen)
  first.host.run('nft', 'flush', 'chain', 'inet', 'flatnet-portmap', 'marking')
  t.ok(isSilent(second.host, '10.9.0.1', 8080), 'it is the mark that leads the answers home')
})

t.test('a strict filter that cannot see marks is opened, and CHECK names one that was shut', { skip }, async (t) => {
  const made = cluster(t, { strict: true })
  const [first] = made.nodes
  if (first === undefined) return
  const key = 'net.ipv4.conf.eth0.src_valid_mark'
  const pod = first.makePod()
  first.add(VXLAN, pod)
  t.equal(first.host.run('sysctl', '-n', key).trim(), '1')
  t.equal(first.host.run('sysctl', '-n', 'net.ipv4.conf.all.src_valid_mark').trim(), '0', 'of that link alone')
  first.host.run('sysctl', '-qw', `${key}=0`)
  t.match(first.call('CHECK', VXLAN, pod).json, { code: 100, details: /rp_filter of eth0 is strict/ })
  const [report] = expectSuccess('sync', first.sync(VXLAN)).json
  t.same(report.changes, ['~ sysctl net/ipv4/conf/eth0/src_valid_mark 1 (its rp_filter is strict)'])
  t.equal(first.call('CHECK', VXLAN, pod).json, undefined)
  const loose = cluster(t).nodes[0]
  loose?.add(VXLAN)
  t.equal(loose?.host.run('sysctl', '-n', key).trim(), '0', 'a loose one is left alone')
})

t.test('where the kernel has the rule of an earlier version, it is replaced', { skip }, async (t) => {
  const [first] = cluster(t).nodes
  if (first === undefined) return
  first.add(VXLAN)
  const rules = () => first.host.run('ip', 'rule', 'show', 'proto', '70')
  const ours = rules()
  first.host.run('ip', 'rule', 'flush', 'proto', '70')
  first.host.run('ip', 'rule', 'add', 'from', '10.244.1.0/24', 'lookup', '1000000001', 'pref', '30000', 'proto', '70')
  first.add(VXLAN, first.pods[0])
  t.equal(rules(), ours)
})
