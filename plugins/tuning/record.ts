/** The record of an attachment: what was there before ADD changed it. */

import type { HostEnd } from '../../lib/attachment/chained.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import { cookieOf } from '../../lib/netns/namespace.js'
import type { Shape } from '../../lib/store/shape.js'
import { bootId } from '../../lib/sys/clock.js'
import type { LinkSettings } from './config.js'
import type { Sysctl } from './wanted.js'

export interface Tuned extends HostEnd {
  /** Path of the container's namespace, for a call that does not say it. */
  readonly netns: string
  /** Since when the kernel runs, and which namespace that was; both `''` until it has been looked at. */
  readonly boot: string
  readonly cookie: string
  /** The link's index there; 0 where there was none of that name. */
  readonly index: number
  /** What ADD changes, as it was. */
  readonly before: LinkSettings
  /** Of the link itself: these are put back with it. */
  readonly linkSysctls: readonly Sysctl[]
  /** Of the whole namespace: put back where ADD fails. */
  readonly sysctls: readonly Sysctl[]
}

const SYSCTLS: Shape = [{ path: 'string', value: 'string' }]

export const SHAPE: Shape = {
  netns: 'string',
  boot: 'string',
  cookie: 'string',
  index: 'number',
  before: {
    'mac?': 'string',
    'mtu?': 'number',
    'promiscuous?': 'boolean',
    'allMulticast?': 'boolean',
    'txQueueLength?': 'number',
  },
  linkSysctls: SYSCTLS,
  sysctls: SYSCTLS,
}

/** Before anything is known of the container. */
export function unchanged(netns: string): Tuned {
  return { netns, boot: '', cookie: '', index: 0, before: {}, linkSysctls: [], sysctls: [] }
}

/** Which namespace a handle is in, so that another one at the same path is left alone. */
export function namespaceOf(container: Netlink): Pick<Tuned, 'boot' | 'cookie'> {
  return { boot: bootId(), cookie: cookieOf(container) }
}

/** Kernels before 5.14 have no cookies: then the link's index must do. */
export function isIn(container: Netlink, recorded: Pick<Tuned, 'boot' | 'cookie'>): boolean {
  const { boot, cookie } = namespaceOf(container)
  return boot === recorded.boot && (cookie === recorded.cookie || cookie === '' || recorded.cookie === '')
}
