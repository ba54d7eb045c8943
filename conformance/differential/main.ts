/**
 * `differential`: generated configurations through flatnet and through the reference plugins, each in namespaces of
 * its own. What differs and is under no rule (rules.ts) fails the run.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import { installReference, reference } from '../../lib/testing/reference.js'
import { enterPrivateNamespaces } from '../../scripts/private-namespaces.js'
import { printCase, report } from './report.js'
import { compareAll, type Judged } from './run.js'

const options = await yargs(hideBin(process.argv))
  .scriptName('differential')
  .usage('$0 [options]\n\nCompares flatnet with the reference plugins by generated configurations.')
  .option('count', { type: 'number', describe: 'configurations; default as many as have every pair and every fault' })
  .option('seed', { type: 'number', default: 1, describe: 'another seed, other configurations' })
  .option('only', { type: 'string', array: true, describe: 'scenarios, or words of a case' })
  .option('bin', { type: 'string', default: 'bin', describe: 'directory with our executables' })
  .option('reference', { type: 'string', describe: 'directory with the reference plugins, of Debian 1.1.1' })
  .option('jobs', { type: 'number', default: 3, describe: 'configurations at a time' })
  .option('attempts', { type: 'number', default: 3, describe: 'looks at a case whose differences are unknown' })
  .option('packets', { type: 'boolean', default: true, describe: 'send packets where a packet filter is concerned' })
  .option('verbose', {
    type: 'boolean',
    default: false,
    describe: 'print every case that has unknown differences in full',
  })
  .strict()
  .parseAsync()

if (process.env['FLATNET_PRIVATE_NAMESPACES'] === undefined) installReference()
enterPrivateNamespaces(['/run/netns', '/run/flatnet', '/var/lib/cni', '/etc/cni'])
const other =
  options.reference === undefined ? reference() : ({ directory: resolve(options.reference), version: '1.1.1' } as const)
if (other === undefined) {
  console.error('there are no reference plugins: install Go, or Debian’s containernetworking-plugins')
  process.exit(1)
}
const directory = mkdtempSync(join(tmpdir(), 'flatnet-differential-'))
try {
  const say = (judged: Judged) => printCase(judged, options.verbose)
  const outcome = await compareAll({ ...options, bin: resolve(options.bin), other, directory, say })
  process.exitCode = report(outcome, options) ? 0 : 1
} finally {
  rmSync(directory, { recursive: true, force: true })
}
