/** A link that leads nowhere: what is sent by it is dropped. */

import type { LinkKind, LinkOptions } from './kind.js'

export interface DummySpec extends LinkOptions {
  readonly kind: 'dummy'
}

export const dummy: LinkKind<DummySpec, never> = { kind: 'dummy' }
