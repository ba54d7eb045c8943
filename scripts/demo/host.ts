/** A node of the demo: a network namespace, the conflist its runtime would use, and the pods attached by it. */

import { Attachment, expectSuccess, type Json } from '../../lib/testing/cni.js'
import type { Netns } from '../../lib/testing/netns.js'
import type { Stage } from './stage.js'

export interface Pod {
  readonly name: string
  readonly netns: Netns
  /** IPv4 before IPv6, without prefix length. */
  readonly addresses: readonly string[]
}

export class Host {
  readonly netns: Netns
  readonly #pods: { pod: Pod; attachments: Attachment[] }[] = []

  constructor(
    readonly stage: Stage,
    readonly name: string,
    readonly conflist: Json,
    /** Of host-local. */
    readonly dataDir = '/var/lib/cni/networks',
  ) {
    this.netns = stage.netns(name)
  }

  get pods(): Pod[] {
    return this.#pods.map(({ pod }) => pod)
  }

  /** As a runtime does: `lo` by the loopback plugin, `eth0` by the conflist. */
  attach(name: string, capabilities: Json = {}): Pod {
    const netns = this.stage.netns(name, { loopback: false })
    const { cniVersion } = this.conflist
    const loopback = { cniVersion, name: 'loopback', type: 'loopback' }
    const attachments = [
      new Attachment(this.netns, loopback, netns, { containerId: name, ifName: 'lo' }),
      new Attachment(this.netns, this.conflist, netns, { containerId: name, ifName: 'eth0', capabilities }),
    ]
    for (const attachment of attachments) attachment.add()
    const ips = attachments[1]?.result.ips as { address: string }[]
    const pod = { name, netns, addresses: ips.map(({ address }) => address.split('/')[0] ?? '') }
    this.#pods.push({ pod, attachments })
    return pod
  }

  /** CHECK of every pod. */
  check(): void {
    for (const { attachments } of this.#pods) for (const attachment of attachments) attachment.check()
  }

  /** DEL of every pod, and GC of a network without any. */
  detachAll(): void {
    for (const { attachments } of this.#pods.splice(0)) {
      for (const attachment of attachments.reverse()) attachment.del()
    }
    if (this.conflist.cniVersion === '1.1.0') {
      const nobody = { name: 'nobody', path: '' }
      expectSuccess('GC', new Attachment(this.netns, this.conflist, nobody.path).gc([]))
    }
  }
}
