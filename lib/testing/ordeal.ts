/**
 * A plugin that gets a signal at each of its system calls in turn, and what is there after the call that
 * follows. strace counts each system call by itself (`inject=openat:when=4`), so a first run lists them.
 * One shell runs all rounds: they are many, and each is a handful of processes. Where each would take too
 * long, a sample is tried (`sample`), and all of them with FLATNET_LONG=1.
 */

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Call, environment } from './cni.js'
import { LONG } from './long.js'
import type { Netns, Owner } from './netns.js'

export interface Ordeal {
  readonly host: Netns
  readonly container: Netns
  /** Directories whose files belong to the state. */
  readonly directories: readonly string[]
  /** Shell commands in the host's namespace that lead to the state before the victim, from any other. */
  readonly prepare: string
  readonly victim: Omit<Call, 'host'>
  readonly signal: 'KILL' | 'TERM'
  /** The call that must put things right; absent where the victim must itself. */
  readonly next?: Omit<Call, 'host'>
  /** Tries the first, the last, every request to the kernel's netlink and each so-many-th of the rest. Default all. */
  readonly sample?: number
  /** Shell commands whose output belongs to the host's state: each line a thing. */
  readonly look?: string
}

/** What is there, one line a thing. */
export interface State {
  readonly host: readonly string[]
  readonly container: readonly string[]
  readonly files: readonly string[]
}

export interface Round {
  /** `openat 4`: the fourth. */
  readonly call: string
  /** As a shell sees it: 137 after SIGKILL; NaN where the call did not come. */
  readonly status: number
  readonly stdout: string
  /** Status and output of the call that follows; 0 and nothing where there is none. */
  readonly next: { readonly status: number; readonly output: string }
  readonly after: State
}

export interface Outcome {
  /** After `prepare`, after an undisturbed victim, and after the call that follows that. */
  readonly before: State
  readonly undisturbed: State
  readonly settled: State
  /** How many system calls there are; a sample has fewer rounds. */
  readonly calls: number
  readonly rounds: readonly Round[]
}

export async function suffer(t: Owner, ordeal: Ordeal): Promise<Outcome> {
  const { host, victim, next } = ordeal
  const directory = mkdtempSync(join(tmpdir(), 'flatnet-ordeal-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const trace = join(directory, 'trace')
  const functions = [
    `prepare() { ${ordeal.prepare}\n}`,
    `victim() { ${shellCall(directory, 'victim', { ...victim, host }, '"$@"')}; }`,
    `follow() { ${next === undefined ? ':' : shellCall(directory, 'follow', { ...next, host })}; }`,
    `state() { ${snapshot(directory, ordeal)}; }`,
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
  const calls = systemCalls(readFileSync(trace, 'utf8')).filter(({ name }) => ordeal.signal === 'KILL' || !isExit(name))
  const tried = calls.filter(({ isRequest }, at) => {
    const { sample = 1 } = ordeal
    return LONG || isRequest || at % sample === 0 || at === calls.length - 1
  })
  writeFileSync(join(directory, 'calls'), `${tried.map(({ name, nth }) => `${name} ${nth}`).join('\n')}\n`)

  const output = await shell(
    host,
    `${functions}
     while read -r name nth <&9; do
       tries=0
       while :; do
         prepare >&2
         inject="inject=$name:signal=${ordeal.signal}:when=$nth"
         victim strace -f -qq -o ${trace} -e trace=$name -e "$inject" >${directory}/stdout
         status=$?
         tries=$((tries + 1))
         # One that waited for something has fewer or more calls than the first: it gets another chance.
         grep -q SIG${ordeal.signal} ${trace} && break
         [ $tries = 3 ] && status=missed && break
       done
       follow >${directory}/output 2>&1
       echo "#round $name $nth $status $?"; cat ${directory}/stdout
       echo; echo "#output"; cat ${directory}/output
       echo; echo "#state"; state
     done 9<${directory}/calls`,
  )
  const rounds = output.split('#round ').slice(1).map(parseRound)
  return { before, undisturbed, settled, calls: calls.length, rounds }
}

/** `openat`, the fourth. */
interface SystemCall {
  readonly name: string
  readonly nth: number
  /** Over netlink. */
  readonly isRequest: boolean
}

/**
 * Every system call but the first, the execve that strace itself makes, in order. One that the kernel begins
 * again by itself (a sysctl that waits for the network's lock) is one call.
 */
function systemCalls(trace: string): SystemCall[] {
  const counts = new Map<string, number>()
  const calls: SystemCall[] = []
  for (const line of trace.split('\n')) {
    const name = /^(?:\d+ +)?(\w+)\(/.exec(line)?.[1]
    if (name === undefined || name === 'execve' || line.includes('= ? ERESTART')) continue
    const nth = (counts.get(name) ?? 0) + 1
    counts.set(name, nth)
    calls.push({ name, nth, isRequest: name.startsWith('send') && line.includes('nlmsg_len') })
  }
  return calls
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

function snapshot(directory: string, { container, directories, look = 'true' }: Ordeal): string {
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

function parseRound(text: string): Round {
  const [head = '', rest = ''] = cut(text, '\n')
  const [name, nth, status, nextStatus] = head.split(' ')
  const [stdout, after] = cut(rest, '\n#output\n')
  const [output, state] = cut(after, '\n#state\n')
  return {
    call: `${name} ${nth}`,
    status: Number(status),
    stdout: stdout.trim(),
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
