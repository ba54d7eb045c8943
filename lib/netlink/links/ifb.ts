/** An intermediate functional block: where ingress traffic is redirected to be shaped. */

import type { LinkKind, LinkOptions } from './kind.js'

export interface IfbSpec extends LinkOptions {
  readonly kind: 'ifb'
}

export const ifb: LinkKind<IfbSpec, never> = { kind: 'ifb' }
