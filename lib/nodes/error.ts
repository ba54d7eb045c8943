/**
 * What keeps a table of nodes from being applied, without the words of any protocol: the plugins make a CNI error of it
 * (lib/nodes/commands), an agent whatever it reports.
 */

/** `invalid`: what was configured is wrong. `not-yet`: it may be right in a moment. `unavailable`: this machine cannot. */
export type Kind = 'invalid' | 'not-yet' | 'unavailable'

/** `details` says the cause and, where there is one, the command that fixes it. */
export class NodesError extends Error {
  override readonly name = 'NodesError'

  constructor(
    readonly kind: Kind,
    message: string,
    readonly details = '',
  ) {
    super(message)
  }
}
