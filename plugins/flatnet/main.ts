/** flatnet: what an operator asks of a node. The first word is the command; each has a file. */

import { RELEASE } from '../../lib/cni/release.js'
import { say, warn } from '../../lib/sys/log.js'
import { commandLine, environment } from '../../lib/sys/process.js'
import { print } from './print.js'
import { refuse } from './refuse.js'
import { sync } from './sync.js'

const USAGE = `usage: flatnet COMMAND

  sync [--json] CONFLIST   apply the table of nodes of host-gw and vxlan in CONFLIST, without a pod
  verify [FILE...]         compare an executable of flatnet (this one) with the digest that its build left in it
  version                  the release
  help                     this text
`

/** But `verify`, which the engine answers before it starts: what is damaged must not judge itself (lib/engine/src/main.rs). */
const COMMANDS: { readonly [name: string]: (words: readonly string[]) => number } = {
  sync,
  version: () => print(`flatnet ${RELEASE}\n`),
  help: () => print(USAGE),
}

const SPELLINGS: { readonly [option: string]: string } = { '--help': 'help', '-h': 'help', '--version': 'version' }

/** The exit status: 0 done, 1 failed, 2 not understood. */
export function main(): number {
  const [word, ...words] = commandLine()
  const verb = environment('CNI_COMMAND') ?? ''
  // A runtime gives no arguments, and a person may have the variable from the call before.
  if (word === undefined && typeof verb === 'string' && verb !== '') return refuse(verb)
  const name = SPELLINGS[word ?? 'help'] ?? word ?? 'help'
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command !== undefined) return command(words)
  warn(`"${name}" is not a command`)
  say(USAGE)
  return 2
}
