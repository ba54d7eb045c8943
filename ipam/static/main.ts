/**
 * static: gives each attachment the addresses that the configuration or the runtime names, and remembers nothing.
 * https://www.cni.dev/plugins/current/ipam/static/
 */

import { dnsOf } from '../../lib/cni/dns.js'
import { definePlugin } from '../../lib/cni/plugin.js'
import { formatPrefix } from '../../lib/ip/prefix.js'
import { routesOf } from '../../lib/ipam/routes.js'
import { hasIpv6, lackingIpv6 } from '../../lib/sysctl/ipv6.js'
import { addressesOf, ipOf } from './addresses.js'
import { check } from './check.js'
import { schema } from './config.generated.js'
import type { StaticConfig } from './config.js'

export const { main, delegate } = definePlugin<StaticConfig>({
  name: 'static',
  schema,
  usesArgs: true,
  anyNetns: true,
  answersPlugins: true,
  add: ({ config, cniVersion, args }) => ({
    ips: addressesOf(config, cniVersion, args).map(ipOf),
    routes: routesOf(config.ipam?.routes),
    dns: dnsOf(config.ipam?.dns),
  }),
  check,
  // Nothing was taken, so there is nothing to give back.
  del: () => undefined,
  status({ config, cniVersion }) {
    const six = addressesOf(config, cniVersion, new Map()).find(({ prefix }) => prefix.address.family === 6)
    routesOf(config.ipam?.routes)
    if (six !== undefined && !hasIpv6()) throw lackingIpv6(`containers cannot have ${formatPrefix(six.prefix)}`)
  },
})
