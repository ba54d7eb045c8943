/** flatnet: what an operator asks of a node. The first word is the command; each has a file. */

import { warn } from '../../lib/sys/log.js'
import { commandLine } from '../../lib/sys/process.js'
import { print } from './print.js'
import { sync } from './sync.js'

const USAGE = `usage: flatnet COMMAND

  sync [--json] CONFLIST   apply the table of nodes of host-gw and vxlan in CONFLIST, without a pod
  help                     this text
`

const COMMANDS: { readonly [name: string]: (words: readonly string[]) => number } = {
  sync,
  help: () => print(USAGE),
}

/** The exit status: 0 done, 1 failed, 2 not understood. */
export function main(): number {
  const [name = 'help', ...words] = commandLine()
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (name === '--help' || name === '-h') return print(USAGE)
  if (command !== undefined) return command(words)
  warn(`"${name}" is not a command\n${USAGE}`)
  return 2
}
