/** The configuration of tuning, and what it comes to. */

import type { NetworkConfig } from '../../lib/cni/config.js'
import type { CniError } from '../../lib/cni/error.js'
import { invalid, macOf, mtuOf } from '../../lib/interface/settings.js'
import type { LinkChange } from '../../lib/netlink/links/requests.js'
import { networkKey } from '../../lib/sysctl/network-key.js'

/** What can be asked for at the top level and in `args.cni`. */
interface Asked {
  readonly sysctl?: Readonly<Record<string, string>>
  readonly mac?: string
  readonly mtu?: number
  readonly promisc?: boolean
  readonly allmulti?: boolean
  readonly txQLen?: number
}

export interface TuningConfig extends NetworkConfig, Asked {
  /** Where the reference plugin keeps what it has changed. */
  readonly dataDir?: string
  readonly runtimeConfig?: { readonly mac?: string }
  readonly args?: { readonly cni?: Asked }
}

/** Of a link; absent stays as it is. */
export type LinkSettings = Pick<LinkChange, 'mac' | 'mtu' | 'promiscuous' | 'allMulticast' | 'txQueueLength'>

export interface Settings {
  /** By keys as they are written. */
  readonly sysctl: Readonly<Record<string, string>>
  /** `mac` is the MAC of CNI_ARGS. */
  linkSettings(mac: string | undefined): LinkSettings
}

/** What `args.cni` says comes first, but for the MAC of the capability. Throws code 7. */
export function settingsOf(config: Partial<TuningConfig>): Settings {
  const asked = config.args?.cni ?? {}
  const linkSettings = (mac: string | undefined): LinkSettings => ({
    mac: macOf([config.runtimeConfig?.mac, asked.mac, mac, config.mac]),
    mtu: mtuOf({ mtu: asked.mtu || config.mtu || 0 }),
    promiscuous: asked.promisc === true || config.promisc === true ? true : undefined,
    allMulticast: asked.allmulti ?? config.allmulti,
    txQueueLength: asked.txQLen ?? config.txQLen,
  })
  linkSettings(undefined)
  const sysctl = { ...config.sysctl, ...asked.sysctl }
  for (const key of Object.keys(sysctl)) if (networkKey(key, 'eth0') === undefined) throw notOfNetwork(key)
  return { sysctl, linkSettings }
}

export function notOfNetwork(key: string): CniError {
  return invalid(
    `invalid net sysctl key: ${JSON.stringify(key)}`,
    'tuning sets what is below net alone, for instance net.ipv4.conf.IFNAME.arp_notify',
  )
}
