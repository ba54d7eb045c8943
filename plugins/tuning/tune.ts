/** ADD: sets the sysctls, then the link, and notes before what was there. */

import type { Attachment, Progress } from '../../lib/attachment/chained.js'
import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { Result } from '../../lib/cni/result.js'
import type { Link } from '../../lib/netlink/links/link.js'
import { openNetlink } from '../../lib/netlink/netlink.js'
import { closeContainer, inContainer, isSameNamespace, openContainer } from '../../lib/netns/namespace.js'
import { readLongSysctl, writeSysctl } from '../../lib/sysctl/sysctl.js'
import type { LinkSettings } from './config.js'
import { merged } from './earlier.js'
import { differingKeys, pick, settingsOfLink } from './link-settings.js'
import { namespaceOf, type Tuned } from './record.js'
import type { Sysctl, Wanted } from './wanted.js'

/** Returns the result with what has changed of the link. */
export function tune(at: Attachment, { sysctls, link: wanted, previous }: Wanted, progress: Progress<Tuned>): Result {
  const file = openContainer(at.netns)
  try {
    inContainer(file, () => {
      const container = openNetlink()
      const link = container.links.find(at.ifName)
      const keys = keysToChange(link, wanted, at)
      const before = link === undefined ? {} : pick(settingsOfLink(link), keys)
      const where = { netns: at.netns, ...namespaceOf(container), index: link?.index ?? 0 }
      progress.update(merged({ ...where, before, ...noted(sysctls, at.ifName) }, progress.earlier))
      progress.save()
      for (const { path, value } of sysctls) writeSysctl(path, value)
      if (link !== undefined && keys.length > 0) container.links.change(link.index, pick(wanted, keys))
    })
  } finally {
    closeContainer(file)
  }
  return withLink(previous, at, wanted)
}

function keysToChange(link: Link | undefined, wanted: LinkSettings, { ifName, netns }: Attachment) {
  if (link !== undefined) return differingKeys(link, wanted)
  if (Object.values(wanted).every((value) => value === undefined)) return []
  throw new CniError(
    ErrorCode.InvalidConfig,
    `failed to find ${ifName} in the container: Link not found`,
    `tuning changes what another plugin has made: chain it behind an interface plugin (ip -n ${netns} link show)`,
  )
}

/** What cannot be read cannot be put back either. */
function noted(sysctls: readonly Sysctl[], ifName: string): Pick<Tuned, 'linkSysctls' | 'sysctls'> {
  const found = sysctls.flatMap(({ path, value: wanted }) => {
    const value = readLongSysctl(path)
    return value === undefined || value === wanted ? [] : [{ path, value }]
  })
  const isLinks = ({ path }: Sysctl) => path.split('/').includes(ifName)
  return { linkSysctls: found.filter(isLinks), sysctls: found.filter((one) => !isLinks(one)) }
}

function withLink(previous: Result, { netns, ifName }: Attachment, { mac, mtu }: LinkSettings): Result {
  const { interfaces } = previous
  if (interfaces === undefined || (mac === undefined && mtu === undefined)) return previous
  const changed = { ...(mac === undefined ? {} : { mac }), ...(mtu === undefined ? {} : { mtu }) }
  const isOurs = ({ name, sandbox = '' }: { name: string; sandbox?: string }) =>
    name === ifName && isSameNamespace(sandbox, netns)
  return { ...previous, interfaces: interfaces.map((one) => (isOurs(one) ? { ...one, ...changed } : one)) }
}
