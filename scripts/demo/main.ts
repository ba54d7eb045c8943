/** `make demo`: builds networks with the built executables, draws them, and removes everything. */

import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import { enterPrivateNamespaces, hide } from '../private-namespaces.js'
import { paint } from '../terminal/style.js'
import type { Act } from './act.js'
import { hostGwAct, vxlanAct } from './cluster-act.js'
import { podsAct } from './pods-act.js'
import { portsAct } from './ports-act.js'
import { Stage } from './stage.js'

const ACTS: readonly Act[] = [podsAct, hostGwAct, vxlanAct, portsAct]

/** Words for several acts. */
const PROGRAMMES: Readonly<Record<string, readonly string[]>> = {
  cluster: ['host-gw', 'vxlan'],
  all: ACTS.map(({ name }) => name),
}

const options = yargs(hideBin(process.argv))
  .scriptName('make demo ARGS=')
  .usage(`$0"[act…] [options]"\n\nActs:\n${actList()}`)
  .option('pods', { type: 'number', default: 3, describe: 'pods on the node of the first act' })
  .check(({ _: words, pods }) => {
    const unknown = words.find((word) => actsOf(String(word)).length === 0)
    if (unknown !== undefined) throw new Error(`There is no act "${unknown}"`)
    if (!(pods >= 1 && pods <= 26)) throw new Error('--pods is from 1 to 26')
    return true
  })
  .strictOptions()
  .version(false)
  .wrap(100)
  .parseSync()

const STATE = ['/run/flatnet', '/var/lib/cni']
enterPrivateNamespaces(['/run/netns', ...STATE])

const stage = new Stage()
const chosen = options._.length === 0 ? [podsAct] : options._.flatMap((word) => actsOf(String(word)))
try {
  for (const act of chosen) {
    stage.title(act.name, act.summary)
    await act.play(stage, options)
    stage.clear()
    for (const path of STATE) hide(path)
  }
} catch (error) {
  stage.claim(false, error instanceof Error ? error.message : String(error))
} finally {
  stage.clear()
}
if (options._.length === 0) {
  stage.say(
    '',
    paint(
      'dim',
      `more: make demo ARGS=all, or ${ACTS.slice(1)
        .map(({ name }) => name)
        .join(', ')}`,
    ),
  )
}
stage.say('')
process.exitCode = stage.succeeded ? 0 : 1

function actsOf(word: string): Act[] {
  const names = PROGRAMMES[word] ?? [word]
  return ACTS.filter(({ name }) => names.includes(name))
}

function actList(): string {
  const programmes = Object.entries(PROGRAMMES).map(([word, names]) => ({ name: word, summary: names.join(', ') }))
  return [...ACTS, ...programmes].map(({ name, summary }) => `  ${name.padEnd(10)}${summary}`).join('\n')
}
