import type { NetworkConfig } from './config.js'
import type { Dns } from './result.js'

/** Return the `dns` of a configuration as a result has it: without its empty members. */
export function dnsOf({ nameservers = [], domain = '', search = [], options = [] }: ConfiguredDns = {}): Dns {
  return {
    ...(nameservers.length === 0 ? {} : { nameservers }),
    ...(domain === '' ? {} : { domain }),
    ...(search.length === 0 ? {} : { search }),
    ...(options.length === 0 ? {} : { options }),
  }
}

type ConfiguredDns = NonNullable<NetworkConfig['dns']>
