/** The configuration of firewall. */

import type { NetworkConfig } from '../../lib/cni/config.js'
import type { Policy } from '../../lib/ruleset/ingress-policy.js'
import { warn } from '../../lib/sys/log.js'

export interface FirewallConfig extends NetworkConfig {
  readonly backend?: string
  readonly iptablesAdminChainName?: string
  readonly firewalldZone?: string
  readonly ingressPolicy?: '' | 'open' | Policy
}

export interface Settings {
  /** `auto` asks firewalld if it runs. */
  readonly backend: 'auto' | 'firewalld' | 'nftables'
  readonly adminChain: string
  readonly zone: string
  /** Absent is open. */
  readonly policy: Policy | undefined
}

export function settingsOf(config: FirewallConfig): Settings {
  const { backend = '', iptablesAdminChainName: adminChain = 'CNI-ADMIN' } = config
  if (backend === 'iptables') {
    warn(
      '"backend": "iptables" works as "nftables": rules go into iptables-nft\'s tables, and flatnet runs no iptables',
    )
  }
  const { ingressPolicy = '' } = config
  return {
    backend: backendOf(config),
    adminChain,
    zone: zoneOf(config),
    policy: ingressPolicy === '' || ingressPolicy === 'open' ? undefined : ingressPolicy,
  }
}

export function backendOf({ backend }: Partial<FirewallConfig>): Settings['backend'] {
  if (backend === 'firewalld') return backend
  return backend === 'iptables' || backend === 'nftables' ? 'nftables' : 'auto'
}

/** Of firewalld, which the container's addresses become sources of. */
export function zoneOf({ firewalldZone: zone = '' }: Partial<FirewallConfig>): string {
  return zone === '' ? 'trusted' : zone
}
