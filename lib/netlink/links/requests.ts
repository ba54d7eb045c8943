/** What can be asked about links, as requests to be sent one by one or in a batch. */

import type { Request } from '../message.js'
import { NLM_F_CREATE, NLM_F_EXCL } from '../message.js'
import {
  IFF_ALLMULTI,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_PROMISC,
  IFF_UP,
  linkAttributes,
  RTM_DELLINK,
  RTM_GETLINK,
  RTM_NEWLINK,
  writeLinkHeader,
} from './attributes.js'
import { linkMessage } from './info.js'
import type { Ipv4Settings } from './ipv4.js'
import { ADDRESS_GENERATION, type AddressGenerationMode } from './kind.js'
import type { LinkData, LinkSpec } from './kinds.js'

/** What to change of a link; absent stays as it is. */
export interface LinkChange {
  readonly up?: boolean | undefined
  /** Index of the bridge to join; 0 leaves the present one. */
  readonly master?: number | undefined
  readonly mtu?: number | undefined
  readonly mac?: string | undefined
  readonly name?: string | undefined
  /** `''` removes it. */
  readonly alias?: string | undefined
  readonly promiscuous?: boolean | undefined
  readonly allMulticast?: boolean | undefined
  readonly multicast?: boolean | undefined
  readonly arp?: boolean | undefined
  readonly txQueueLength?: number | undefined
  readonly addressGenerationMode?: AddressGenerationMode | undefined
  /** Set when it is up, if it is to come up. */
  readonly ipv4?: Ipv4Settings | undefined
  /** Moves the link to the namespace of this descriptor; its index may change there. */
  readonly namespaceFd?: number | undefined
  /** What the kernel can change of a kind's own data in place, with the `kind`. */
  readonly data?: LinkData | undefined
}

export interface LinkFilter {
  /** Index of the bridge they belong to. */
  readonly master?: number | undefined
  readonly kind?: string | undefined
}

const RTEXT_FILTER_SKIP_STATS = 8

/** One link, by name or index, of this namespace or of one by its number here. ENODEV where there is none. */
export function getLink(which: string | number, targetNamespaceId?: number): Request {
  return {
    type: RTM_GETLINK,
    flags: 0,
    about: (link) => `get ${typeof which === 'string' ? `link ${which}` : link(which)}`,
    write(writer) {
      const name = typeof which === 'string' ? which : undefined
      writeLinkHeader(writer, typeof which === 'number' ? which : 0)
      linkAttributes.write(writer, { name, extensionMask: RTEXT_FILTER_SKIP_STATS, targetNamespaceId })
    },
  }
}

export function listLinks({ master, kind }: LinkFilter): Request {
  return {
    type: RTM_GETLINK,
    flags: 0,
    about: () => 'list links',
    write(writer) {
      writeLinkHeader(writer)
      const info = kind === undefined ? undefined : { kind }
      linkMessage.write(writer, { master, info, extensionMask: RTEXT_FILTER_SKIP_STATS })
    },
  }
}

/**
 * Creates a link, complete but for what `completeLink` adds; EEXIST where the name is taken. A veth cannot be created
 * up, and one whose address generation is to be set must not be up before.
 */
export function createLink(spec: LinkSpec): Request {
  return {
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    about: () => `create link ${spec.name}`,
    write(writer) {
      const { name, mtu, mac, master, txQueueLength, link, namespaceFd } = spec
      const up = spec.up === true && !upLater(spec)
      writeLinkHeader(writer, 0, up ? IFF_UP : 0, up ? IFF_UP : 0)
      const info = { kind: spec.kind, spec }
      linkMessage.write(writer, { name, mtu, mac, master, txQueueLength, link, namespaceFd, info })
    },
  }
}

function upLater(spec: LinkSpec): boolean {
  return spec.kind === 'veth' || spec.addressGenerationMode !== undefined || spec.bridgePort !== undefined
}

/** What the kernel takes only of a link that exists; undefined where the spec has nothing of that. */
export function completeLink(spec: LinkSpec): LinkChange | undefined {
  const { alias, addressGenerationMode } = spec
  const up = spec.up === true && upLater(spec) ? true : undefined
  if (alias === undefined && addressGenerationMode === undefined && up === undefined) return undefined
  return { alias, addressGenerationMode, up }
}

export function deleteLink(index: number): Request {
  return {
    type: RTM_DELLINK,
    flags: 0,
    about: (link) => `delete ${link(index)}`,
    write: (writer) => writeLinkHeader(writer, index),
  }
}

/**
 * Changes a link. Two requests where it is to come up with another address generation mode, which must be set before:
 * bringing it up is what generates the address.
 */
export function changeLink(index: number, change: LinkChange): Request[] {
  const { up, ipv4, ...before } = change
  if (up !== true || before.addressGenerationMode === undefined) return [changeRequest(index, change)]
  return [changeRequest(index, before), changeRequest(index, { up, ipv4 })]
}

function perFamilyOf({ addressGenerationMode: mode, ipv4 }: LinkChange) {
  const inet6 = mode === undefined ? undefined : { addressGenerationMode: ADDRESS_GENERATION[mode] }
  return ipv4 === undefined && inet6 === undefined ? undefined : { inet: ipv4, inet6 }
}

function changeRequest(index: number, change: LinkChange): Request {
  return {
    type: RTM_NEWLINK,
    flags: 0,
    about: (link) => `change ${link(index)}`,
    write(writer) {
      let flags = 0
      let mask = 0
      const set = (bit: number, on: boolean | undefined): void => {
        if (on === undefined) return
        mask |= bit
        if (on) flags |= bit
      }
      set(IFF_UP, change.up)
      set(IFF_PROMISC, change.promiscuous)
      set(IFF_ALLMULTI, change.allMulticast)
      set(IFF_MULTICAST, change.multicast)
      set(IFF_NOARP, change.arp === undefined ? undefined : !change.arp)
      writeLinkHeader(writer, index, flags, mask)
      const { master, mtu, mac, name, alias, txQueueLength, namespaceFd, data } = change
      linkMessage.write(writer, {
        master,
        mtu,
        mac,
        name,
        alias,
        txQueueLength,
        namespaceFd,
        perFamily: perFamilyOf(change),
        info: data === undefined ? undefined : { kind: data.kind, spec: data as Partial<LinkSpec> },
      })
    },
  }
}
