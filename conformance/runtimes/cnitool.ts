/**
 * cnitool, the library's own command line. It caches in /var/lib/cni/results, and its `gc` deletes every cached
 * attachment of the network and sends no list of valid ones.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { type Claims, holds, same, sameLines } from './claims.js'
import {
  addressesOf,
  attempt,
  fetchFrom,
  filesBelow,
  leases,
  macOf,
  makeNamespace,
  NODE,
  NODE_ADDRESS,
  netnsPath,
  OUTSIDE,
  OUTSIDE_ADDRESS,
  type Output,
  pings,
  REMOTE_POD_ADDRESS,
  removeNamespace,
  run,
  serve,
  snapshot,
} from './lab.js'
import { type PluginSet, PROGRAMS, podNetwork } from './plugin-sets.js'

const CAPABILITIES = {
  ips: ['10.244.1.77/24'],
  mac: '0a:00:00:00:00:77',
  portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }],
  unheardOf: true,
}
const WEB = { CAP_ARGS: JSON.stringify(CAPABILITIES) }
const CLIENT = {
  CNI_ARGS: 'K8S_POD_NAMESPACE=default;K8S_POD_NAME=client;IP=10.244.1.88;MAC=0a:00:00:00:00:88;IgnoreUnknown=1',
}

interface Added {
  cniVersion: string
  interfaces: { name: string; sandbox?: string }[]
  ips: { address: string; interface: number }[]
}

export function cnitool(set: PluginSet, { claim }: Claims): void {
  const call = (verb: string, pod: string, env: Record<string, string> = {}): Output =>
    attempt(NODE, [`${PROGRAMS}/cnitool`, verb, 'podnet', netnsPath(pod)], { env: { CNI_PATH: set.bin, ...env } })
  const succeeds = (verb: string, pod: string, env?: Record<string, string>) => {
    const { status, stdout, stderr } = call(verb, pod, env)
    if (status !== 0) throw new Error(`${verb} ${pod}: status ${status}\n${stderr}`)
    if (verb !== 'add') same(stdout, '')
    return stdout
  }

  mkdirSync('/etc/cni/net.d', { recursive: true })
  writeFileSync('/etc/cni/net.d/10-podnet.conflist', JSON.stringify(podNetwork(set)))
  for (const pod of ['web', 'client', 'third']) {
    makeNamespace(pod)
    run(pod, ['ip', 'link', 'set', 'lo', 'up'])
  }
  const empty = snapshot()

  claim('status: ready before the first pod, and nothing is changed', () => {
    succeeds('status', 'web')
    sameLines(snapshot(), empty)
  })

  claim('gc: of a network that never had a pod', () => {
    succeeds('gc', 'web')
    sameLines(snapshot(), empty)
  })

  // The bridge, and what a node has for all its pods, stay from here on.
  succeeds('add', 'third', WEB)
  succeeds('del', 'third', WEB)
  const before = snapshot()

  claim('add: the result has the addresses and the sandbox, at the version asked for', () => {
    const added = JSON.parse(succeeds('add', 'web', WEB)) as Added
    same(added.cniVersion, '1.1.0')
    const eth0 = added.interfaces.findIndex(({ sandbox }) => sandbox === netnsPath('web'))
    same(added.interfaces[eth0]?.name, 'eth0')
    same(added.ips.map(({ address }) => address)[0], '10.244.1.77/24')
    same(
      added.ips.map((ip) => ip.interface),
      [eth0, eth0],
    )
    same(
      added.ips.map(({ address }) => address.split('/')[0]),
      addressesOf('web', 'eth0'),
    )
  })

  claim('capability ips: the address asked for', () => holds(addressesOf('web', 'eth0').includes('10.244.1.77'), 'no'))
  claim('capability mac: the hardware address asked for', () => same(macOf('web', 'eth0'), CAPABILITIES.mac))

  const server = serve('web', 80, 'web')
  claim('capability portMappings: the host port answers to the outside', () =>
    same(fetchFrom(OUTSIDE, `http://${NODE_ADDRESS}:8080/`), 'web'),
  )
  claim('capability portMappings: and to another node, which has no tunnel yet', () =>
    same(fetchFrom(OUTSIDE, `http://${NODE_ADDRESS}:8080/`, OUTSIDE_ADDRESS), 'web'),
  )
  claim('capability portMappings: and to the node itself, by its address and by loopback', () => {
    same(fetchFrom(NODE, `http://${NODE_ADDRESS}:8080/`), 'web')
    same(fetchFrom(NODE, 'http://127.0.0.1:8080/'), 'web')
  })

  claim('CNI_ARGS: IP and MAC are taken, Kubernetes keys are no error', () => {
    succeeds('add', 'client', CLIENT)
    holds(addressesOf('client', 'eth0').includes('10.244.1.88'), addressesOf('client', 'eth0').join())
    same(macOf('client', 'eth0'), '0a:00:00:00:00:88')
  })

  claim('pods reach each other over both families, and the host port by the node', () => {
    for (const address of addressesOf('web', 'eth0')) holds(pings('client', address), `no answer from ${address}`)
    same(fetchFrom('client', `http://${NODE_ADDRESS}:8080/`), 'web')
    same(fetchFrom('web', `http://${NODE_ADDRESS}:8080/`), 'web')
  })

  if (set.name === 'flatnet') {
    claim('vxlan: a pod reaches a pod of the other node through the tunnel', () => {
      writeFileSync('/run/node-2.conflist', JSON.stringify(podNetwork(set, '1.1.0', 2, '/run/flatnet-2')))
      run(OUTSIDE, [`${set.bin}/flatnet`, 'sync', '/run/node-2.conflist'])
      run(OUTSIDE, ['ip', 'address', 'add', `${REMOTE_POD_ADDRESS}/32`, 'dev', 'lo'])
      holds(pings('client', REMOTE_POD_ADDRESS), 'no answer')
      same(JSON.parse(run('client', ['ip', '-j', 'link', 'show', 'eth0']))[0].mtu, 1450)
    })
    claim('vxlan: the host port answers to the other node at its own address when it has one', () =>
      same(fetchFrom(OUTSIDE, `http://${NODE_ADDRESS}:8080/`, OUTSIDE_ADDRESS), 'web'),
    )
  }

  claim('check: holds for both pods, with what they were added with', () => {
    succeeds('check', 'web', WEB)
    succeeds('check', 'client', CLIENT)
  })

  claim('check: fails when the pod has lost an address', () => {
    run('client', ['ip', 'address', 'del', '10.244.1.88/24', 'dev', 'eth0'])
    const { status } = call('check', 'client', CLIENT)
    run('client', ['ip', 'address', 'add', '10.244.1.88/24', 'dev', 'eth0'])
    run('client', ['ip', 'route', 'add', 'default', 'via', '10.244.1.1'])
    same(status, 1)
  })

  claim('an address that is taken is refused, in words, and nothing of the third pod stays', () => {
    const { status, stderr } = call('add', 'third', WEB)
    same(status, 1)
    holds(stderr.includes('10.244.1.77'), stderr)
    same(addressesOf('third', 'eth0'), [])
    call('del', 'third', WEB)
  })

  claim('status: ready while pods run', () => succeeds('status', 'web'))

  claim('del: leaves nothing of the pod, and the other pod works', () => {
    succeeds('del', 'web', WEB)
    same(addressesOf('web', 'eth0'), [])
    same(fetchFrom(OUTSIDE, `http://${NODE_ADDRESS}:8080/`), '')
    holds(!Object.keys(leases('podnet')).includes('10.244.1.77'), 'the lease is still there')
    succeeds('check', 'client', CLIENT)
  })
  claim('del: once more', () => succeeds('del', 'web', WEB))
  claim('check: fails after del', () => same(call('check', 'web', WEB).status, 1))

  claim('gc: deletes what is cached', () => {
    succeeds('add', 'third', WEB)
    succeeds('gc', 'third')
    same([addressesOf('third', 'eth0'), addressesOf('client', 'eth0'), leases('podnet')], [[], [], {}])
  })
  claim('after the last pod the node is as it was before the first', () => sameLines(snapshot(), before))

  claim(
    'gc: also of a pod whose namespace is gone',
    () => {
      succeeds('add', 'web', WEB)
      server.kill()
      removeNamespace('web')
      succeeds('gc', 'client')
      sameLines(snapshot(), before)
    },
    { reference: 'without its namespace, DEL leaves the masquerade rules of a pod' },
  )
  claim('the library has nothing in its cache', () => same(filesBelow('/var/lib/cni/results'), []))
}
