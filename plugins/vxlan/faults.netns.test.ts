/** Whatever breaks between the nodes is whole again after the next ADD, sync or GC, and nothing stale is left. */

import { writeFileSync } from 'node:fs'
import t from 'tap'
import { Cluster, type ClusterNode, type NodeSpec } from '../../lib/testing/cluster.js'
import { expectSuccess, type Json } from '../../lib/testing/cni.js'
import { needs } from '../../lib/testing/netns.js'

const node = (n: number): NodeSpec => ({
  name: `n${n}`,
  addresses: [`10.9.0.${n}/24`, `fd09:0::${n}/64`],
  podCIDRs: [`10.244.${n}.0/24`, `fd10:${n}::/64`],
})

const MODES: Record<string, Json> = {
  'host-gw': { type: 'host-gw' },
  vxlan: { type: 'vxlan' },
  'vxlan with directRouting': { type: 'vxlan', directRouting: true },
}

/** The three ways a node is put right. */
const HEALERS: Record<string, (node: ClusterNode, plugin: Json) => void> = {
  ADD: (node, plugin) => node.add(plugin, node.pods[0]),
  sync: (node, plugin) => expectSuccess('sync', node.sync(plugin)),
  GC: (node, plugin) => expectSuccess('GC', node.call('GC', { ...plugin, 'cni.dev/valid-attachments': [] })),
}

/** All that a node has of another, in any table, as `ip` and `bridge` print it. */
function traces(node: ClusterNode, ...of: string[]): string[] {
  const script = `set -e
    for family in -4 -6; do ip $family route show table all proto 70; done
    ip neigh show nud permanent
    entries=$(bridge fdb show)
    echo "$entries" | grep ' dst ' || true`
  const lines = node.host.run('sh', '-c', script).split('\n')
  return lines.filter((line) => of.some((text) => line.includes(text)))
}

interface Fault {
  readonly what: string
  /** Breaks something; returns texts that nothing may be left of. */
  readonly inject: (cluster: Cluster, victim: ClusterNode) => string[]
  /** Only where there is a tunnel in use. */
  readonly overlay?: true
}

const flat = 'flat.1'
const FAULTS: readonly Fault[] = [
  {
    what: 'our routes are flushed',
    inject: (_, { host }) => {
      host.run('ip', '-4', 'route', 'flush', 'table', 'all', 'proto', '70')
      host.run('ip', '-6', 'route', 'flush', 'table', 'all', 'proto', '70')
      return []
    },
  },
  {
    what: 'the uplink goes down and up',
    inject: (_, victim) => {
      victim.host.run('ip', 'link', 'set', 'eth0', 'down')
      victim.host.run('ip', 'link', 'set', 'eth0', 'up')
      victim.address()
      return []
    },
  },
  {
    what: 'a peer changes its addresses',
    inject: (cluster) => {
      const peer = cluster.nodes[2] as ClusterNode
      const old = peer.addresses
      peer.readdress(['10.9.0.33/24', 'fd09:0::33/64'])
      cluster.tell()
      return old.map((address) => `${address} `)
    },
  },
  {
    what: 'a peer changes its pod CIDRs',
    inject: (cluster) => {
      const peer = cluster.nodes[2] as ClusterNode
      const old = ['10.244.3.0', 'fd10:3::', '0a:58:0a:f4:03:00']
      peer.renumber(['10.244.34.0/24', 'fd10:34::/64'])
      cluster.tell()
      return old
    },
  },
  {
    what: 'the tunnel is deleted',
    overlay: true,
    inject: (_, { host }) => {
      host.run('ip', 'link', 'del', flat)
      return []
    },
  },
  {
    what: 'the tunnel goes down',
    overlay: true,
    inject: (_, { host }) => {
      host.run('ip', 'link', 'set', flat, 'down')
      return []
    },
  },
  {
    what: "the tunnel's hardware address is changed",
    overlay: true,
    inject: (_, { host }) => {
      host.run('ip', 'link', 'set', flat, 'address', '02:11:22:33:44:55')
      return ['02:11:22:33:44:55']
    },
  },
  {
    what: 'the tunnel is made by hand with another port',
    overlay: true,
    inject: (_, { host }) => {
      const alias = host.ip('link', 'show', flat)[0].ifalias
      host.run('ip', 'link', 'del', flat)
      host.run(
        'ip',
        'link',
        'add',
        flat,
        'type',
        'vxlan',
        'id',
        '1',
        'dstport',
        '4789',
        'remote',
        '10.9.0.9',
        'dev',
        'eth0',
      )
      host.run('ip', 'link', 'set', flat, 'alias', alias, 'up')
      return ['10.9.0.9']
    },
  },
  {
    what: 'neighbours and forwarding entries are flushed',
    overlay: true,
    inject: (_, { host }) => {
      host.run('ip', 'neigh', 'flush', 'nud', 'permanent', 'dev', flat)
      for (const { mac } of JSON.parse(host.run('bridge', '-j', 'fdb', 'show', 'dev', flat)) as Json[]) {
        host.run('bridge', 'fdb', 'del', mac, 'dev', flat, 'self')
      }
      return []
    },
  },
  {
    what: 'entries of nobody are on the tunnel, and the address is gone',
    overlay: true,
    inject: (_, { host }) => {
      host.run('ip', 'neigh', 'add', '10.244.77.0', 'lladdr', '0a:58:0a:f4:4d:00', 'nud', 'permanent', 'dev', flat)
      host.run('bridge', 'fdb', 'append', '0a:58:0a:f4:4d:00', 'dev', flat, 'dst', '10.9.0.77', 'self')
      host.run('ip', 'route', 'add', '10.244.77.0/24', 'via', '10.244.77.0', 'dev', flat, 'onlink', 'proto', '70')
      host.run('ip', 'addr', 'del', '10.244.1.0/32', 'dev', flat)
      return ['10.244.77.0', '0a:58:0a:f4:4d:00']
    },
  },
  {
    what: 'the rules for packets to nodes are gone',
    overlay: true,
    inject: (_, { host }) => {
      host.run('ip', '-4', 'rule', 'flush', 'proto', '70')
      host.run('ip', '-6', 'rule', 'flush', 'proto', '70')
      return []
    },
  },
  {
    what: 'a peer leaves',
    inject: (cluster) => {
      cluster.nodes.splice(2, 1)
      cluster.tell()
      return ['10.9.0.33', 'fd09::33', '10.244.34.0', 'fd10:34::', '0a:58:0a:f4:22:00']
    },
  },
]

t.test('what breaks is put right', { skip: needs('root') }, async (t) => {
  for (const [mode, plugin] of Object.entries(MODES)) {
    await t.test(mode, async (t) => {
      const cluster = new Cluster(t, { strict: true })
      for (const n of [1, 2, 3]) cluster.addNode(node(n))
      cluster.tell()
      for (const member of cluster.nodes) member.add(plugin)
      t.same(cluster.unreachable(), [], 'all is well before')
      const faults = FAULTS.filter(({ overlay }) => overlay === undefined || mode === 'vxlan')
      for (const [at, { what, inject }] of faults.entries()) {
        // Every fault meets every healer, one in each mode.
        const names = Object.keys(HEALERS)
        const healer = names[(at + Object.keys(MODES).indexOf(mode)) % names.length] as string
        const stale = inject(cluster, cluster.nodes[0] as ClusterNode)
        for (const member of cluster.nodes) {
          if (member.pods.length === 0) member.add(plugin)
          else HEALERS[healer]?.(member, plugin)
        }
        t.same(cluster.unreachable(), [], `${what}: ${healer} puts it right`)
        for (const member of cluster.nodes) {
          t.same(traces(member, ...stale), [], `${what}: nothing stale on ${member.name}`)
          const { json } = member.call('CHECK', plugin, member.pods[0])
          t.equal(
            json,
            undefined,
            `${what}: CHECK on ${member.name} finds nothing${json === undefined ? '' : `: ${json.details}`}`,
          )
        }
      }
    })
  }
})

t.test('a fourth node joins, and the others run no ADD', { skip: needs('root') }, async (t) => {
  for (const plugin of [{ type: 'host-gw' }, { type: 'vxlan' }]) {
    const cluster = new Cluster(t)
    for (const n of [1, 2, 3]) cluster.addNode(node(n))
    cluster.tell()
    for (const member of cluster.nodes) member.add(plugin)
    const fourth = cluster.addNode(node(4))
    cluster.tell()
    fourth.add(plugin)
    for (const member of cluster.nodes.slice(0, 3)) {
      const [report] = expectSuccess('sync', member.sync(plugin)).json
      t.equal(report.node, member.name)
      t.ok(
        report.changes.some((line: string) => line.startsWith('+ route 10.244.4.0/24 ')),
        'sync says what it added',
      )
    }
    t.same(cluster.unreachable(), [], plugin.type)
    const [again] = cluster.nodes[0]?.sync(plugin).json ?? []
    t.same(again.changes, [], 'a second sync has nothing to do')
  }
})

t.test('a table that is being written', { skip: needs('root') }, async (t) => {
  const plugin = { type: 'vxlan' }
  const cluster = new Cluster(t)
  for (const n of [1, 2, 3]) cluster.addNode(node(n))
  cluster.tell()
  for (const member of cluster.nodes) member.add(plugin)
  const [first] = cluster.nodes
  if (first === undefined) return

  await t.test('half of it is code 11, and what was applied stays', async (t) => {
    writeFileSync(first.nodesFile, JSON.stringify({ nodes: cluster.table() }).slice(0, 200))
    const answer = first.call('ADD', plugin, first.makePod())
    t.match(answer.json, { code: 11, msg: /not JSON/ })
    t.same(
      cluster.unreachable().filter((line) => line.startsWith('n1p1 ')),
      [],
      'the pods there are go on',
    )
    cluster.tell()
    first.add(plugin, first.pods[1])
  })

  await t.test('replaced while twenty ADDs run: all succeed, and the last table holds', async (t) => {
    const pods = Array.from({ length: 20 }, () => first.makePod())
    const running = pods.map((pod) => first.start('ADD', plugin, pod))
    for (let at = 0; at < 20; at++) first.writeTable(at % 2 === 0 ? cluster.table().slice(0, 2) : cluster.table())
    cluster.tell()
    for (const answer of await Promise.all(running)) t.equal(answer.status, 0, answer.stdout)
    first.add(plugin)
    // Of the many only the first and the last ask, and all answer.
    t.same(
      cluster.unreachable(cluster.pods.filter((pod) => pod.node !== first || pod === pods[0] || pod === pods[19])),
      [],
    )
  })

  await t.test('many first ADDs at once apply it once', async (t) => {
    first.host.run('ip', 'link', 'del', 'flat.1')
    const pods = first.pods.slice(0, 16)
    const answers = await Promise.all(pods.map((pod) => first.start('ADD', plugin, pod)))
    for (const answer of answers) t.equal(answer.status, 0, answer.stdout)
    t.equal(first.host.ip('link', 'show', 'type', 'vxlan').length, 1)
    t.equal(first.call('CHECK', plugin, first.pods[0]).json, undefined)
  })
})
