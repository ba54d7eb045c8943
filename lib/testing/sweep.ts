/**
 * Plugins to which something happens at each of their system calls. Killed before one: what the call that follows leaves
 * is nothing that was not there before or is not there after both calls undisturbed, and nothing less than is there in
 * both cases. Where one fails: what exits 0 has done all that it does undisturbed, what does not says why and is
 * undone, by itself or by the call that follows.
 */

import t, { type Test } from 'tap'
import { BIN, type Call } from './cni.js'
import { type Experiment, type Fault, inject, type Outcome, type Round, type State } from './fault-injection.js'
import { isWanted, LONG } from './long.js'
import { needs } from './netns.js'
import { inLanes } from './shell.js'

export interface Sweep {
  /** `portmap: ADD, then DEL`. */
  readonly claim: string
  /** Builds the place, and the calls. */
  readonly scene: () => Omit<Experiment, 'fault'>
  /** Default SIGKILL. */
  readonly fault?: Exclude<Fault, 'SIGTERM'>
  /** Only what both calls undisturbed lead to will do: of a half-done victim nothing may be missing either. */
  readonly exact?: boolean
  /** Lines that may be there as well. */
  readonly mayStay?: RegExp
  /** What a victim that exits 0 may have left out or besides: what it does where it can. */
  readonly mayDiffer?: RegExp
  /** It does what it can, and says on stderr what it leaves out. */
  readonly bestEffort?: boolean
  /** The leases of the container's addresses are among the files. */
  readonly leased?: boolean
  /** Fewer system calls than these, or failures of them, would mean that something was not tried. */
  readonly atLeast: number
}

type Judged = Omit<Sweep, 'scene'>

/** A test each; two are at work at a time. */
export function sweepAll(all: readonly Sweep[]): void {
  const skip = needs('root')
  const sweeps = all.filter(({ fault = 'SIGKILL' }) => isWanted(fault))
  const jobs = sweeps.map(
    ({ scene, fault = 'SIGKILL' }, turn) =>
      () =>
        inject(t, { ...scene(), fault, turn }),
  )
  const outcomes = skip === false ? inLanes(2, jobs) : []
  for (const outcome of outcomes) outcome.catch(() => undefined) // its test reports it
  sweeps.forEach((sweep, at) => {
    const what = sweep.fault === 'errno' ? 'where a system call fails' : 'killed before its system calls'
    t.test(`${what}: ${sweep.claim}`, { skip }, async (t) => {
      const judge = sweep.fault === 'errno' ? judgeFailed : judgeKilled
      judge(t, sweep, await (outcomes[at] as Promise<Outcome>))
    })
  })
}

function judgeKilled(t: Test, sweep: Judged, outcome: Outcome): void {
  const { rounds } = outcome
  requireThorough(t, sweep, outcome)
  t.same(
    rounds.filter(({ status }) => status !== 137).map(({ call, status }) => `${call}: ${status}`),
    [],
    'all are killed',
  )
  t.same(
    rounds.flatMap((round) => undone(sweep, outcome, round)),
    [],
    'nothing is left, nothing is missing',
  )
}

function requireThorough(t: Test, { atLeast }: Judged, { before, undisturbed, faults, rounds }: Outcome): void {
  t.ok(faults >= atLeast, `${faults} faults, ${rounds.length} tried`)
  if (LONG) t.equal(rounds.length, faults)
  const [was, is] = [linesOf(before), linesOf(undisturbed)]
  const changes = is.some((line) => !was.includes(line)) || was.some((line) => !is.includes(line))
  t.ok(changes, 'undisturbed, it makes a difference')
}

/** What is wrong after the call that follows. */
function undone({ exact = false, mayStay = /^$/ }: Judged, { before, settled }: Outcome, round: Round): string[] {
  const { call, next, after } = round
  const allowed = [linesOf(settled), ...(exact ? [] : [linesOf(before)])]
  const found = linesOf(after)
  return [
    ...(next.status === 0 ? [] : [`${call}: the next call exits ${next.status}: ${next.output}`]),
    ...found
      .filter((line) => !mayStay.test(line) && allowed.every((lines) => !lines.includes(line)))
      .map((line) => `${call}: left: ${line}`),
    ...(allowed[0] ?? [])
      .filter((line) => !mayStay.test(line) && allowed.every((lines) => lines.includes(line)) && !found.includes(line))
      .map((line) => `${call}: gone: ${line}`),
  ]
}

/** Where a system call fails, by its victim: also a CHECK's, which changes nothing. */
export function judgeFailed(t: Test, sweep: Judged, outcome: Outcome): void {
  const { faults, rounds } = outcome
  t.ok(faults >= sweep.atLeast, `${faults} faults, ${rounds.length} tried`)
  if (LONG) t.equal(rounds.length, faults)
  t.same(
    rounds.flatMap((round) => [
      ...(round.status === 0 ? halfDone(sweep, outcome, round) : misreported(round)),
      ...withoutLease(sweep, round),
      ...undone(sweep, outcome, round),
    ]),
    [],
    'what succeeds is whole, what fails says so and is undone',
  )
}

/**
 * A victim that exits 0 has left what it leaves undisturbed. Where it may not write it may leave something out and say so:
 * a DEL that fails is repeated, and would fail for ever.
 */
function halfDone({ mayDiffer = /^$/, bestEffort = false }: Judged, { undisturbed }: Outcome, round: Round): string[] {
  const { call, left, stdout, stderr } = round
  if ((bestEffort || /, (EACCES|EPERM|EROFS):/.test(call)) && stderr !== '') return []
  const found = left === undefined ? [] : linesOf(left)
  const wanted = linesOf(undisturbed)
  return [
    ...(stdout === '' || isError(stdout) === false ? [] : [`${call}: exit 0, and an error: ${stdout}`]),
    ...wanted
      .filter((line) => !found.includes(line) && !mayDiffer.test(line))
      .map((line) => `${call}: exit 0: lacks ${line}`),
    ...found
      .filter((line) => !wanted.includes(line) && !mayDiffer.test(line))
      .map((line) => `${call}: exit 0: has ${line}`),
  ]
}

/** One error of the protocol, which somebody has classified. Nothing can be said where it is stdout that fails. */
function misreported({ call, status, stdout }: Round): string[] {
  if (status === 124) return [`${call}: hangs`]
  if (status !== 1) return [`${call}: exit ${status}: ${stdout}`]
  if (stdout === '' && call.includes(': write(1,')) return []
  // An executable that cannot read itself knows no codes.
  return isError(stdout, call.startsWith('start-up: ') ? 999 : 998)
    ? []
    : [`${call}: exit 1, and no proper error: ${stdout}`]
}

function isError(stdout: string, most = 998): boolean {
  try {
    const { cniVersion, code, msg } = JSON.parse(stdout)
    return typeof cniVersion === 'string' && typeof msg === 'string' && msg !== '' && code > 0 && code <= most
  } catch {
    return false
  }
}

/** Addresses that live in the container though their lease is free: the next pod would get them too. */
function withoutLease({ leased = false }: Judged, { call, left }: Round): string[] {
  if (!leased || left === undefined) return []
  return left.container
    .map((line) => /^address eth0 ([^/]+)/.exec(line)?.[1])
    .filter((address): address is string => address !== undefined && !address.startsWith('fe80:'))
    .filter((address) => !left.files.some((path) => path.endsWith(`/data/net/${address}`)))
    .map((address) => `${call}: ${address} lives, and its lease is free`)
}

function linesOf({ host, container, files }: State): string[] {
  return [
    ...host.map(
      (line) => `host: ${line.replace(/^(link cni0 .*mac |address cni0 )(\S\S:\S+|fe80::\S+)/, '$1its own')}`,
    ),
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
