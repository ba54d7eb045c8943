/**
 * What a plugin says of itself when a person runs it, or a program that wants its version. nerdctl looks for a line
 * `CNI firewall plugin v…` on stderr, reads the rest of it as a semantic version, and wants 1.7.1 or newer; so the
 * first line has the words of the reference plugins, and the release of theirs that ours stands for.
 */

import { say } from '../sys/log.js'
import { commandLine, environment } from '../sys/process.js'
import { REFERENCE_RELEASE, RELEASE } from './release.js'
import { VERSIONS } from './version.js'

const QUESTIONS: readonly (string | undefined)[] = ['--help', '-h', 'help', '--version', '-v', 'version']

/** Whether this call is a person's question and no command of the protocol. A runtime gives no arguments. */
export function isAskedAbout(): boolean {
  const command = environment('CNI_COMMAND')
  return command === undefined || command === '' || QUESTIONS.includes(commandLine()[0])
}

export function sayAbout(plugin: string): void {
  say(about(plugin))
}

/** Ours is build metadata, which does not take part in comparisons. */
export function about(plugin: string): string {
  return [
    `CNI ${plugin} plugin v${REFERENCE_RELEASE}+flatnet.${RELEASE}`,
    `CNI protocol versions supported: ${VERSIONS.join(', ')}`,
    '',
  ].join('\n')
}
