/** A link as the kernel describes it. */

import { findAttribute } from '../codec/reader.js'
import { AF_INET } from '../family.js'
import type { Message } from '../message.js'
import { IFF_ALLMULTI, IFF_PROMISC, IFF_UP, LINK_HEADER_LENGTH } from './attributes.js'
import { linkMessage } from './info.js'
import { type AddressGenerationMode, addressGenerationModeOf } from './kind.js'
import type { LinkData } from './kinds.js'
import type { BridgePort } from './port.js'

/** RFC 2863 ifOperStatus, in the kernel's order. */
const STATES = ['unknown', 'not present', 'down', 'lower layer down', 'testing', 'dormant', 'up'] as const
export type OperationalState = (typeof STATES)[number]

export interface Link {
  readonly index: number
  readonly name: string
  /** `veth`, `bridge`, …; undefined for hardware and loopback. */
  readonly kind: string | undefined
  /** Lower case with colons; `''` where the link has none. */
  readonly mac: string
  readonly mtu: number
  /** Administratively up (IFF_UP). */
  readonly up: boolean
  readonly operationalState: OperationalState
  /** Index of the bridge or bond it belongs to. */
  readonly master: number | undefined
  /** Of a veth the other end's index, else the link below; in namespace `peerNamespaceId` where that is defined. */
  readonly peerIndex: number | undefined
  /** This namespace's id for the one `peerIndex` counts in. */
  readonly peerNamespaceId: number | undefined
  readonly alias: string | undefined
  /** How many hold it promiscuous. */
  readonly promiscuity: number
  /** IFF_ bits. */
  readonly flags: number
  readonly txQueueLength: number
  /** ARPHRD_: 1 Ethernet, 772 loopback. */
  readonly hardwareType: number
  readonly addressGenerationMode: AddressGenerationMode | undefined
  /** What the kind adds, told apart by its own `kind`. */
  readonly data: LinkData | undefined
  /** What it is as a bridge's port. */
  readonly port: BridgePort | undefined
}

/** Whether somebody has asked for promiscuous mode by the link's own flag; `promiscuity` counts a bridge's wish too. */
export function isPromiscuous({ flags }: Pick<Link, 'flags'>): boolean {
  return (flags & IFF_PROMISC) !== 0
}

/** Whether the link takes all multicast frames. */
export function isAllMulticast({ flags }: Pick<Link, 'flags'>): boolean {
  return (flags & IFF_ALLMULTI) !== 0
}

/** Reads one thing of RTM_NEWLINK. */
export function readOperationalState({ reader, start, end }: Message): OperationalState {
  const IFLA_OPERSTATE = 16
  const found = findAttribute(reader, start + LINK_HEADER_LENGTH, end, IFLA_OPERSTATE)
  return STATES[found === undefined ? 0 : (reader.bytes[found[0]] as number)] ?? 'unknown'
}

/** Reads RTM_NEWLINK. */

/** Reads of RTM_NEWLINK whether packets of 127/8 may pass; false where the link has no IPv4. */
export function readRouteLocalnet({ reader, start, end }: Message): boolean {
  // One array of all settings, IPV4_DEVCONF_ROUTE_LOCALNET the 26th (include/uapi/linux/ip.h).
  const [IFLA_AF_SPEC, IFLA_INET_CONF, ROUTE_LOCALNET] = [26, 1, 26]
  let at: readonly [number, number] | undefined = [start + LINK_HEADER_LENGTH, end]
  for (const number of [IFLA_AF_SPEC, AF_INET, IFLA_INET_CONF]) {
    at = at && findAttribute(reader, at[0], at[1], number)
  }
  return at !== undefined && reader.words[(at[0] >> 2) + ROUTE_LOCALNET - 1] !== 0
}

export function readLink({ reader, start, end }: Message): Link {
  const { view, words } = reader
  const flags = (words[(start + 8) >> 2] as number) >>> 0
  const a = linkMessage.read(reader, start + LINK_HEADER_LENGTH, end)
  const { info } = a
  const generation = a.perFamily?.inet6?.addressGenerationMode
  return {
    index: words[(start + 4) >> 2] as number,
    name: a.name ?? '',
    kind: info?.kind,
    mac: a.mac ?? '',
    mtu: a.mtu ?? 0,
    up: (flags & IFF_UP) !== 0,
    operationalState: STATES[a.operationalState ?? 0] ?? 'unknown',
    master: a.master,
    peerIndex: a.link,
    peerNamespaceId: a.peerNamespaceId,
    alias: a.alias,
    promiscuity: a.promiscuity ?? 0,
    flags,
    txQueueLength: a.txQueueLength ?? 0,
    hardwareType: view.getUint16(start + 2, true),
    addressGenerationMode: generation === undefined ? undefined : addressGenerationModeOf(generation),
    get data() {
      return info?.data
    },
    get port() {
      return info?.port
    },
  }
}
