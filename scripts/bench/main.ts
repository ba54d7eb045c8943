/** `make bench`: flatnet beside the reference plugins and a C floor, whole processes, pod by pod in turn. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import { BIN, REFERENCE_BIN } from '../../lib/testing/cni.js'
import { enterPrivateNamespaces } from '../private-namespaces.js'
import { paint } from '../terminal/style.js'
import { markdownTable, terminalTable } from '../terminal/table.js'
import { measureAttached } from './attached.js'
import { measureConnections } from './connections.js'
import { executables } from './executables.js'
import { measureChain, measurePods, measureVersion, type Plan } from './measure.js'
import { CHAIN, MASQUERADED } from './networks.js'
import { measureConfined, measureParallel } from './parallel.js'
import {
  attachedRows,
  COLUMNS,
  cells,
  chainRows,
  confinedRows,
  connectionRows,
  machine,
  memoryRows,
  met,
  parallelRows,
  podRows,
  type Row,
  sizeRows,
  versionRows,
} from './report.js'

const SECTIONS = [
  'bridge',
  'leases',
  'ipMasq',
  'chain',
  'attached',
  'connections',
  'parallel',
  'memory',
  'size',
] as const
type Section = (typeof SECTIONS)[number]

const options = yargs(hideBin(process.argv))
  .scriptName('make bench ARGS=')
  .usage('$0"[options]"\n\nThe same networks through flatnet, the reference plugins and a C floor.')
  .option('only', {
    type: 'string',
    describe: `sections, between commas: ${SECTIONS.join(', ')}`,
    coerce: (text: string) => text.split(',').map((name) => known(name)),
  })
  .option('pods', { type: 'number', default: 100, describe: 'pods with an empty store' })
  .option('leased-pods', { type: 'number', default: 30, describe: 'pods with a full store' })
  .option('leases', { type: 'number', default: 20_000, describe: 'leases in the full store' })
  .option('versions', { type: 'number', default: 300, describe: 'VERSION calls' })
  .option('chained-pods', { type: 'number', default: 30, describe: 'pods with ipMasq, and through the chain' })
  .option('attached', { type: 'number', default: 1000, describe: 'pods that are attached already' })
  .option('host-ports', { type: 'number', default: 1000, describe: 'host ports that are mapped already' })
  .option('at-once', { type: 'number', default: 100, describe: 'pods at once' })
  .option('ours', { type: 'string', default: BIN, describe: 'directory of our plugins' })
  .option('reference', { type: 'string', default: REFERENCE_BIN, describe: 'directory of the reference plugins' })
  .option('readme', { type: 'boolean', default: false, describe: 'write the table into README.md too' })
  .strict()
  .version(false)
  .wrap(100)
  .parseSync()

function known(name: string): Section {
  const section = SECTIONS.find((one) => one.toLowerCase() === name.trim().toLowerCase())
  if (section === undefined) throw new Error(`there is no section ${name}: ${SECTIONS.join(', ')}`)
  return section
}

const CONFINED = { pods: 30, limit: 64 * 2 ** 20 }

enterPrivateNamespaces(['/run/netns', '/run/flatnet', '/run/bench'])

try {
  setPriority(-15) // what else the machine does should wait; children inherit it
} catch {
  // Not root: the median has to do.
}

const ends: (() => void)[] = []
const owner = { teardown: (end: () => void) => ends.push(end) }
const plan = (section: Section): Plan => {
  const work = `/run/bench/${section}`
  mkdirSync(work, { recursive: true })
  return {
    work,
    ours: options.ours,
    reference: options.reference,
    progress: (text) => process.stderr.isTTY && process.stderr.write(`\r\u001b[K${section}: ${text}`),
  }
}
const wanted = new Set<Section>(options.only ?? SECTIONS)
const notes: string[] = [`${machine()}.`]
const rows: Row[] = []
/** Shown below the times, wherever they were measured. */
const memory: Row[] = []

const sections: Readonly<Record<Section, (section: Section) => Promise<void>>> = {
  async bridge(section) {
    const version = await measureVersion(owner, plan(section), options.versions)
    const pods = await measurePods(owner, plan(section), options.pods, 0)
    rows.push(...versionRows(version), ...podRows(pods, 0))
    memory.push(...memoryRows(version, pods))
    notes.push(
      `Medians of ${options.pods} pods and ${options.versions} VERSION calls, whole processes in turn, less`,
      `${version.ms('noop').toFixed(2)} ms for each process that the caller starts: a static program that does nothing.`,
      `Reference: ${options.reference}.`,
    )
  },
  async leases(section) {
    const { leasedPods, leases } = options
    rows.push(...podRows(await measurePods(owner, plan(section), leasedPods, leases), leases))
    notes.push(`${leasedPods} pods with ${leases.toLocaleString('en')} leases.`)
  },
  async ipMasq(section) {
    rows.push(
      ...chainRows(await measureChain(owner, plan(section), section, MASQUERADED, options.chainedPods), 'ipMasq'),
    )
  },
  async chain(section) {
    rows.push(...chainRows(await measureChain(owner, plan(section), section, CHAIN, options.chainedPods), 'chain'))
    notes.push(
      `Chain: bridge (two families, ipMasq), portmap (a TCP and a UDP port), bandwidth; ${options.chainedPods} pods`,
      'beside one that stays; its floor, and that of ipMasq, ends the same links.',
    )
  },
  async attached(section) {
    const { chainedPods, attached } = options
    rows.push(...attachedRows(await measureAttached(owner, plan(section), chainedPods, attached), attached))
  },
  async connections(section) {
    const rates = await measureConnections(owner, plan(section), options.hostPorts)
    rows.push(...connectionRows(rates, options.hostPorts))
    notes.push(`Connections beside ${rates.iptables}.`)
  },
  async parallel(section) {
    rows.push(...parallelRows(await measureParallel(owner, plan(section), options.atOnce), options.atOnce))
    notes.push('Pods at once: the chain and firewall.')
  },
  async memory(section) {
    const { pods, limit } = CONFINED
    memory.push(...confinedRows(await measureConfined(owner, plan(section), pods, limit), pods, limit))
  },
  async size() {
    const ours = readdirSync(options.ours).filter((name) => name !== 'flatnet')
    const theirs = readdirSync(options.reference).filter((name) => ours.includes(name))
    memory.push(...sizeRows(executables(options.ours, ours), executables(options.reference, theirs)))
  },
}

for (const section of SECTIONS) if (wanted.has(section)) await sections[section](section)
rows.push(...memory)
for (const end of ends.reverse()) end()
if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')

const table = rows.map((row) => cells(row, (seen) => (seen ? paint('green', '✓') : paint('red', '✗'))))
console.log(`\n${terminalTable(COLUMNS, table)}\n\n${wrap(notes.join(' '), 110, '  ')}`)
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
  const inside = `${from}\n${lines}\n\n${wrap(notes.join(' '), 120)}\n`
  writeFileSync('README.md', `${readme.slice(0, start)}${inside}${readme.slice(end)}`)
}

function wrap(text: string, columns: number, indent = ''): string {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > columns) lines.push(`${indent}${word}`)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines.join('\n')
}
