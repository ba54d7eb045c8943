/** The networks that are measured: the plugins of a conflist, and what a runtime adds for a pod. */

import type { Json } from '../../lib/testing/cni.js'

export interface Network {
  /** In the order of ADD. */
  readonly plugins: readonly string[]
  /** Of the plugin at `index`, without prevResult. Whoever has the same `folder` shares leases and records. */
  config(index: number, pod: number, folder: string): Json
}

export const SUBNET = '10.244.0.0/16'
export const GATEWAY = '10.244.0.1'
const SUBNET6 = 'fd00:244::/64'

type Plugin = (pod: number, folder: string) => Json

function network(...plugins: readonly Plugin[]): Network {
  return {
    plugins: plugins.map((plugin) => plugin(0, '').type),
    config: (index, pod, folder) => ({
      cniVersion: '1.0.0',
      name: 'bench',
      stateDir: `${folder}/state`,
      ...plugins[index]?.(pod, folder),
    }),
  }
}

function bridge(subnets: readonly string[], more: Json = {}): Plugin {
  return (_, folder) => ({
    type: 'bridge',
    bridge: 'cni0',
    isDefaultGateway: true,
    ...more,
    ipam: { type: 'host-local', dataDir: `${folder}/networks`, ranges: subnets.map((subnet) => [{ subnet }]) },
  })
}

/** The host port of a pod that leads to its port 80 (TCP) or 53 (UDP). */
export function hostPort(pod: number): number {
  return 10_000 + pod
}

const portmap: Plugin = (pod) => ({
  type: 'portmap',
  capabilities: { portMappings: true },
  runtimeConfig: {
    portMappings: [
      { hostPort: hostPort(pod), containerPort: 80, protocol: 'tcp' },
      { hostPort: hostPort(pod), containerPort: 53, protocol: 'udp' },
    ],
  },
})

const RATE = 100_000_000
const bandwidth: Plugin = () => ({
  type: 'bandwidth',
  capabilities: { bandwidth: true },
  runtimeConfig: {
    bandwidth: { ingressRate: RATE, ingressBurst: RATE, egressRate: RATE, egressBurst: RATE },
  },
})

const firewall: Plugin = () => ({ type: 'firewall' })

/** An address of IPv4, no NAT. */
export const FLAT = network(bridge([SUBNET]))

export const MASQUERADED = network(bridge([SUBNET], { ipMasq: true }))

const dualStack = bridge([SUBNET, SUBNET6], { ipMasq: true })

/** A bridge and one host port. */
export const ONE_PORT = network(bridge([SUBNET]), (pod) => ({
  type: 'portmap',
  runtimeConfig: { portMappings: [{ hostPort: hostPort(pod), containerPort: 80, protocol: 'tcp' }] },
}))

/** What a kubelet asks for: both families, two host ports, limits. */
export const CHAIN = network(dualStack, portmap, bandwidth)

export const KUBE = network(dualStack, portmap, bandwidth, firewall)
