/** struct ndmsg and NDA_ (include/uapi/linux/neighbour.h), which the neighbour table and the FDB share. */

import { attributes } from './codec/attributes.js'
import { ip, mac, u16, u16be, u32 } from './codec/types.js'
import type { Writer } from './codec/writer.js'

export const RTM_NEWNEIGH = 28
export const RTM_DELNEIGH = 29
export const RTM_GETNEIGH = 30
export const NEIGHBOUR_HEADER = 12

/** NUD_. */
const STATES = {
  none: 0,
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
} as const
/** Several at once, which the FDB knows, are the number. */
export type NeighbourState = keyof typeof STATES | number

export function stateNumber(state: NeighbourState): number {
  return typeof state === 'number' ? state : STATES[state]
}

export function stateName(number: number): NeighbourState {
  return (Object.keys(STATES) as (keyof typeof STATES)[]).find((name) => STATES[name] === number) ?? number
}

export const neighbourAttributes = attributes({
  to: [1, ip],
  mac: [2, mac],
  vlan: [5, u16],
  port: [6, u16be], // big-endian
  vni: [7, u32],
  link: [8, u32],
  master: [9, u32],
})

/** ndm_family, padding, ndm_ifindex, ndm_state, ndm_flags, ndm_type. */
export function writeNeighbourHeader(
  writer: Writer,
  family: number,
  linkIndex: number,
  state = 0,
  flags = 0,
  type = 0,
): void {
  writer.u32(family)
  writer.u32(linkIndex)
  writer.u32(state | (flags << 16) | (type << 24))
}
