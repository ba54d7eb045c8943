/** What the configuration comes to for one container. */

import type { AddRequest, CheckRequest } from '../../lib/cni/request.js'
import type { Result } from '../../lib/cni/result.js'
import { invalid } from '../../lib/interface/settings.js'
import { networkKey } from '../../lib/sysctl/network-key.js'
import { requireAllowed } from './allow-list.js'
import { type LinkSettings, notOfNetwork, type Settings, type TuningConfig } from './config.js'

export interface Wanted {
  readonly netns: string
  readonly sysctls: readonly Sysctl[]
  readonly link: LinkSettings
  readonly previous: Result
}

export interface Sysctl {
  /** Below /proc/sys. */
  readonly path: string
  readonly value: string
}

/** Undefined where nothing is to be changed. Throws code 7. */
export function wantedTuning(
  { command, netns, ifName, args }: AddRequest<TuningConfig> | CheckRequest<TuningConfig>,
  { sysctl, linkSettings }: Settings,
  previous: Result,
): Wanted | undefined {
  const link = linkSettings(args.get('MAC'))
  const sysctls = sysctlsOf(sysctl, ifName)
  if (sysctls.length === 0 && Object.values(link).every((value) => value === undefined)) return undefined
  if (command === 'ADD') requireAllowed(Object.keys(sysctl))
  return { netns, sysctls, link, previous }
}

function sysctlsOf(sysctl: Settings['sysctl'], ifName: string): Sysctl[] {
  const byPath = new Map<string, string>()
  return Object.entries(sysctl).map(([key, value]) => {
    const path = networkKey(key, ifName)
    if (path === undefined) throw notOfNetwork(key)
    const same = byPath.get(path)
    if (same !== undefined)
      throw invalid(`sysctl: ${JSON.stringify(same)} and ${JSON.stringify(key)} are the same setting`)
    byPath.set(path, key)
    return { path, value }
  })
}
