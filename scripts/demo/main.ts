/** `make demo`: builds networks with the built executables, draws them, and removes everything. */

import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import { enterPrivateNamespaces } from '../private-namespaces.js'
import type { Act } from './act.js'
import { hostGwAct, vxlanAct } from './cluster-act.js'
import { podsAct } from './pods-act.js'
import { Stage } from './stage.js'

const ACTS: readonly Act[] = [podsAct, hostGwAct, vxlanAct]

const options = yargs(hideBin(process.argv))
  .scriptName('make demo ARGS=')
  .usage(
    `$0"[act…] [options]"\n\nActs:\n${ACTS.map(({ name, summary }) => `  ${name.padEnd(10)}${summary}`).join('\n')}`,
  )
  .option('pods', { type: 'number', default: 3, describe: 'pods on the node of the first act' })
  .check(({ _: acts, pods }) => {
    const unknown = acts.find((name) => !ACTS.some((act) => act.name === name))
    if (unknown !== undefined) throw new Error(`There is no act "${unknown}"`)
    if (!(pods >= 1 && pods <= 26)) throw new Error('--pods is from 1 to 26')
    return true
  })
  .strictOptions()
  .version(false)
  .wrap(100)
  .parseSync()

enterPrivateNamespaces(['/run/netns', '/run/flatnet', '/var/lib/cni'])

const stage = new Stage()
try {
  for (const act of ACTS.filter(({ name }) => options._.length === 0 || options._.includes(name))) {
    stage.title(act.name, act.summary)
    act.play(stage, options)
    stage.clear()
  }
} catch (error) {
  stage.claim(false, error instanceof Error ? error.message : String(error))
} finally {
  stage.clear()
}
stage.say('')
process.exitCode = stage.succeeded ? 0 : 1
