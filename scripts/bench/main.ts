/** `make bench`: flatnet beside the reference plugins and a C floor, whole processes, pod by pod in turn. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import { BIN, REFERENCE_BIN } from '../../lib/testing/cni.js'
import { enterPrivateNamespaces } from '../private-namespaces.js'
import { paint } from '../terminal/style.js'
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
  .option('readme', { type: 'boolean', default: false, describe: 'write the table into README.md too' })
  .strict()
  .version(false)
  .wrap(100)
  .parseSync()

enterPrivateNamespaces(['/run/netns', '/run/flatnet', '/run/bench'])

try {
  setPriority(-15) // what else the machine does should wait; children inherit it
} catch {
  // Not root: the median has to do.
}

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
const table = rows.map((row) => cells(row, (seen) => (seen ? paint('green', '✓') : paint('red', '✗'))))
console.log(`\n${terminalTable(COLUMNS, table)}\n\n  ${paint('dim', notes)}`)
const missed = rows.filter((row) => met(row) === false).length
if (missed > 0) console.log(`  ${missed} not as wanted`)
if (options.readme) writeIntoReadme()

/** Between the two marks, without what is wanted. */
function writeIntoReadme(): void {
  const [from, to] = ['<!-- make bench ARGS=--readme -->\n', '\n<!-- end -->']
  const readme = readFileSync('README.md', 'utf8')
  const [start, end] = [readme.indexOf(from), readme.indexOf(to)]
  if (start === -1 || end === -1) throw new Error(`README.md lacks the marks ${from.trim()} and ${to.trim()}`)
  const columns = COLUMNS.slice(0, -1)
  const lines = markdownTable(
    columns,
    rows.map((row) => cells(row, () => '').slice(0, columns.length)),
  )
  const inside = `${from}\n${lines}\n\n${wrap(notes, 120)}\n`
  writeFileSync('README.md', `${readme.slice(0, start)}${inside}${readme.slice(end)}`)
}

function wrap(text: string, columns: number): string {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > columns) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines.join('\n')
}
