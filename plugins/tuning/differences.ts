/** CHECK: the sysctls and the link have what was asked for. */

import type { Attachment } from '../../lib/attachment/chained.js'
import { openNetlink } from '../../lib/netlink/netlink.js'
import { closeContainer, inContainer, openContainer } from '../../lib/netns/namespace.js'
import { readLongSysctl } from '../../lib/sysctl/sysctl.js'
import type { LinkSettings } from './config.js'
import { differingKeys, settingsOfLink } from './link-settings.js'
import type { Sysctl, Wanted } from './wanted.js'

export function differences({ netns, ifName }: Attachment, { sysctls, link }: Wanted): string[] {
  const file = openContainer(netns)
  try {
    return inContainer(file, () => [...sysctls.flatMap(compareSysctl), ...compareLink(ifName, link)])
  } finally {
    closeContainer(file)
  }
}

/** The kernel prints several values with tabs. What can be written alone has none. */
function compareSysctl({ path, value }: Sysctl): string[] {
  const actual = readLongSysctl(path)
  if (actual === undefined || words(actual) === words(value)) return []
  return [`sysctl ${path} is ${words(actual)} instead of ${words(value)}`]
}

function words(value: string): string {
  return value
    .split('\t')
    .join(' ')
    .split(' ')
    .filter((word) => word !== '')
    .join(' ')
    .trim()
}

function compareLink(ifName: string, wanted: LinkSettings): string[] {
  if (Object.values(wanted).every((value) => value === undefined)) return []
  const link = openNetlink().links.find(ifName)
  if (link === undefined) return [`${ifName} is missing in the container`]
  const present = settingsOfLink(link)
  return differingKeys(link, wanted).map((key) => `${key} of ${ifName} is ${present[key]} instead of ${wanted[key]}`)
}
