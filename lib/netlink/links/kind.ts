/** What every kind of link has in common when it is made, and what a kind adds. */

import type { Reader } from '../codec/reader.js'
import type { Writer } from '../codec/writer.js'
import type { BridgePort } from './port.js'

/** How IPv6 makes the link-local address: `none` makes none. */
export const ADDRESS_GENERATION = { eui64: 0, none: 1, 'stable-privacy': 2, random: 3 } as const
export type AddressGenerationMode = keyof typeof ADDRESS_GENERATION

export function addressGenerationModeOf(value: number): AddressGenerationMode | undefined {
  return (Object.keys(ADDRESS_GENERATION) as AddressGenerationMode[]).find((mode) => ADDRESS_GENERATION[mode] === value)
}

/** Absent is the kernel's default. */
export interface LinkOptions {
  /** At most 15 bytes. */
  readonly name: string
  readonly mtu?: number | undefined
  /** Hardware address as text. Given at creation, udev leaves it alone. */
  readonly mac?: string | undefined
  /** Index of the bridge to join. */
  readonly master?: number | undefined
  /** What it is as the port of its master. Set right after creation and before the link comes up. */
  readonly bridgePort?: BridgePort | undefined
  /** At most 255 bytes. Set right after creation: the kernel ignores it in the same request. */
  readonly alias?: string | undefined
  /** Brought up, after everything else is set. */
  readonly up?: boolean | undefined
  /** Set right after creation and before the link comes up. */
  readonly addressGenerationMode?: AddressGenerationMode | undefined
  readonly txQueueLength?: number | undefined
  /** Index of the link below, for kinds that sit on one and do not name it in their own data. */
  readonly link?: number | undefined
  /** Descriptor of the network namespace to be born in; default this one. */
  readonly namespaceFd?: number | undefined
}

/** A kind: its name, and its part of IFLA_INFO_DATA. */
export interface LinkKind<Spec extends { readonly kind: string }, Data extends { readonly kind: string }> {
  readonly kind: Spec['kind']
  /** Writes what the spec asks for; absent where the kind has no data of its own. */
  readonly write?: (writer: Writer, spec: Partial<Spec>) => void
  /** Reads a link's data; absent where there is none worth reading. */
  readonly read?: (reader: Reader, start: number, end: number) => Data
}
