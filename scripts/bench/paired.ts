/**
 * `make bench-paired BEFORE=DIR`: this build beside an earlier one, pod by pod in turn in one run, so that a change of a
 * few per cent shows although the machine is noisy.
 */

import { mkdirSync } from 'node:fs'
import { setPriority } from 'node:os'
import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import { BIN } from '../../lib/testing/cni.js'
import { Netns } from '../../lib/testing/netns.js'
import { enterPrivateNamespaces } from '../private-namespaces.js'
import { type Column, terminalTable } from '../terminal/table.js'
import { type Command, suite } from './contestants.js'
import { inTurn, measureVersion, type Plan, STAYING } from './measure.js'
import { CHAIN, FLAT, KUBE, MASQUERADED, type Network } from './networks.js'
import type { Samples } from './samples.js'

/** A scenario: the pods that count, and the commands of each. */
interface Scenario {
  readonly what: string
  readonly network: Network
  readonly pods: number
  readonly commands: readonly Command[]
  readonly leases?: number
}

const options = yargs(hideBin(process.argv))
  .scriptName('make bench-paired BEFORE=DIR ARGS=')
  .usage('$0"[options]"\n\nThis build beside an earlier one.')
  .option('before', { type: 'string', demandOption: true, describe: 'directory of the earlier plugins' })
  .option('now', { type: 'string', default: BIN, describe: 'directory of the plugins of this build' })
  .option('pods', { type: 'number', default: 200, describe: 'pods in each scenario' })
  .option('versions', { type: 'number', default: 500, describe: 'VERSION calls' })
  .strict()
  .version(false)
  .parseSync()

const { pods } = options
const SCENARIOS: readonly Scenario[] = [
  { what: 'bridge', network: FLAT, pods, commands: ['ADD', 'CHECK', 'DEL'] },
  { what: '20,000 leases', network: FLAT, pods, commands: ['ADD', 'CHECK', 'DEL'], leases: 20_000 },
  { what: 'ipMasq', network: MASQUERADED, pods, commands: ['ADD', 'CHECK', 'DEL'] },
  { what: 'chain', network: CHAIN, pods, commands: ['ADD', 'CHECK', 'DEL'] },
  { what: 'chain and firewall', network: KUBE, pods, commands: ['ADD', 'CHECK', 'DEL'] },
]

enterPrivateNamespaces(['/run/netns', '/run/flatnet', '/run/bench'])

try {
  setPriority(-15) // the measured processes inherit it
} catch {
  // Without root the median has to do.
}

const ends: (() => void)[] = []
const owner = { teardown: (end: () => void) => ends.push(end) }
const rows: string[][] = []

const version = await measureVersion(owner, planFor('version'), options.versions)
rows.push(row('VERSION', version, 'flatnet', 'reference'))
for (const scenario of SCENARIOS) {
  const samples = await measure(scenario)
  for (const command of scenario.commands) {
    rows.push(row(`${scenario.what}: ${command}`, samples, `now ${command}`, `before ${command}`))
  }
}
for (const end of ends.reverse()) end()

const COLUMNS: readonly Column[] = [
  { heading: '' },
  { heading: 'now', align: 'right' },
  { heading: 'before', align: 'right' },
  { heading: 'now / before', align: 'right' },
]
console.log(`\n${terminalTable(COLUMNS, rows)}\n`)

async function measure({ what, network, leases = 0, commands, pods }: Scenario): Promise<Samples> {
  const plan = planFor(what)
  const suites = (['now', 'before'] as const).map((name) =>
    suite(owner, { name, bin: options[name], work: plan.work, network, leases, commands }),
  )
  for (const { run } of suites) {
    await run('ADD', { number: STAYING, netns: Netns.create(owner, 'staying', { loopback: false }) })
  }
  return await inTurn(owner, plan, what, suites, pods)
}

/** The earlier build takes the reference's place. */
function planFor(what: string): Plan {
  const work = `/run/bench/${what.replaceAll(/\W+/g, '-')}`
  mkdirSync(work, { recursive: true })
  return {
    work,
    ours: options.now,
    reference: options.before,
    progress: (text) => process.stderr.isTTY && process.stderr.write(`\r\u001b[K${text}`),
  }
}

function row(what: string, samples: Samples, now: string, before: string): string[] {
  const [ours, theirs] = [samples.beyondNoop(now), samples.beyondNoop(before)]
  return [what, `${ours.toFixed(2)} ms`, `${theirs.toFixed(2)} ms`, (ours / theirs).toFixed(3)]
}
