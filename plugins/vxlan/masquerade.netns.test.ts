/** bridge with ipMasq, and a way to other nodes behind it: whom the destination sees. */

import { existsSync } from 'node:fs'
import t from 'tap'
import { Cluster, type ClusterNode } from '../../lib/testing/cluster.js'
import { Attachment, call, expectSuccess, type Json } from '../../lib/testing/cni.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { ask, askBriefly, serve } from '../../lib/testing/peer.js'

const skip = needs('root')

const MODES: Record<string, Json> = {
  'host-gw': { type: 'host-gw' },
  vxlan: { type: 'vxlan' },
  'vxlan with directRouting': { type: 'vxlan', directRouting: true },
}

interface Asked {
  readonly netns: Netns
  readonly attachment: Attachment
  readonly 4: string
  readonly 6: string
}

interface Lab {
  readonly cluster: Cluster
  readonly first: ClusterNode
  readonly second: ClusterNode
  readonly outside: Netns
  attach(node: ClusterNode, name: string, more?: { ipMasq?: boolean; bridgeState?: string }): Promise<Asked>
}

const OUTSIDE = { 4: '10.9.0.9', 6: 'fd09::9' } as const

/** Two nodes of the table, and a machine beside them that is in no table. */
function lab(t: ConstructorParameters<typeof Cluster>[0], way: Json, strict = true): Lab {
  const cluster = new Cluster(t, { strict })
  for (const n of [1, 2, 9]) {
    cluster.addNode({
      name: `n${n}`,
      addresses: [`10.9.0.${n}/24`, `fd09::${n}/64`],
      podCIDRs: [`10.244.${n}.0/24`, `fd10:${n}::/64`],
    })
  }
  const [first, second, outside] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode]
  cluster.nodes.pop()
  cluster.tell()
  return {
    cluster,
    first,
    second,
    outside: outside.host,
    async attach(node, name, { ipMasq = true, bridgeState = node.stateDir } = {}) {
      const { stateDir, nodesFile } = node
      const ipam = {
        type: 'host-local',
        dataDir: `${node.directory}/leases`,
        ranges: node.spec.podCIDRs.map((subnet) => [{ subnet }]),
      }
      const plugins = [
        { type: 'bridge', bridge: 'cni0', isDefaultGateway: true, ipMasq, ipam, stateDir: bridgeState },
        { ...way, stateDir, nodesFile },
        { type: 'portmap', capabilities: { portMappings: true }, stateDir },
      ]
      const netns = Netns.create(t, name, { loopback: false })
      const list = { cniVersion: '1.1.0', name: 'podnet', plugins }
      const capabilities =
        name === 'a' ? { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] } : {}
      const attachment = new Attachment(node.host, list, netns, { containerId: name, capabilities })
      const [four, six] = (attachment.add().ips as { address: string }[]).map(({ address }) => address.split('/')[0])
      await serve(netns, name, 80)
      return { netns, attachment, 4: four as string, 6: six as string }
    },
  }
}

/** Whom everybody sees of `from`, as lines. */
function views({ first, second }: Lab, from: Asked, beside: Asked, away: Asked): string[] {
  return ([4, 6] as const).flatMap((family) => {
    const at = family === 4 ? 0 : 1
    const target: [string, string, string][] = [
      ['a pod beside it', beside[family], `sees ${from[family]}`],
      ['a pod of another node', away[family], `sees ${from[family]}`],
      ["another node's address", second.addresses[at] as string, `sees ${from[family]}`],
      ['its node', first.addresses[at] as string, `sees ${from[family]}`],
      ['outside', OUTSIDE[family], `sees ${first.addresses[at]}`],
    ]
    return target.flatMap(([what, address, wanted]) => {
      const answer = ask(from.netns, address, 80)
      return answer.endsWith(` ${wanted}`) ? [] : [`IPv${family} ${what}: ${answer}, not ${wanted}`]
    })
  })
}

const ruleset = ({ host }: ClusterNode) => host.run('nft', 'list', 'ruleset')
const setOf = (node: ClusterNode) => node.host.run('nft', 'list', 'sets').match(/nodes4-[0-9a-f]{8}/)?.[0] ?? 'no set'

for (const [mode, way] of Object.entries(MODES)) {
  t.test(`${mode}: only the outside sees the node`, { skip }, async (t) => {
    const made = lab(t, way)
    const { first, second, outside, attach } = made
    const a = await attach(first, 'a')
    const b = await attach(first, 'b')
    const away = await attach(second, 'away')
    for (const [netns, name] of [
      [first.host, 'n1'],
      [second.host, 'n2'],
      [outside, 'outside'],
    ] as const) {
      await serve(netns, name, 80)
    }
    const seen = () => views(made, a, b, away)
    t.same(seen(), [], 'over both families')
    t.match(
      ask(a.netns, first.addresses[0] as string, 8080),
      /^a sees 10.244.1.1$/,
      'hairpin: the pod itself by its host port',
    )
    t.equal(
      ask(second.host, first.addresses[0] as string, 8080),
      `a sees ${second.addresses[0]}`,
      'the other node by the host port',
    )
    a.attachment.check()

    const set = setOf(first)
    first.host.run('nft', 'flush', 'set', 'inet', 'flatnet-masq', set)
    t.match(a.attachment.tryCheck().json, {
      code: 100,
      details: new RegExp(`set inet flatnet-masq ${set} is not the table of nodes`),
    })
    t.equal(
      askBriefly(a.netns, second.addresses[0] as string, 80) === `n2 sees ${a[4]}`,
      false,
      'it is the set that spares them',
    )
    t.same(expectSuccess('sync', first.sync(way)).json[0].changes, [
      '~ masquerading spares 8 pod CIDRs and addresses of nodes',
    ])
    t.same(seen(), [], 'sync puts it right')
    a.attachment.check()
    t.same(expectSuccess('sync', first.sync(way)).json[0].changes, [])

    first.host.run('nft', 'delete', 'table', 'inet', 'flatnet-masq')
    t.match(a.attachment.tryCheck().json, { code: 100 })
    const c = await attach(first, 'c')
    t.same(seen(), [], 'a deleted table is whole after the next ADD')
    first.host.run('nft', 'flush', 'ruleset')
    const d = await attach(first, 'd')
    t.same(views(made, d, b, away), [], 'so is a flushed ruleset')
    t.same(views(made, b, d, away), [], 'for all pods')
    b.attachment.check()

    made.cluster.tell([...made.cluster.table(), { name: 'n9', addresses: ['10.9.0.9'], podCIDRs: ['10.244.9.0/24'] }])
    expectSuccess('sync', first.sync(way))
    t.match(
      first.host.run('nft', 'list', 'set', 'inet', 'flatnet-masq', setOf(first)),
      /10\.9\.0\.9/,
      'a node that joins is spared',
    )
    made.cluster.tell()
    expectSuccess('sync', first.sync(way))
    t.same(views(made, d, b, away), [], 'and not when it left')

    for (const { attachment } of [a, b, c, d]) attachment.del()
    t.equal(ruleset(first), '', 'the last pod takes everything along')
    expectSuccess('sync', first.sync(way))
    t.equal(ruleset(first), '', 'and sync brings nothing back')
    const e = await attach(first, 'e')
    const f = await attach(first, 'f')
    t.same(views(made, e, f, away), [], 'the next pod finds it as the first did')
    e.attachment.gc([])
    t.equal(ruleset(first), '', 'GC takes it too')
  })
}

t.test('a table that another state directory knows of is noticed by its handle', { skip }, async (t) => {
  for (const way of [{ type: 'host-gw' }, { type: 'vxlan' }]) {
    const { first, attach } = lab(t, way)
    const bridgeState = `${first.directory}/elsewhere`
    const set = () => first.host.run('nft', 'list', 'set', 'inet', 'flatnet-masq', setOf(first))
    await attach(first, 'a', { bridgeState })
    const filled = set()
    t.match(filled, /10\.9\.0\.1-10\.9\.0\.2/)
    first.host.run('nft', 'delete', 'table', 'inet', 'flatnet-masq')
    await attach(first, 'b', { bridgeState })
    t.equal(set(), filled)
  }
})

t.test('where nothing is masqueraded there is no ruleset, whoever calls', { skip }, async (t) => {
  for (const way of Object.values(MODES)) {
    const { first, attach } = lab(t, way)
    const { attachment } = await attach(first, 'p', { ipMasq: false })
    attachment.check()
    expectSuccess('sync', first.sync(way))
    const list = { ...attachment.list.plugins[1], cniVersion: '1.1.0', name: 'podnet' }
    expectSuccess(
      'GC',
      call({
        command: 'GC',
        host: first.host,
        config: { ...list, 'cni.dev/valid-attachments': [{ containerID: 'p', ifname: 'eth0' }] },
      }),
    )
    t.equal(ruleset(first), '')
    t.ok(existsSync(`${first.stateDir}/podnet/${way.type}/excluded`), 'though who comes later finds the list')
    const masqueraded = await attach(first, 'q')
    t.match(
      first.host.run('nft', 'list', 'set', 'inet', 'flatnet-masq', setOf(first)),
      /10\.244\.1\.0-10\.244\.2\.255/,
      'and takes it',
    )
    masqueraded.attachment.check()
    masqueraded.attachment.del()
    t.equal(ruleset(first), '')
  }
})
