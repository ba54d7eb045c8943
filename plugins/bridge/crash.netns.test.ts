/**
 * A plugin killed or stopped before its system calls, or one of which fails: the next DEL or GC, or the plugin itself,
 * leaves nothing. A sample is tried, of all kinds of calls by all verbs; all are with FLATNET_LONG=1.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Call, call, expectSuccess, type Json } from '../../lib/testing/cni.js'
import {
  type Experiment,
  type Fault,
  inject,
  type Outcome,
  type Round,
  type State,
} from '../../lib/testing/fault-injection.js'
import { isWanted } from '../../lib/testing/long.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { inLanes } from '../../lib/testing/shell.js'
import { judgeFailed, RULESET, type Sweep, shellOf } from '../../lib/testing/sweep.js'

const GATEWAYS = ['10.1.0.1/24', 'fd01::1/64']

interface Site {
  readonly host: Netns
  readonly container: Netns
  readonly data: string
  readonly state: string
  readonly config: Json
  readonly add: Omit<Call, 'host'>
  readonly del: Omit<Call, 'host'>
  /** Keeps the neighbour that `withNeighbour` attaches. */
  readonly gc: Omit<Call, 'host'>
}

function site(overrides: Json = {}): Site {
  const directory = mkdtempSync(join(tmpdir(), 'flatnet-crash-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const host = Netns.create(t, 'host')
  const container = Netns.create(t, 'pod', { loopback: false })
  const [data, state] = [join(directory, 'data'), join(directory, 'state')]
  const config = {
    cniVersion: '1.1.0',
    name: 'net',
    type: 'bridge',
    bridge: 'cni0',
    isDefaultGateway: true,
    stateDir: state,
    ipam: { type: 'host-local', dataDir: data, ranges: [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd01::/64' }]] },
    ...overrides,
  }
  const add = { command: 'ADD', config, netns: container } as const
  const valid = [{ containerID: 'c0', ifname: 'eth0' }]
  const gc = { command: 'GC', config: { ...config, 'cni.dev/valid-attachments': valid } } as const
  return { host, container, data, state, config, add, del: { ...add, command: 'DEL' }, gc }
}

/** A first ADD: no bridge, no forwarding, no directories. */
function fromNothing(site: Site): string {
  const { data, state } = site
  return `${shellOf(site.del)}; ip link delete cni0 2>/dev/null; rm -rf ${data} ${state}
    echo 0 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv6/conf/all/forwarding`
}

/** A pod that lives beside all this, and must not notice. */
function withNeighbour(site: Site): Site {
  const pod = Netns.create(t, 'pod0', { loopback: false })
  expectSuccess('ADD', call({ ...site.add, host: site.host, netns: pod, containerId: 'c0' }))
  return site
}

/** What is there and was not before, or was and is not. A bridge that the victim made may stay, with its own addresses. */
function difference(before: State, after: State): string[] {
  const hadBridge = before.host.some((line) => line.startsWith('link cni0 '))
  const mayStay = (line: string): boolean => {
    // The catalogue of a store that is in use is replaced, not heaped up.
    if (line.endsWith('/catalogue')) return before.files.length > 0
    // An IPv6 address that is nobody's any more is kept in mind, for its next container's sake.
    if (/^neighbour cni0 fd01::\S+ mac 0a:58:0a:01:\S+ stale$/.test(line)) return true
    // The neighbour's entries age by themselves.
    if (/^neighbour cni0 (10\.1\.0\.2|fd01::2|fe80::\S*)( |$)/.test(line)) return hadBridge
    if (hadBridge) return false
    if (line.startsWith('link cni0 ')) return true
    if (line.startsWith('address cni0 '))
      return [...GATEWAYS, 'fe80:'].some((own) => line.startsWith(`address cni0 ${own}`))
    return /^route cni0 .* proto kernel/.test(line)
  }
  const compare = (was: readonly string[], is: readonly string[]) => [
    ...is.filter((line) => !was.includes(line) && !mayStay(line)).map((line) => `left: ${line}`),
    ...was.filter((line) => !is.includes(line) && !mayStay(line)).map((line) => `gone: ${line}`),
  ]
  return [
    ...compare(before.host, after.host),
    ...compare(before.container, after.container),
    ...compare(before.files, after.files),
  ]
}

/** Each round's complaint, empty for none. */
function complaints(before: State, rounds: readonly Round[]): string[] {
  return rounds.flatMap(({ call, next, after }) => {
    const found = difference(before, after)
    if (next.status !== 0) found.push(`the next call exits ${next.status}: ${next.output}`)
    return found.map((text) => `${call}: ${text}`)
  })
}

interface Trial {
  readonly claim: string
  readonly fault: Fault
  /** Builds the scene and its two calls. */
  readonly scene: () => Pick<Experiment, 'prepare' | 'victim' | 'next' | 'startUp'> & { readonly site: Site }
  /** The state to return to: what was there first, or what an undisturbed victim leaves. */
  readonly goal: 'before' | 'undisturbed'
  /** Fewer system calls than these would mean that something was not tried. */
  readonly atLeast: number
}

const FOLLOWERS = {
  DEL: ({ del }: Site) => del,
  'DEL without a namespace': ({ del }: Site) => ({ ...del, netns: '' }),
  GC: ({ gc }: Site) => gc,
}

/** Elements of two tables: masquerading and the container's hardware address. */
const RULES = { ipMasq: true, macspoofchk: true }

const LAYER_2 = { ipam: {}, isDefaultGateway: false, hairpinMode: true, portIsolation: true, mtu: 1400 }

function firstAdd(overrides: Json = {}) {
  return () => {
    const here = site(overrides)
    return { site: here, prepare: fromNothing(here), victim: here.add, next: here.del }
  }
}

function addBeside(follower: (site: Site) => Omit<Call, 'host'>, overrides: Json = {}) {
  return () => {
    const here = withNeighbour(site(overrides))
    return { site: here, prepare: shellOf(here.del), victim: here.add, next: follower(here) }
  }
}

function takingAway(victim: 'del' | 'gc', follower: (site: Site) => Omit<Call, 'host'>, overrides: Json = {}) {
  return () => {
    const here = withNeighbour(site(overrides))
    const prepare = `${shellOf(here.del)}; ${shellOf(here.add)}`
    return { site: here, prepare, victim: here[victim], next: follower(here) }
  }
}

function alone(config: (site: Site) => Json, victim: 'add' | 'del') {
  return () => {
    const here = site()
    const [add, del] = [here.add, here.del].map((call) => ({ ...call, config: config(here) })) as [
      typeof here.add,
      typeof here.del,
    ]
    // A lo that was up once keeps its address.
    const before = `rm -rf ${here.data}; ${shellOf(add)}`
    const prepare = victim === 'add' ? `${before}; ${shellOf(del)}` : before
    return { site: here, prepare, victim: victim === 'add' ? add : del, next: del, startUp: config === loopback }
  }
}
const hostLocal = ({ config }: Site) => ({ ...config, type: 'host-local' })
const loopback = () => ({ cniVersion: '1.1.0', name: 'net', type: 'loopback' })

const KILLED: Omit<Trial, 'fault'>[] = [
  { claim: 'bridge: first ADD of a node, then DEL', scene: firstAdd(), goal: 'before', atLeast: 150 },
  {
    claim: 'bridge: ADD at layer 2 with port options, then DEL',
    scene: firstAdd(LAYER_2),
    goal: 'before',
    atLeast: 80,
  },
  { claim: 'bridge: first ADD with rules, then DEL', scene: firstAdd(RULES), goal: 'before', atLeast: 200 },
  {
    claim: 'bridge: ADD with rules beside a live pod, then GC',
    scene: addBeside(FOLLOWERS.GC, RULES),
    goal: 'before',
    atLeast: 150,
  },
  {
    claim: 'bridge: DEL with rules beside a live pod, then DEL',
    scene: takingAway('del', FOLLOWERS.DEL, RULES),
    goal: 'undisturbed',
    atLeast: 100,
  },
  ...Object.entries(FOLLOWERS).flatMap(([name, follower]): Omit<Trial, 'fault'>[] => [
    { claim: `bridge: ADD beside a live pod, then ${name}`, scene: addBeside(follower), goal: 'before', atLeast: 120 },
    { claim: `bridge: DEL, then ${name}`, scene: takingAway('del', follower), goal: 'undisturbed', atLeast: 60 },
  ]),
  { claim: 'bridge: GC, then GC', scene: takingAway('gc', ({ gc }) => gc), goal: 'undisturbed', atLeast: 60 },
  { claim: 'host-local: ADD, then DEL', scene: alone(hostLocal, 'add'), goal: 'before', atLeast: 60 },
  { claim: 'host-local: DEL, then DEL', scene: alone(hostLocal, 'del'), goal: 'undisturbed', atLeast: 40 },
  { claim: 'loopback: ADD, then DEL', scene: alone(loopback, 'add'), goal: 'before', atLeast: 35 },
  { claim: 'loopback: DEL, then DEL', scene: alone(loopback, 'del'), goal: 'undisturbed', atLeast: 35 },
]
const STOPPED: Omit<Trial, 'fault'>[] = [
  { claim: 'bridge: first ADD of a node', scene: firstAdd(), goal: 'before', atLeast: 150 },
  { claim: 'bridge: ADD beside a live pod', scene: addBeside(({ del }) => del), goal: 'before', atLeast: 120 },
]

/** Each ADD of a pod beside another leases the same address. */
const rewind = ({ data }: Site) =>
  `printf 10.1.0.2 >${data}/net/last_reserved_ip.0; printf fd01::2 >${data}/net/last_reserved_ip.1`

function failing(
  victim: 'add' | 'check' | 'del' | 'gc',
  follower: (site: Site) => Omit<Call, 'host'>,
  overrides: Json = {},
) {
  return () => {
    const here = withNeighbour(site(overrides))
    const { host, add } = here
    const bare = `${shellOf(here.del)}; ${rewind(here)}`
    host.run('sh', '-c', bare)
    const prevResult = expectSuccess('ADD', call({ ...add, host })).json
    const check = { ...add, command: 'CHECK', config: { ...add.config, prevResult } } as const
    const prepare = victim === 'add' ? bare : `${bare}; ${shellOf(add)}`
    return { site: here, prepare, victim: { ...here, check }[victim], next: follower(here) }
  }
}

/** Where it must do without, it says so or lets it be: names of a store that is in use, an announcement, a note. */
const AS_IT_CAN = /file: .*\/catalogue$| neighbour cni0 /

const FAILED: readonly (Omit<Sweep, 'scene'> & Pick<Trial, 'scene'>)[] = [
  { claim: 'bridge: first ADD of a node with rules, then DEL', scene: firstAdd(RULES), atLeast: 400, leased: true },
  {
    claim: 'bridge: ADD with rules beside a live pod, then DEL',
    scene: failing('add', FOLLOWERS.DEL, RULES),
    atLeast: 400,
    leased: true,
  },
  {
    claim: 'bridge: CHECK with rules, then DEL',
    scene: failing('check', FOLLOWERS.DEL, RULES),
    atLeast: 100,
    leased: true,
  },
  {
    claim: 'bridge: DEL with rules, then DEL',
    scene: failing('del', FOLLOWERS.DEL, RULES),
    atLeast: 150,
    leased: true,
    exact: true,
  },
  {
    claim: 'bridge: DEL without a namespace, then DEL',
    scene: failing('del', FOLLOWERS['DEL without a namespace']),
    atLeast: 100,
    leased: true,
    exact: true,
  },
  {
    claim: 'bridge: GC with rules, then GC',
    scene: failing('gc', FOLLOWERS.GC, RULES),
    atLeast: 150,
    leased: true,
    exact: true,
  },
  { claim: 'host-local: ADD, then DEL', scene: alone(hostLocal, 'add'), atLeast: 80 },
  { claim: 'host-local: DEL, then DEL', scene: alone(hostLocal, 'del'), atLeast: 60, exact: true },
  { claim: 'loopback: ADD, then DEL', scene: alone(loopback, 'add'), atLeast: 60 },
  { claim: 'loopback: DEL, then DEL', scene: alone(loopback, 'del'), atLeast: 40, exact: true },
]

async function run({ scene, fault }: Pick<Trial, 'scene' | 'fault'>, turn: number): Promise<Outcome> {
  const { site, next, ...calls } = scene()
  const { host, container, data, state } = site
  const rest = fault === 'SIGTERM' || next === undefined ? calls : { ...calls, next }
  return inject(t, { host, container, directories: [data, state], fault, turn, look: RULESET, ...rest })
}

function judgeKilled(t: Test, { goal, atLeast }: Trial, { before, undisturbed, faults, rounds }: Outcome): void {
  t.ok(faults >= atLeast, `${faults} system calls, ${rounds.length} tried`)
  t.ok(difference(before, undisturbed).length > 0, 'undisturbed, it makes a difference')
  t.same(
    rounds.filter(({ status }) => status !== 137).map(({ call, status }) => `${call}: ${status}`),
    [],
    'all are killed',
  )
  t.same(complaints(goal === 'before' ? before : undisturbed, rounds), [], 'nothing is left, nothing is missing')
}

/** An error, and all undone; or a result, and all there. Handlers are among the first things a process sets up. */
function judgeStopped(t: Test, { atLeast }: Trial, { before, faults, rounds }: Outcome): void {
  t.ok(faults >= atLeast, `${faults} system calls, ${rounds.length} tried`)
  const found = rounds.flatMap(({ call, status, stdout, after }) => {
    const left = difference(before, after)
    if (status === 143 && stdout === '') return left.map((line) => `${call}: killed, ${line}`)
    let answer: Json
    try {
      answer = JSON.parse(stdout)
    } catch {
      return [`${call}: exit ${status}, no JSON: ${stdout}`]
    }
    if (status === 0) return answer.ips?.length === 2 && left.length > 0 ? [] : [`${call}: exit 0, ${stdout}`]
    if (status !== 1 || answer.code !== 11) return [`${call}: exit ${status}, ${stdout}`]
    return left.map((line) => `${call}: ${line}`)
  })
  t.same(found, [])
  const ended = (wanted: number) => rounds.filter(({ status }) => status === wanted).map(({ call }) => call)
  t.ok(ended(1).length >= (atLeast - 40) * (rounds.length / faults), `${ended(1).length} rounds end with an error`)
  t.ok(ended(143).length <= 25, `too early to be heard: ${ended(143).join(', ')}`)
  t.ok(ended(0).length <= 6, `too late to be heard: ${ended(0).join(', ')}`)
}

interface Task extends Pick<Trial, 'scene' | 'fault'> {
  readonly claim: string
  readonly judge: (t: Test, outcome: Outcome) => void
}

const all: readonly Task[] = [
  ...KILLED.map((trial) => {
    const whole = { ...trial, fault: 'SIGKILL' } as const
    const judge: Task['judge'] = (t, outcome) => judgeKilled(t, whole, outcome)
    return { ...whole, claim: `killed before each system call: ${trial.claim}`, judge }
  }),
  ...STOPPED.map((trial) => {
    const whole = { ...trial, fault: 'SIGTERM' } as const
    const judge: Task['judge'] = (t, outcome) => judgeStopped(t, whole, outcome)
    return { ...whole, claim: `told to stop at each system call: ${trial.claim}`, judge }
  }),
  ...FAILED.map(({ scene, ...sweep }) => {
    const judge: Task['judge'] = (t, outcome) =>
      judgeFailed(t, { mayDiffer: AS_IT_CAN, mayStay: AS_IT_CAN, ...sweep }, outcome)
    return { scene, fault: 'errno', claim: `where a system call fails: ${sweep.claim}`, judge } as const
  }),
]
const tasks = all.filter(({ fault }) => isWanted(fault))
const skip = needs('root')
const outcomes =
  skip === false
    ? inLanes(
        2,
        tasks.map((task, turn) => () => run(task, turn)),
      )
    : []
for (const outcome of outcomes) outcome.catch(() => undefined) // its test reports it
tasks.forEach(({ claim, judge }, at) => {
  t.test(claim, { skip }, async (t) => {
    judge(t, await (outcomes[at] as Promise<Outcome>))
  })
})
