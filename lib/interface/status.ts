/** STATUS: fails only where no container of this node could be attached; the rest is said on stderr. */

import { requireStateDir, stateDirOf } from '../attachment/state-dir.js'
import type { NetworkConfig } from '../cni/config.js'
import { findDelegate } from '../cni/delegate.js'
import type { StatusRequest } from '../cni/request.js'
import { formatPrefix, type Prefix } from '../ip/prefix.js'
import { openHost } from '../netns/namespace.js'
import { requireRanges } from '../nodes/cni/ranges.js'
import { warn } from '../sys/log.js'
import { hasIpv6, lackingIpv6 } from '../sysctl/ipv6.js'
import { leasedFrom } from './leased-from.js'
import type { Made } from './model.js'
import type { InterfacePlugin } from './plugin.js'
import { requireRules } from './rules.js'
import type { InterfaceSettings } from './settings.js'

export function status<C extends NetworkConfig, S extends InterfaceSettings, M extends Made>(
  plugin: InterfacePlugin<C, S, M>,
  request: StatusRequest<C>,
): void {
  const settings = plugin.settings(request)
  const stateDir = stateDirOf(request.config)
  const host = openHost()
  for (const doubt of plugin.doubts?.(settings) ?? []) warn(doubt)
  if (settings.ipam !== undefined) requireIpv6InKernel(leasedFrom(request.config.ipam))
  plugin.status?.(request, settings, host)
  requireStateDir(stateDir)
  requireRules(settings)
  requireRanges(host, stateDir, request.network, request.config.ipam)
  if (settings.ipam !== undefined) findDelegate(settings.ipam, request).run('STATUS')
}

/** Not every IPAM plugin looks at it. */
function requireIpv6InKernel(subnets: readonly Prefix[]): void {
  const six = subnets.find(({ address }) => address.family === 6)
  if (six !== undefined && !hasIpv6()) throw lackingIpv6(`containers cannot have addresses of ${formatPrefix(six)}`)
}
