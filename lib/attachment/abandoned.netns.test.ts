/** What a pod leaves whose link somebody else deleted: the reference's DEL after a rollback, or a crash. */

import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Attachment, type Json } from '../testing/cni.js'
import { Netns, needs } from '../testing/netns.js'
import { ask, serve } from '../testing/peer.js'
import { network } from '../testing/pod-network.js'
import { reference } from '../testing/reference.js'

const skip = needs('root') || (reference() === undefined ? 'needs the reference plugins' : false)

const PLUGINS = ['bridge', 'portmap', 'firewall', 'bandwidth']

interface Scene {
  readonly host: Netns
  pod(containerId: string, hostPort: number): Attachment
  /** Deletes a pod as the reference does. */
  deleteByReference(pod: Attachment): void
  /** Makes the next DEL look, however short ago another has. */
  forgetLooks(): void
  /** Records, elements, rules and links of a pod. */
  traces(containerId: string): { records: string[]; rules: string[]; links: string[] }
}

function sceneOf(t: Test): Scene {
  const host = Netns.create(t, 'host')
  host.batch('link add up0 type bridge', 'link set up0 up', 'addr add 192.0.2.1/24 dev up0')
  const { type, bridge = 'cni0', isDefaultGateway, stateDir, ipam } = network(t, { subnets: ['10.1.2.0/24'] }) as Json
  const list = {
    cniVersion: '1.0.0',
    name: 'net',
    plugins: [
      { type, bridge, isDefaultGateway, stateDir, ipam, ipMasq: true },
      { type: 'portmap', stateDir, capabilities: { portMappings: true } },
      { type: 'firewall', stateDir, ingressPolicy: 'same-bridge' },
      { type: 'bandwidth', stateDir, ingressRate: 8e6, ingressBurst: 8e6, egressRate: 8e6, egressBurst: 8e6 },
    ],
  }
  const options = (containerId: string, hostPort: number) => ({
    containerId,
    capabilities: { portMappings: [{ hostPort, containerPort: 80, protocol: 'tcp' }] },
  })
  return {
    host,
    pod(containerId, hostPort) {
      const pod = new Attachment(host, list, Netns.create(t, containerId), options(containerId, hostPort))
      pod.add()
      return pod
    },
    deleteByReference({ container, options: { containerId = '' }, result }) {
      const bin = reference()?.directory ?? ''
      const theirs = new Attachment(host, list, container, { ...options(containerId, 8080), bin })
      theirs.del({ prevResult: result })
    },
    forgetLooks() {
      const folder = join(stateDir, 'net')
      for (const name of readdirSync(folder)) if (name.startsWith('.')) rmSync(join(folder, name))
    },
    traces(containerId) {
      const records = PLUGINS.flatMap((plugin) => {
        const folder = join(stateDir, 'net', plugin)
        const held = readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')))
        return held.filter((record) => record.containerId === containerId).map(() => plugin)
      })
      const isNamed = (text: string) => [' ', '/'].some((end) => text.includes(`net/${containerId}${end}`))
      // One element a line, whatever its place among others.
      const elements = host
        .run('nft', '-s', 'list', 'ruleset')
        .replaceAll(/\s+(elements = \{ )?/g, ' ')
        .split(/, | \}/)
      const links = host.ip('link', 'show').filter(({ ifalias = '' }: Json) => isNamed(ifalias))
      return {
        records,
        rules: elements.filter(isNamed).map((element) => element.trim()),
        links: links.map(({ ifname }: Json) => ifname),
      }
    },
  }
}

const NOTHING = { records: [], rules: [], links: [] }

t.test("a pod that the reference's DEL removed is gone whole with the next DEL of another", { skip }, async (t) => {
  const { host, pod, deleteByReference, traces } = sceneOf(t)
  const living = pod('living', 8081)
  const other = pod('other', 8082)
  const abandoned = pod('abandoned', 8080)
  deleteByReference(abandoned)
  const left = traces('abandoned')
  t.same(left.records, PLUGINS, 'the reference knows no records')
  t.ok(left.rules.length > 3 && left.links.length === 1, 'and leaves elements and an ifb')

  const later = pod('later', 8080)
  await serve(later.container as Netns, 'later', 80)
  await serve(living.container as Netns, 'living', 80)
  t.match(ask(host, '192.0.2.1', 8080), 'later', 'the host port is free at once')
  const before = [traces('living'), traces('later')]

  other.del()
  t.same(traces('abandoned'), NOTHING)
  t.same(traces('other'), NOTHING)
  t.same([traces('living'), traces('later')], before, 'what lives keeps all')
  for (const one of [living, later]) one.check()
  t.match(ask(host, '192.0.2.1', 8080), 'later')
  t.match(ask(host, '192.0.2.1', 8081), 'living')
})

t.test('a pod whose link was renamed keeps all that it has', { skip }, async (t) => {
  const { host, pod, traces } = sceneOf(t)
  const renamed = pod('renamed', 8080)
  const other = pod('other', 8081)
  const [, veth] = renamed.result.interfaces
  host.batch(`link set ${veth.name} down`, `link set ${veth.name} name uplink7`, 'link set uplink7 up')
  const before = traces('renamed')
  other.del()
  t.same(traces('renamed'), before)
})

t.test('of many pods that are gone, each DEL removes some, until nothing is left', { skip }, async (t) => {
  const { host, pod, forgetLooks, traces } = sceneOf(t)
  const others = Array.from({ length: 4 }, (_, n) => pod(`other${n}`, 9000 + n))
  const gone = Array.from({ length: 24 }, (_, n) => pod(`gone${n}`, 8000 + n))
  for (const { result } of gone) host.run('ip', 'link', 'del', result.interfaces[1].name)
  const counts = others.map((other) => {
    forgetLooks()
    other.del()
    return gone.filter(({ options }) => traces(options.containerId ?? '').records.includes('bridge')).length
  })
  t.ok((counts[0] ?? 0) >= 4, 'no call looks at more than 20')
  t.equal(counts.at(-1), 0, `${counts}`)
  for (const { options } of gone) t.same(traces(options.containerId ?? ''), NOTHING)
})
