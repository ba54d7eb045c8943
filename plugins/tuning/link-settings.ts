/** What a link has of the settings that tuning changes, and how that differs from what is wanted. */

import { isAllMulticast, isPromiscuous, type Link } from '../../lib/netlink/links/link.js'
import type { LinkSettings } from './config.js'

export function settingsOfLink(link: Link): Required<LinkSettings> {
  const { mac, mtu, txQueueLength } = link
  return { mac, mtu, promiscuous: isPromiscuous(link), allMulticast: isAllMulticast(link), txQueueLength }
}

const KEYS = ['mac', 'mtu', 'promiscuous', 'allMulticast', 'txQueueLength'] as const

/** The settings that are wanted and that the link does not have. */
export function differingKeys(link: Link, wanted: LinkSettings): (keyof LinkSettings)[] {
  const present = settingsOfLink(link)
  return KEYS.filter((key) => wanted[key] !== undefined && wanted[key] !== present[key])
}

export function pick(settings: LinkSettings, keys: readonly (keyof LinkSettings)[]): LinkSettings {
  return Object.fromEntries(keys.map((key) => [key, settings[key]]))
}
