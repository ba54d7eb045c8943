/** A pair of Ethernet links; what enters one leaves the other. */

import { writeAttribute } from '../codec/types.js'
import { linkAttributes, writeLinkHeader } from './attributes.js'
import type { LinkKind, LinkOptions } from './kind.js'

export interface VethSpec extends LinkOptions {
  readonly kind: 'veth'
  readonly peer: VethPeer
}

/**
 * The other end, complete at birth. The kernel takes neither alias, master nor address generation mode for it; change
 * it in its own namespace.
 */
export interface VethPeer {
  readonly name: string
  readonly mtu?: number | undefined
  readonly mac?: string | undefined
  readonly txQueueLength?: number | undefined
  /** Descriptor of the network namespace it is born in; default this one. */
  readonly namespaceFd?: number | undefined
}

export const veth: LinkKind<VethSpec, never> = {
  kind: 'veth',
  write(writer, { peer }) {
    const VETH_INFO_PEER = 1 // include/uapi/linux/veth.h: struct ifinfomsg and attributes of a link
    if (peer === undefined) return
    writeAttribute(writer, VETH_INFO_PEER, peerMessage, peer)
  },
}

const peerMessage = {
  write(writer: Parameters<typeof writeLinkHeader>[0], peer: VethPeer): void {
    writeLinkHeader(writer)
    linkAttributes.write(writer, {
      name: peer.name,
      mtu: peer.mtu,
      mac: peer.mac,
      txQueueLength: peer.txQueueLength,
      namespaceFd: peer.namespaceFd,
    })
  },
  read(): never {
    throw new Error('the kernel sends no peer')
  },
}
