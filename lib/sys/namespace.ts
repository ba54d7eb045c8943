/** Moving this process between network namespaces. Only lib/netns calls it, and only to open sockets. */

import { door } from './door.js'
import { checked } from './errno.js'

/** setns(2) with CLONE_NEWNET. */
export function enterNetworkNamespace(fd: number, subject: string): void {
  const CLONE_NEWNET = 0x40000000
  checked(door().sys.setns(fd, CLONE_NEWNET), 'setns', subject)
}
