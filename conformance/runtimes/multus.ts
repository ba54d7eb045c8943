/**
 * Multus, the thin plugin: a default network and two more through one ADD and one DEL. With its delegates inline it needs
 * no Kubernetes; what only an annotation can ask for comes from `kube-api.ts`.
 */

import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type Claims, holds, same, sameLines } from './claims.js'
import { type Cluster, STATUS_FILE } from './kube-api.js'
import {
  addressesOf,
  fetchFrom,
  filesBelow,
  leases,
  linksOf,
  macOf,
  makeNamespace,
  NODE,
  NODE_ADDRESS,
  netnsPath,
  OUTSIDE,
  pings,
  removeNamespace,
  run,
  serve,
  snapshot,
  start,
  until,
} from './lab.js'
import { type Attachment, type Call, callLibrary, mustCall } from './libcni-program.js'
import { type Conflist, type PluginSet, PROGRAMS, podNetwork, secondaryNetwork, withoutIpv6 } from './plugin-sets.js'

const MULTUS_DIRECTORY = '/var/lib/cni/multus'
const API_PORT = 8001

const KUBECONFIG = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Config',
  clusters: [{ name: 'here', cluster: { server: `http://127.0.0.1:${API_PORT}` } }],
  contexts: [{ name: 'here', context: { cluster: 'here', user: 'us' } }],
  users: [{ name: 'us', user: {} }],
  'current-context': 'here',
})

/**
 * Since 4.2.2 Multus does not find the default route that it wants to replace (its netlink library says 0.0.0.0/0 where it
 * said nothing), so that this is asked of 4.2.0; and none moves the default route of a result of version 1.1.0,
 * or keeps account of an IPv6 one.
 */
const OVERRIDES = '1.0.0'

const SELECTED = [
  { name: 'blue', 'default-route': ['10.50.0.1'], ips: ['10.50.0.77/24'], mac: '0a:00:00:00:05:77' },
  { name: 'green', interface: 'green0' },
]

interface Route {
  dst: string
  gateway?: string
  dev: string
}

const defaultRoutes = (pod: string) => JSON.parse(run(pod, ['ip', '-j', 'route', 'show', 'default'])) as Route[]

const attachment = (pod: string, ports: boolean): Attachment => ({
  id: pod,
  netns: netnsPath(pod),
  ifname: 'eth0',
  args: [
    ['IgnoreUnknown', '1'],
    ['K8S_POD_NAMESPACE', 'default'],
    ['K8S_POD_NAME', pod],
    ['K8S_POD_INFRA_CONTAINER_ID', pod],
    ['K8S_POD_UID', `uid-${pod}`],
  ],
  capabilities: ports ? { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] } : {},
})

export function multus(set: PluginSet, { claim }: Claims): void {
  const [blue, green] = [secondaryNetwork('blue', '10.50.0.0/24'), secondaryNetwork('green', '10.60.0.0/24')]
  const list = (more: Record<string, unknown>, type = 'multus'): Conflist => ({
    cniVersion: '1.1.0',
    name: 'multus',
    plugins: [{ type, binDir: set.bin, cniDir: MULTUS_DIRECTORY, capabilities: { portMappings: true }, ...more }],
  })
  const inline = list({ delegates: [podNetwork(set), blue, green] })
  const annotated = list(
    { delegates: [withoutIpv6(podNetwork(set, OVERRIDES))], kubeconfig: '/run/kubeconfig' },
    'multus-4.2.0',
  )
  const request = (verb: Call['verb'], conflist: Conflist, attachments: readonly Attachment[] = []): Call => ({
    verb,
    conflist,
    path: [PROGRAMS],
    attachments,
  })
  const all = (verb: Call['verb'], conflist: Conflist, ...attachments: Attachment[]) =>
    mustCall(request(verb, conflist, attachments))

  const [web, client] = [attachment('web', true), attachment('client', false)]
  for (const { id } of [web, client]) {
    makeNamespace(id)
    run(id, ['ip', 'link', 'set', 'lo', 'up'])
  }

  claim('STATUS: the default network is ready before the first pod', () => all('status', inline))
  all('add', inline, web)
  all('del', inline, web)
  const before = snapshot()

  claim('ADD: eth0, net1 and net2 by one call, and the result is of the default network', () => {
    const [answer] = all('add', inline, web)
    same(linksOf('web'), ['lo', 'eth0', 'net1', 'net2'])
    same(
      answer?.result?.ips.map(({ address }) => address.split('/')[0]),
      addressesOf('web', 'eth0'),
    )
    all('add', inline, client)
  })
  claim('pods reach each other on each of the networks', () => {
    for (const link of ['eth0', 'net1', 'net2']) {
      const addresses = addressesOf('client', link)
      holds(addresses.length > 0, `${link} has no address`)
      for (const address of addresses) holds(pings('web', address), `no answer from ${address} on ${link}`)
    }
  })
  claim('the default route is of the default network', () =>
    same(
      defaultRoutes('web').map(({ gateway, dev }) => [gateway, dev]),
      [['10.244.1.1', 'eth0']],
    ),
  )
  claim('the capability portMappings reaches the default network', () => {
    const server = serve('web', 80, 'web')
    same(fetchFrom(OUTSIDE, `http://${NODE_ADDRESS}:8080/`), 'web')
    server.kill()
  })
  claim('CHECK: holds for all three', () => all('check', inline, web))
  claim('CHECK: fails when a secondary network is broken', () => {
    run('web', ['ip', 'link', 'set', 'net2', 'down'])
    const [answer] = callLibrary(request('check', inline, [web]))
    run('web', ['ip', 'link', 'set', 'net2', 'up'])
    holds(answer?.error !== undefined, 'CHECK found nothing')
  })
  claim('STATUS: ready while pods run', () => all('status', inline))

  claim(
    'GC: of the default network, a pod that Multus has forgotten as well; the other keeps all',
    () => {
      for (const path of filesBelow(MULTUS_DIRECTORY)) if (path.includes('client')) rmSync(path)
      removeNamespace('client')
      mustCall({ ...request('gc', inline), valid: [{ containerID: web.id, ifname: web.ifname }] })
      same([...new Set(Object.values(leases('podnet')))], ['web'])
      all('check', inline, web)
    },
    { reference: 'no plugin of it implements GC' },
  )
  claim('DEL: takes all three, twice', () => {
    all('del', inline, web)
    same(linksOf('web'), ['lo'])
    all('del', inline, web)
    holds(!Object.values(leases('blue')).includes('web'), 'a lease of blue is left')
  })

  // What GC of the default network does not concern, and what the reference did not collect.
  forgetLeases('client')
  removeNamespace('client')
  makeNamespace('client')
  for (const verb of ['add', 'del'] as const) callLibrary(request(verb, inline, [client]))
  claim('the node is as it was', () => sameLines(snapshot(), before), {
    reference: 'the masquerade rules and leases of the forgotten pod',
  })

  const plain = attachment('plain', false)
  makeNamespace('plain')
  const cluster: Cluster = {
    pods: { web: { 'k8s.v1.cni.cncf.io/networks': JSON.stringify(SELECTED) }, plain: {} },
    networks: {
      blue: secondaryNetwork('blue', '10.50.0.0/24', OVERRIDES),
      green: secondaryNetwork('green', '10.60.0.0/24', OVERRIDES),
    },
  }
  writeFileSync('/run/kubeconfig', KUBECONFIG)
  writeFileSync('/run/cluster.json', JSON.stringify(cluster))
  const api = new URL('./kube-api.js', import.meta.url).pathname
  start(NODE, [process.execPath, api, String(API_PORT), '/run/cluster.json'])
  until(() => run(NODE, ['ss', '-Hltn', `sport = :${API_PORT}`]) !== '')
  const again = snapshot()

  claim('annotations: interface, address and hardware address that the pod asks for', () => {
    all('add', annotated, web)
    same(linksOf('web'), ['lo', 'eth0', 'net1', 'green0'])
    same(addressesOf('web', 'net1'), ['10.50.0.77'])
    same(macOf('web', 'net1'), '0a:00:00:00:05:77')
  })
  claim('annotations: the default route goes to the network that the pod asks for', () => {
    same(
      defaultRoutes('web').map(({ gateway, dev }) => [gateway, dev]),
      [['10.50.0.1', 'net1']],
    )
    holds(pings('web', '10.50.0.1'), 'its gateway does not answer')
  })
  claim('annotations: the status that Multus writes has every network with its addresses', () => {
    const status = readFileSync(STATUS_FILE, 'latin1')
    for (const word of ['podnet', 'default/blue', 'default/green', '10.50.0.77', ...addressesOf('web', 'green0')]) {
      holds(status.includes(word), `${word} is not in it`)
    }
  })
  claim('CHECK: holds although Multus moved the default route', () => all('check', annotated, web))
  claim('a pod without annotations has the default network alone', () => {
    all('add', annotated, plain)
    same(linksOf('plain'), ['lo', 'eth0'])
    holds(pings('plain', addressesOf('web', 'eth0')[0] ?? ''), 'no answer')
  })
  claim('DEL: when the namespaces are gone', () => {
    all('del', annotated, plain)
    all('del', annotated, web)
    sameLines(snapshot(), again)
  })
}

/** Leases of secondary networks are not collected by GC of the default one. */
function forgetLeases(pod: string): void {
  for (const network of ['podnet', 'blue', 'green']) {
    for (const [address, holder] of Object.entries(leases(network))) {
      if (holder === pod) rmSync(`/var/lib/cni/networks/${network}/${address}`)
    }
  }
}
