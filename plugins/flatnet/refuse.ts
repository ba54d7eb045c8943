/** `"type": "flatnet"` in a network configuration: a runtime calls the operator's command as if it were a plugin. */

import { ErrorCode } from '../../lib/cni/error.js'
import { NEWEST } from '../../lib/cni/version.js'
import { warn } from '../../lib/sys/log.js'
import { knownPlugins } from '../../lib/sys/process.js'
import { print } from './print.js'

/** The exit status. ADD never made anything, so there is nothing that DEL and GC could fail to remove. */
export function refuse(command: string): number {
  const msg = '"flatnet" is the command of an operator, not a plugin'
  const plugins = knownPlugins().filter((name) => name !== 'flatnet')
  const details = `set "type" in the network configuration to one of: ${plugins.join(', ')}`
  if (command === 'DEL' || command === 'GC') {
    warn(`${msg}: ${details}`)
    return 0
  }
  print(`${JSON.stringify({ cniVersion: NEWEST, code: ErrorCode.InvalidConfig, msg, details })}\n`)
  return 1
}
