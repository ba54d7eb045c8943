/** `make bench`: flatnet beside the reference plugins and a C floor, whole processes, pod by pod in turn. */

import { readdirSync } from 'node:fs'
import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import { BIN, REFERENCE_BIN } from '../../lib/testing/cni.js'
import { enterPrivateNamespaces } from '../private-namespaces.js'
import { coloured, paint } from '../terminal/style.js'
import { markdownTable, terminalTable } from '../terminal/table.js'
import { executables } from './executables.js'
import { measurePods, measureVersion, type Plan } from './measure.js'
import { COLUMNS, cells, machine, memoryRows, met, podRows, type Row, sizeRows, versionRows } from './report.js'

const options = yargs(hideBin(process.argv))
  .scriptName('make bench ARGS=')
  .usage('$0"[options]"\n\nThe same network through flatnet, the reference plugins and a C floor.')
  .option('pods', { type: 'number', default: 100, describe: 'pods with an empty store' })
  .option('leased-pods', { type: 'number', default: 30, describe: 'pods with a full store; 0 leaves it out' })
  .option('leases', { type: 'number', default: 20_000, describe: 'leases in the full store' })
  .option('versions', { type: 'number', default: 300, describe: 'VERSION calls' })
  .option('reference', { type: 'string', default: REFERENCE_BIN, describe: 'directory of the reference plugins' })
  .option('markdown', { type: 'boolean', default: false, describe: 'print the table for the README' })
  .strict()
  .version(false)
  .wrap(100)
  .parseSync()

enterPrivateNamespaces(['/run/netns', '/run/flatnet', '/run/bench'])

const ends: (() => void)[] = []
const owner = { teardown: (end: () => void) => ends.push(end) }
const plan: Plan = {
  work: '/run/bench',
  ours: BIN,
  reference: options.reference,
  progress: (text) => process.stderr.isTTY && process.stderr.write(`\r\u001b[K${text}`),
}

const version = await measureVersion(owner, plan, options.versions)
const empty = await measurePods(owner, plan, options.pods, 0)
const rows: Row[] = [...versionRows(version), ...podRows(empty, 0)]
if (options.leasedPods > 0) {
  rows.push(...podRows(await measurePods(owner, plan, options.leasedPods, options.leases), options.leases))
}
const ours = readdirSync(BIN).filter((name) => name !== 'flatnet')
const theirs = readdirSync(options.reference).filter((name) => ours.includes(name))
rows.push(...memoryRows(version, empty), ...sizeRows(executables(BIN, ours), executables(options.reference, theirs)))
for (const end of ends) end()
if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')

const notes = [
  `${machine()}.`,
  `Medians of ${options.pods} pods (${options.leasedPods} with ${options.leases.toLocaleString('en')} leases) and`,
  `${options.versions} VERSION calls, whole processes in turn, less ${version.ms('noop').toFixed(2)} ms for a static program that does nothing.`,
  `Reference: ${options.reference}.`,
].join(' ')
if (options.markdown) {
  const table = rows.map((row) => cells(row, (seen) => (seen ? '✓' : '✗')))
  console.log(`${markdownTable(COLUMNS, table)}\n\n${notes}`)
} else {
  const table = rows.map((row) => cells(row, (seen) => (seen ? paint('green', '✓') : paint('red', '✗'))))
  console.log(`\n${terminalTable(COLUMNS, table)}\n\n  ${paint('dim', notes)}${coloured ? '\n' : ''}`)
}
const missed = rows.filter((row) => met(row) === false).length
if (missed > 0) console.log(`${options.markdown ? '\n' : '  '}${missed} not as wanted`)
