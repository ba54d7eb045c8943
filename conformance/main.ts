#!/usr/bin/env node
/** `flatnet-conformance --bin DIR`: what of the CNI specification a directory of plugins keeps. */

import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import { conformance } from './conformance.js'

const options = await yargs(hideBin(process.argv))
  .scriptName('flatnet-conformance')
  .usage('$0 --bin DIR [options]\n\nSays of a directory of CNI plugins, requirement by requirement, what holds.')
  .option('bin', { type: 'string', default: '', describe: 'directory with the executables; needed but for --list' })
  .option('plugin', {
    type: 'string',
    array: true,
    describe: 'names, or descriptor files (*.json), with commas; default all known ones that are there',
  })
  .option('only', { type: 'string', array: true, describe: 'requirements or cases, by the beginning of their id' })
  .option('strict', { type: 'boolean', default: false, describe: 'a failed SHOULD fails the run, too' })
  .option('profile', {
    choices: ['spec', 'interop'] as const,
    default: 'interop' as const,
    describe: 'spec: without what only libraries and runtimes ask for',
  })
  .option('waivers', { type: 'string', describe: 'known deviations: a JSON file, reference or reference-1.1.1' })
  .option('report', { type: 'string', describe: 'scorecard to write: *.json; *.html is written beside it' })
  .option('jobs', { type: 'number', describe: 'cases at a time; default the number of processors' })
  .option('list', { type: 'boolean', default: false, describe: 'list the cases, and what cannot be tested' })
  .strict()
  .parseAsync()

try {
  process.exitCode = await conformance({
    ...options,
    plugins: (options.plugin ?? []).flatMap((names) => names.split(',')).filter(Boolean),
    only: (options.only ?? []).flatMap((names) => names.split(',')).filter(Boolean),
  })
} catch (error) {
  console.error(`flatnet-conformance: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 2
}
