/** The record of an attachment: which limits it has, and where. */

export interface Limited {
  /** The host's end of the container's link. */
  readonly link: string
  /** Whether there is a limit towards the container, and one from it. */
  readonly ingress: boolean
  readonly egress: boolean
}
