/** Every kind of link we can make. A new one is a file of its own and a line in each list here. */

import { type BridgeData, type BridgeSpec, bridge } from './bridge.js'
import { type DummySpec, dummy } from './dummy.js'
import { type IfbSpec, ifb } from './ifb.js'
import type { LinkKind } from './kind.js'
import { type MacvlanData, type MacvlanSpec, macvlan } from './macvlan.js'
import { type VethSpec, veth } from './veth.js'
import { type VxlanData, type VxlanSpec, vxlan } from './vxlan.js'

export type LinkSpec = VethSpec | BridgeSpec | VxlanSpec | IfbSpec | MacvlanSpec | DummySpec
export type LinkData = BridgeData | VxlanData | MacvlanData

const KINDS = { veth, bridge, vxlan, ifb, macvlan, dummy }

/** The kind of this name; undefined for one we cannot make. */
export function kindOf(name: string): LinkKind<LinkSpec, LinkData> | undefined {
  return (KINDS as unknown as Record<string, LinkKind<LinkSpec, LinkData>>)[name]
}
