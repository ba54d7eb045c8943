/**
 * Plugins killed before each of their system calls, and what the call that follows leaves: nothing that was not there
 * before or is not there after both calls undisturbed, and nothing less than is there in both cases.
 */

import t, { type Test } from 'tap'
import { BIN, type Call } from './cni.js'
import { LONG } from './long.js'
import { needs } from './netns.js'
import { type Ordeal, type Outcome, type State, suffer } from './ordeal.js'
import { inLanes } from './shell.js'

export interface Sweep {
  /** `portmap: ADD, then DEL`. */
  readonly claim: string
  /** Builds the place, and the calls. */
  readonly scene: () => Omit<Ordeal, 'signal'>
  /** Only what both calls undisturbed lead to will do: of a half-done victim nothing may be missing either. */
  readonly exact?: boolean
  /** Lines that may be there as well. */
  readonly mayStay?: RegExp
  /** Fewer system calls than these would mean that something was not tried. */
  readonly atLeast: number
}

/** A test each; two are at work at a time. */
export function sweepAll(sweeps: readonly Sweep[]): void {
  const skip = needs('root')
  const jobs = sweeps.map(
    ({ scene }) =>
      () =>
        suffer(t, { sample: 6, ...scene(), signal: 'KILL' }),
  )
  const outcomes = skip === false ? inLanes(2, jobs) : []
  for (const outcome of outcomes) outcome.catch(() => undefined) // its test reports it
  sweeps.forEach((sweep, at) => {
    t.test(`killed before its system calls: ${sweep.claim}`, { skip }, async (t) => {
      judge(t, sweep, await (outcomes[at] as Promise<Outcome>))
    })
  })
}

function judge(t: Test, { exact = false, mayStay = /^$/, atLeast }: Sweep, outcome: Outcome): void {
  const { before, undisturbed, settled, calls, rounds } = outcome
  t.ok(calls >= atLeast, `${calls} system calls, ${rounds.length} tried`)
  if (LONG) t.equal(rounds.length, calls)
  const made = linesOf(undisturbed).filter((line) => !linesOf(before).includes(line))
  const unmade = linesOf(before).filter((line) => !linesOf(undisturbed).includes(line))
  t.ok(made.length + unmade.length > 0, 'undisturbed, it makes a difference')
  t.same(
    rounds.filter(({ status }) => status !== 137).map(({ call, status }) => `${call}: ${status}`),
    [],
    'all are killed',
  )
  const allowed = [linesOf(settled), ...(exact ? [] : [linesOf(before)])]
  const complaints = rounds.flatMap(({ call, next, after }) => {
    const found = linesOf(after)
    return [
      ...(next.status === 0 ? [] : [`${call}: the next call exits ${next.status}: ${next.output}`]),
      ...found
        .filter((line) => !mayStay.test(line) && allowed.every((lines) => !lines.includes(line)))
        .map((line) => `${call}: left: ${line}`),
      ...(allowed[0] ?? [])
        .filter((line) => allowed.every((lines) => lines.includes(line)) && !found.includes(line))
        .map((line) => `${call}: gone: ${line}`),
    ]
  })
  t.same(complaints, [], 'nothing is left, nothing is missing')
}

function linesOf({ host, container, files }: State): string[] {
  return [
    ...host.map((line) => `host: ${line}`),
    ...container.map((line) => `container: ${line}`),
    ...files.map((line) => `file: ${line}`),
  ].filter((line) => !isKernelsOwn(line))
}

/** What follows from the rest as soon as the kernel finds the time, and what it hears of others. */
function isKernelsOwn(line: string): boolean {
  return / neighbour (cni0|eth0|up0) /.test(line) || / route .* table local proto kernel/.test(line)
}

/** A call as a shell makes it that runs in the host's namespace. */
export function shellOf({ command, config, netns, containerId = 'c1', ifName = 'eth0' }: Omit<Call, 'host'>): string {
  const path = typeof netns === 'object' ? netns.path : (netns ?? '')
  const env = `CNI_COMMAND=${command} CNI_CONTAINERID=${containerId} CNI_NETNS=${path} CNI_IFNAME=${ifName} CNI_PATH=${BIN}`
  return `echo '${JSON.stringify(config)}' | ${env} ${BIN}/${config.type}`
}

/** For `look`: what plugins leave that `ip` does not show. */
export const RULESET = 'nft -s list ruleset'
export const qdiscsOf = (link: string): string =>
  `{ tc qdisc show; tc filter show dev ${link} ingress; } 2>/dev/null | sed 's/ [0-9a-f]*: / /; /^.*index /d'`
