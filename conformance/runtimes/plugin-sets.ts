/** Ours and the reference's executables, and the networks that both are given. */

import { resolve } from 'node:path'

export interface PluginSet {
  readonly name: 'flatnet' | 'reference'
  /** Absolute path of the directory of executables. */
  readonly bin: string
}

export type Conflist = { cniVersion: string; name: string; plugins: Record<string, unknown>[] }

export const SETS: readonly PluginSet[] = [
  { name: 'flatnet', bin: resolve('bin') },
  { name: 'reference', bin: resolve('build/runtimes/reference') },
]

/** Programs that `prepare.sh` built. */
export const PROGRAMS = resolve('build/runtimes/bin')

/** The table of two nodes: this one, and the other end of its uplink. */
const NODES = [
  { name: 'node-1', addresses: ['10.9.0.1'], podCIDRs: ['10.244.1.0/24', 'fd44:1::/64'] },
  { name: 'node-2', addresses: ['10.9.0.2'], podCIDRs: ['10.244.2.0/24', 'fd44:2::/64'] },
]

/**
 * The default network: bridge, vxlan (ours only; the reference has no such plugin) and portmap.
 * `node` is whose pods it is for, `stateDir` where that node keeps what it knows.
 */
export function podNetwork(set: PluginSet, cniVersion = '1.1.0', node = 1, stateDir?: string): Conflist {
  const state = stateDir === undefined ? {} : { stateDir }
  const bridge = {
    type: 'bridge',
    bridge: 'cni0',
    isDefaultGateway: true,
    ipMasq: true,
    hairpinMode: true,
    capabilities: { ips: true, mac: true },
    ...state,
    ipam: { type: 'host-local', ranges: [[{ subnet: `10.244.${node}.0/24` }], [{ subnet: `fd44:${node}::/64` }]] },
  }
  const vxlan = { type: 'vxlan', vni: 1, nodes: NODES, clusterCIDRs: ['10.244.0.0/16'], ...state }
  const portmap = { type: 'portmap', capabilities: { portMappings: true }, ...state }
  return {
    cniVersion,
    name: 'podnet',
    plugins: set.name === 'flatnet' ? [bridge, vxlan, portmap] : [bridge, portmap],
  }
}

/** The same network with addresses of IPv4 alone. */
export function withoutIpv6(conflist: Conflist): Conflist {
  const [bridge, ...rest] = conflist.plugins
  const ipam = bridge?.['ipam'] as { type: string; ranges: unknown[] }
  return { ...conflist, plugins: [{ ...bridge, ipam: { ...ipam, ranges: ipam.ranges.slice(0, 1) } }, ...rest] }
}

/** A further network on a bridge of its own, with a gateway but without a default route. */
export function secondaryNetwork(name: string, subnet: string, cniVersion = '1.1.0'): Conflist {
  const bridge = {
    type: 'bridge',
    bridge: `br-${name}`,
    isGateway: true,
    capabilities: { ips: true, mac: true },
    ipam: { type: 'host-local', ranges: [[{ subnet }]] },
  }
  return { cniVersion, name, plugins: [bridge] }
}
