/** A pod on a bridge, and the calls of a plugin chained behind: for tests that drive that plugin alone. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Call, call, expectSuccess, type Json } from './cni.js'
import { Netns, type Owner } from './netns.js'

export interface Chained {
  readonly host: Netns
  readonly container: Netns
  /** Records of all plugins. */
  readonly stateDir: string
  /** The pod's link on the host. */
  readonly veth: string
  readonly add: Omit<Call, 'host'>
  readonly del: Omit<Call, 'host'>
  readonly check: Omit<Call, 'host'>
  readonly gc: Omit<Call, 'host'>
  /** ADD for another pod on the bridge: `c2`, at 10.1.0.3 and fd01::3; GC keeps it. */
  addNeighbour(config?: Json): void
}

/** The node is 192.0.2.1 and 2001:db8::1; the pod `c1` is 10.1.0.2 and fd01::2 on cni0. */
export function chained(t: Owner, plugin: Json): Chained {
  const directory = mkdtempSync(join(tmpdir(), 'flatnet-chained-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const host = Netns.create(t, 'host', { duplicates: false })
  host.batch(
    'link add up0 type bridge',
    'link set up0 addrgenmode none',
    'link set up0 up',
    'addr add 192.0.2.1/24 dev up0',
  )
  host.run('ip', 'addr', 'add', '2001:db8::1/64', 'dev', 'up0', 'nodad')
  const stateDir = join(directory, 'state')
  const common = { cniVersion: '1.1.0', name: 'net', stateDir }
  const bridge = {
    ...common,
    type: 'bridge',
    isDefaultGateway: true,
    ipam: {
      type: 'host-local',
      dataDir: join(directory, 'data'),
      ranges: [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd01::/64' }]],
    },
  }
  const attach = (containerId: string, name: string) => {
    const netns = Netns.create(t, name, { loopback: false, duplicates: false })
    const prevResult = expectSuccess('ADD', call({ command: 'ADD', host, config: bridge, netns, containerId })).json
    settled(host, 'cni0')
    settled(netns, 'eth0')
    return { netns, prevResult }
  }
  const { netns: container, prevResult } = attach('c1', 'pod')
  const config = { ...common, ...plugin, prevResult }
  const of = (command: 'ADD' | 'DEL' | 'CHECK') => ({ command, config, netns: container, containerId: 'c1' })
  const valid = [{ containerID: 'c2', ifname: 'eth0' }]
  return {
    ...{ host, container, stateDir, veth: prevResult.interfaces[1].name },
    ...{ add: of('ADD'), del: of('DEL'), check: of('CHECK') },
    gc: { command: 'GC', config: { ...config, prevResult: undefined, 'cni.dev/valid-attachments': valid } },
    addNeighbour(more = {}) {
      const neighbour = attach('c2', 'neighbour')
      const theirs = { ...config, ...more, prevResult: neighbour.prevResult }
      const request = { command: 'ADD', host, config: theirs, netns: neighbour.netns, containerId: 'c2' } as const
      expectSuccess('ADD of the neighbour', call(request))
    },
  }
}

/** Waits for the address that the kernel gives a link by itself. */
function settled(netns: Netns, link: string): void {
  const there = `ip -6 -o addr show dev ${link} scope link -tentative | grep -q fe80`
  netns.run('timeout', '60', 'sh', '-c', `until ${there}; do sleep 0.05; done`)
}
