/** The record of an attachment: which limits it has, and where. */

import type { Shape } from '../../lib/store/shape.js'

export interface Limited {
  /** The host's end of the container's link. */
  readonly link: string
  /** Whether there is a limit towards the container, and one from it. */
  readonly ingress: boolean
  readonly egress: boolean
}

export const SHAPE: Shape = { link: 'string', ingress: 'boolean', egress: 'boolean' }
