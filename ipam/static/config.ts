import type { NetworkConfig } from '../../lib/cni/config.js'
import type { Dns, Route } from '../../lib/cni/result.js'

/** Validated by config.schema.json. */
export interface StaticConfig extends NetworkConfig {
  readonly ipam?: {
    readonly type?: string
    readonly addresses?: readonly { readonly address: string; readonly gateway?: string }[]
    readonly routes?: readonly Route[]
    readonly dns?: Dns
  }
  readonly args?: { readonly cni?: { readonly ips?: readonly string[] } }
  readonly runtimeConfig?: { readonly ips?: readonly string[] }
}
