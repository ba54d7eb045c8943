/**
 * A plugin to which something happens at each of its system calls in turn, a signal before it or an errno in its place,
 * and what is there afterwards and after the call that follows. strace counts each system call by itself
 * (`inject=openat:when=4`), so a first run lists them. One shell runs all rounds: they are many, and each is a handful
 * of processes. A sample is tried, and all of them with FLATNET_LONG=1.
 */

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Call, environment } from './cni.js'
import { errnosOf } from './errnos.js'
import { LONG } from './long.js'
import type { Netns, Owner } from './netns.js'

/** A signal before each system call, or each errno that it can fail with in its place. */
export type Fault = 'SIGKILL' | 'SIGTERM' | 'errno'

export interface Experiment {
  readonly host: Netns
  readonly container: Netns
  /** Directories whose files belong to the state. */
  readonly directories: readonly string[]
  /** Shell commands in the host's namespace that lead to the state before the victim, from any other. */
  readonly prepare: string
  readonly victim: Omit<Call, 'host'>
  readonly fault: Fault
  /** The call that must put things right; absent where the victim must itself. */
  readonly next?: Omit<Call, 'host'>
  /** Which experiment of several it is: each tries other faults, so that those with one victim complete each other. */
  readonly turn?: number
  /** Shell commands whose output belongs to the host's state: each line a thing. */
  readonly look?: string
  /** Includes what the executable does before it reads stdin, which is the same for all. Default false where errnos come. */
  readonly startUp?: boolean
}

/** What is there, one line a thing. */
export interface State {
  readonly host: readonly string[]
  readonly container: readonly string[]
  readonly files: readonly string[]
}

export interface Round {
  /** `openat 4`: the fourth; with an errno what came and at which arguments, too. */
  readonly call: string
  /** As a shell sees it: 137 after SIGKILL; NaN where the call did not come. */
  readonly status: number
  readonly stdout: string
  /** The victim's warnings. */
  readonly stderr: string
  /** What the victim left; absent where it was a signal. */
  readonly left?: State
  /** Status and output of the call that follows; 0 and nothing where there is none. */
  readonly next: { readonly status: number; readonly output: string }
  readonly after: State
}

export interface Outcome {
  /** After `prepare`, after an undisturbed victim, and after the call that follows that. */
  readonly before: State
  readonly undisturbed: State
  readonly settled: State
  /** How many system calls there are, or failures of them; a sample has fewer rounds. */
  readonly faults: number
  readonly rounds: readonly Round[]
}

/** Longer than any call takes that does not wait in vain, and shorter than what a lock is waited for. */
const SECONDS = 25

export async function inject(t: Owner, experiment: Experiment): Promise<Outcome> {
  const { host, victim, next, fault } = experiment
  const directory = mkdtempSync(join(tmpdir(), 'flatnet-fault-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const trace = join(directory, 'trace')
  const functions = [
    `prepare() { ${experiment.prepare}\n}`,
    `victim() { ${shellCall(directory, 'victim', { ...victim, host }, '"$@"')}; }`,
    `follow() { ${next === undefined ? ':' : shellCall(directory, 'follow', { ...next, host })}; }`,
    `state() { ${snapshot(directory, experiment)}; }`,
  ].join('\n')

  const first = await shell(
    host,
    `${functions}
     # Once in vain: what stays of the first, like a directory, is there for all the others.
     prepare >&2; victim >&2; follow >&2
     prepare >&2; echo '#state'; state
     victim strace -f -qq -o ${trace} >&2 || exit 1; echo '#state'; state
     follow >&2; echo '#state'; state`,
  )
  const [before, undisturbed, settled] = first.split('#state\n').slice(1).map(parseState) as [State, State, State]
  const faults = faultsOf(experiment, systemCalls(readFileSync(trace, 'utf8')))
  const tried = LONG ? faults : sampleOf(faults, experiment)
  writeFileSync(join(directory, 'faults'), `${tried.map((one) => `${one.name} ${one.nth} ${one.inject}`).join('\n')}\n`)

  const answers = printed(directory, 'stdout', 'stderr', 'output', 'left')
  const output = await shell(
    host,
    `${functions}
     while read -r name nth what <&9; do
       tries=0
       while :; do
         prepare >&2
         victim timeout -k 5 ${SECONDS} strace -I 2 -f -qq -o ${trace} -e trace=$name -e "inject=$name:$what:when=$nth" \
           >${directory}/stdout 2>${directory}/stderr
         status=$?
         tries=$((tries + 1))
         # One that waited for something has fewer or more calls than the first: it gets another chance.
         grep -q ${fault === 'errno' ? 'INJECTED' : fault} ${trace} && break
         [ $tries = 3 ] && status=missed && break
       done
       ${fault === 'errno' ? `state >${directory}/left` : `: >${directory}/left`}
       follow >${directory}/output 2>&1
       echo "#round $status $?"; ${answers}; echo "#state"; state
     done 9<${directory}/faults`,
  )
  const rounds = output.split('#round ').slice(1).map(parseRound)
  return {
    ...{ before, undisturbed, settled, faults: faults.length },
    rounds: rounds.map((round, at) => ({ call: tried[at]?.label ?? '', ...round })),
  }
}

/** A command that prints files, each but the first behind a line with its name: one for all, for there are many rounds. */
function printed(directory: string, first: string, ...others: readonly string[]): string {
  const titled = others.flatMap((name) => {
    const path = join(directory, name)
    writeFileSync(`${path}.title`, `\n#${name}\n`)
    return [`${path}.title`, path]
  })
  return ['cat', join(directory, first), ...titled].join(' ')
}

/** `openat`, the fourth. */
interface SystemCall {
  readonly name: string
  readonly nth: number
  /** Changes what there is: files or, over netlink, the kernel's own. */
  readonly isChange: boolean
  /** As strace prints it. */
  readonly line: string
}

/** What is to happen at a system call. */
interface Injection extends SystemCall {
  /** In strace's words. */
  readonly inject: string
  readonly label: string
}

function faultsOf({ fault, startUp = false }: Experiment, calls: readonly SystemCall[]): Injection[] {
  if (fault === 'errno') {
    const asked = calls.findIndex(({ line }) => line.startsWith('read(0,'))
    // What goes before it is libc's.
    const begin = calls.findIndex(({ line }) => line.startsWith('sigaltstack('))
    return calls.slice(startUp ? begin : asked).flatMap((call) => {
      const when = calls.indexOf(call) < asked ? 'start-up: ' : ''
      return errnosOf(call.name, call.line).map((errno) => ({
        ...call,
        inject: `error=${errno}`,
        label: `${when}${call.name} ${call.nth}, ${errno}: ${call.line.slice(0, 160)}`,
      }))
    })
  }
  const seen = fault === 'SIGKILL' ? calls : calls.filter(({ name }) => !isExit(name))
  return seen.map((call) => ({ ...call, inject: `signal=${fault}`, label: `${call.name} ${call.nth}` }))
}

/** Of signals: one in so many of the calls that change something, and of the others. */
const CHANGES = 3
const OTHERS = 20
/** Of errnos: so many, evenly spread over all calls. */
const ERRNOS = 8

/**
 * A signal before a call leaves what the changes before it have made, so what counts is before which change it comes.
 * The others are there for those that pass for no change, and the last for a victim that has done all.
 */
function sampleOf(faults: readonly Injection[], { fault, turn = 0 }: Experiment): Injection[] {
  const oneIn = (step: number, of: readonly Injection[]) => of.filter((_, at) => (at + turn) % step === 0)
  if (fault === 'errno') return oneIn(Math.ceil(faults.length / ERRNOS), faults)
  const tried = new Set([
    ...oneIn(
      CHANGES,
      faults.filter(({ isChange }) => isChange),
    ),
    ...oneIn(
      OTHERS,
      faults.filter(({ isChange }) => !isChange),
    ),
    ...faults.slice(-1),
  ])
  return faults.filter((one) => tried.has(one))
}

/**
 * Every system call but the first, the execve that strace itself makes, in order. One that the kernel begins
 * again by itself (a sysctl that waits for the network's lock) is one call.
 */
function systemCalls(trace: string): SystemCall[] {
  const counts = new Map<string, number>()
  const calls: SystemCall[] = []
  for (const text of trace.split('\n')) {
    const line = text.replace(/^\d+ +/, '')
    const name = /^(\w+)\(/.exec(line)?.[1]
    if (name === undefined || name === 'execve' || line.includes('= ? ERESTART')) continue
    const nth = (counts.get(name) ?? 0) + 1
    counts.set(name, nth)
    calls.push({ name, nth, isChange: isChange(name, line), line })
  }
  return calls
}

/** Messages to netlink that only ask are called GET. */
function isChange(name: string, line: string): boolean {
  if (name.startsWith('send')) return line.includes('nlmsg_len') && !/nlmsg_type=\S*GET/.test(line)
  if (name.startsWith('open')) return /O_CREAT|O_TMPFILE|O_TRUNC/.test(line)
  return /^(p?write|rename|link|unlink|mkdir|ftruncate|fchmod|utimens)/.test(name)
}

/** No signal is seen any more then. */
function isExit(name: string): boolean {
  return name.startsWith('exit')
}

function shellCall(directory: string, name: string, call: Call, wrapper = ''): string {
  const input = join(directory, `${name}.json`)
  writeFileSync(input, JSON.stringify(call.config))
  const { CNI_PATH = '', ...rest } = environment(call)
  const words = Object.entries({ CNI_PATH, ...rest }).map(([key, value]) => `${key}='${value}'`)
  return `${words.join(' ')} ${wrapper} ${CNI_PATH.split(':')[0]}/${call.config.type} <${input}`
}

function snapshot(directory: string, { container, directories, look = 'true' }: Experiment): string {
  const batch = join(directory, 'batch')
  writeFileSync(batch, 'link show\naddr show\nroute show table all\nneigh show\n')
  const seen = directories.join(' ')
  return [
    `ip -j -d -batch ${batch}`,
    `echo "#look"; ${look}`,
    'echo "#container"',
    `nsenter --net=${container.path} ip -j -d -batch ${batch}`,
    'echo "#files"',
    `find ${seen} -type f ! -name lock ! -name 'last_reserved_ip.*' 2>/dev/null`,
    'true',
  ].join('; ')
}

/** Runs a script inside; its stdout. Throws where the shell itself fails. */
function shell(host: Netns, script: string): Promise<string> {
  const child = spawn('nsenter', [`--net=${host.path}`, '--', 'sh', '-c', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin' },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((done, fail) => {
    child.on('error', fail)
    child.on('close', (code) => (code === 0 ? done(stdout) : fail(new Error(`sh: ${code}\n${stdout}\n${stderr}`))))
  })
}

function parseRound(text: string): Omit<Round, 'call'> {
  const [head = '', rest = ''] = cut(text, '\n')
  const [status, nextStatus] = head.split(' ')
  const [stdout, said] = cut(rest, '\n#stderr\n')
  const [stderr, after] = cut(said, '\n#output\n')
  const [output, states] = cut(after, '\n#left\n')
  const [left, state] = cut(states, '#state\n')
  return {
    status: Number(status),
    stdout: stdout.trim(),
    stderr: stderr.trim(),
    ...(left === '' ? {} : { left: parseState(left) }),
    next: { status: Number(nextStatus), output: output.trim() },
    after: parseState(state),
  }
}

function parseState(text: string): State {
  const [host, others] = cut(text, '#look\n')
  const [seen, rest] = cut(others, '#container\n')
  const [container, files] = cut(rest, '#files\n')
  return {
    host: [...describe(host), ...flattenRuleset(seen.split('\n').filter((line) => line.trim() !== ''))].sort(),
    container: describe(container),
    files: files
      .split('\n')
      .filter((line) => line !== '')
      .sort(),
  }
}

function cut(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark)
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + mark.length)]
}

/** Four JSON lists of `ip -batch`, as lines without what changes by itself. */
function describe(lists: string): string[] {
  // biome-ignore lint/suspicious/noExplicitAny: the shape is iproute2's own
  const [links = [], addresses = [], routes = [], neighbours = []] = JSON.parse(`[${joined(lists)}]`) as any[][]
  const word = (name: string, value: unknown) => (value === undefined ? '' : ` ${name} ${value}`)
  return [
    ...links.map(
      ({ ifname, mtu, address, master, ifalias, flags, promiscuity, linkinfo }) =>
        `link ${ifname} mtu ${mtu} mac ${address} ${flags.includes('UP') ? 'up' : 'down'}` +
        `${flags.includes('PROMISC') ? ` promisc ${promiscuity}` : ''}${word('master', master)}${word('alias', ifalias)}` +
        ['hairpin', 'isolated'].map((flag) => (linkinfo?.info_slave_data?.[flag] === true ? ` ${flag}` : '')).join(''),
    ),
    ...addresses.flatMap(({ ifname, addr_info }) =>
      // biome-ignore lint/suspicious/noExplicitAny: as above
      addr_info.map(({ local, prefixlen }: any) => `address ${ifname} ${local}/${prefixlen}`),
    ),
    ...routes.map(
      ({ type, dst, dev, gateway, table, protocol, metric }) =>
        `route ${dev} ${type} ${dst}${word('via', gateway)}${word('table', table)} proto ${protocol}${word('metric', metric)}`,
    ),
    ...neighbours.map(
      ({ dst, dev, lladdr, state }) =>
        `neighbour ${dev} ${dst}${word('mac', lladdr)}${state.includes('STALE') ? ' stale' : ''}`,
    ),
  ].sort()
}

/** What `nft list ruleset` prints, each line with the blocks it stands in and each element by itself; other lines as they are. */
function flattenRuleset(lines: readonly string[]): string[] {
  const blocks: string[] = []
  const flat: string[] = []
  let elements: string | undefined
  for (const line of lines.map((line) => line.trim())) {
    if (elements !== undefined || line.startsWith('elements = {')) {
      elements = `${elements ?? ''} ${line.replace('elements = {', '')}`
      if (!line.endsWith('}')) continue
      flat.push(
        ...elements
          .slice(0, -1)
          .split(',')
          .map((one) => [...blocks, 'element', one.trim()].join(' ')),
      )
      elements = undefined
    } else if (line.endsWith('{')) {
      blocks.push(line.slice(0, -2))
      flat.push(blocks.join(' '))
    } else if (line === '}' && blocks.length > 0) blocks.pop()
    else flat.push([...blocks, line].join(' '))
  }
  return flat
}

/** `[…]\n[…]` as members of a list; `ip` prints blanks or an empty list for nothing. */
function joined(lists: string): string {
  return lists
    .split('\n')
    .filter((line) => line.trim() !== '')
    .join(',')
}
