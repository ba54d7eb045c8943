/** A link with a MAC of its own on top of another (`link`). */

import { attributes } from '../codec/attributes.js'
import { u32 } from '../codec/types.js'
import type { LinkKind, LinkOptions } from './kind.js'

/** enum macvlan_mode (include/uapi/linux/if_link.h). */
const MODES = { private: 1, vepa: 2, bridge: 4, passthru: 8, source: 16 } as const
export type MacvlanMode = keyof typeof MODES

const macvlanData = attributes({ mode: [1, u32] })

export interface MacvlanData {
  readonly kind: 'macvlan'
  readonly mode?: MacvlanMode | undefined
}

export interface MacvlanSpec extends LinkOptions, MacvlanData {}

export const macvlan: LinkKind<MacvlanSpec, MacvlanData> = {
  kind: 'macvlan',
  write: (writer, { mode }) => macvlanData.write(writer, { mode: mode === undefined ? undefined : MODES[mode] }),
  read(reader, start, end) {
    const { mode } = macvlanData.read(reader, start, end)
    const names = Object.keys(MODES) as MacvlanMode[]
    return { kind: 'macvlan', mode: names.find((name) => MODES[name] === mode) }
  },
}
