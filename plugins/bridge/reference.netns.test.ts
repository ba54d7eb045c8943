/**
 * bridge with host-local beside the reference's: results, kernel state, leases, CHECK and DEL are equal, or the
 * difference is one of the rules below, with its reason. An unknown difference fails, and so does a rule that nothing
 * needs any more. Each case is tried in one or two of its versions, in all of them with FLATNET_LONG=1.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { VERSIONS } from '../../lib/cni/version.js'
import { BIN, type Json } from '../../lib/testing/cni.js'
import { type Flat, flatten, parseKernelState, stateFunction } from '../../lib/testing/kernel-state.js'
import { LONG } from '../../lib/testing/long.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { reference } from '../../lib/testing/reference.js'
import { CASES, type Case } from '../../lib/testing/reference-cases.js'
import { type Difference, RULES } from '../../lib/testing/reference-rules.js'
import { inLanes, quoted, shell } from '../../lib/testing/shell.js'

const other = reference()
const skip = needs('root') || (other === undefined ? 'no reference plugins' : false)
const recent = other?.version === '1.9.1'

/** One attachment's life under one program. */
interface Run {
  readonly version: string
  readonly program: 'flatnet' | 'reference'
  readonly seen: Flat
}

interface Lane {
  readonly host: Netns
  readonly container: Netns
  readonly directory: string
}

function lane(): Lane {
  const directory = mkdtempSync(join(tmpdir(), 'flatnet-reference-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  // Whether its link-local address is still tentative when it is looked at would be chance.
  const container = Netns.create(t, 'pod', { loopback: false, duplicates: false })
  return { host: Netns.create(t, 'host'), container, directory }
}

async function runs(where: Lane, what: Case, versions: readonly string[]): Promise<Run[]> {
  const { host, container, directory } = where
  const { ifName = 'eth0', args = '', setup = '', macs = [] } = what
  const config = configOf(what, directory)
  const programs = { flatnet: BIN, reference: other?.directory ?? '' }
  const blocks = versions.flatMap((version) => {
    const text = JSON.stringify({ cniVersion: version, ...config })
    const file = join(directory, `${version}.json`)
    writeFileSync(file, text.slice(0, -1)) // CHECK and DEL add the result
    return Object.entries(programs).map(([program, bin]) => `life ${program} ${version} ${file} ${bin}`)
  })
  const script = `
    D=${directory}; data=$D/data; container=${container.path}
    export CNI_CONTAINERID=c1 CNI_NETNS=$container CNI_IFNAME=${ifName} CNI_ARGS=${quoted(args)}
    inside() { nsenter --net=$container -- "$@"; }
    ${stateFunction(container.path, { host: config.bridge ?? 'cni0', container: ifName }, `${directory}/batch`)}
    leases() { (cd $data 2>/dev/null && grep -rs . net | tr -d '\\r'); true; }
    printf 'link delete cni0\\nlink delete mynet0\\nlink delete v1\\n' >$D/host
    printf 'link delete ${ifName}\\nlink delete w\\n' >$D/container
    reset() {
      ip -force -batch $D/host 2>/dev/null
      inside ip -force -batch $D/container 2>/dev/null
      rm -rf $data $D/state; mkdir -p $data/net
      echo 0 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv6/conf/all/forwarding
    }
    life() {
      export CNI_PATH=$4
      reset; { ${setup === '' ? 'true' : setup}; } >&2
      { cat $3; echo '}'; } | CNI_COMMAND=ADD $4/bridge >$D/result 2>$D/warnings
      status=$?
      echo "#life $1 $2"; echo $status; cat $D/result; echo; echo '#state'; state; echo '#leases'; leases
      # An older configuration gives neither CHECK nor a result to DEL.
      case $2 in 0.[123].*) previous='' ;; *) previous=yes ;; esac
      if [ $status != 0 ]; then previous=; echo '{}' >$D/result; fi
      if [ "$previous" ]; then
        { cat $3; echo ',"prevResult":'; cat $D/result; echo '}'; } >$D/input
        CNI_COMMAND=CHECK $4/bridge <$D/input >$D/output 2>/dev/null
        echo '#check'; echo $?; cat $D/output
      else
        { cat $3; echo '}'; } >$D/input
        echo '#check'; echo none
      fi
      CNI_COMMAND=DEL $4/bridge <$D/input >$D/output 2>/dev/null
      echo; echo '#del'; echo $?; cat $D/output; echo; echo '#state'; state; echo '#leases'; leases
    }
    ${blocks.join('\n')}`
  const output = await shell(host, script)
  return output
    .split('#life ')
    .slice(1)
    .map((text) => readRun(text, macs))
}

function configOf({ config }: Case, directory: string): Json {
  const { ipam = {}, ...rest } = config
  const delegated = ipam.type === undefined && Object.keys(ipam).length > 0 ? { type: 'host-local', ...ipam } : ipam
  return {
    name: 'net',
    type: 'bridge',
    bridge: 'cni0',
    stateDir: `${directory}/state`,
    ...rest,
    ipam: Object.keys(delegated).length === 0 ? {} : { dataDir: `${directory}/data`, ...delegated },
  }
}

function readRun(text: string, macs: readonly string[]): Run {
  const [head = '', ...parts] = text.split(/^#(?=(?:state|leases|check|del)$)/m)
  const [title = '', status = '', ...result] = head.split('\n')
  const [program, version] = title.split(' ') as ['flatnet' | 'reference', string]
  const seen: Flat = new Map([['ADD status', status]])
  const body = (part: string | undefined) => (part ?? '').slice((part ?? '').indexOf('\n') + 1)
  const [state, leases, check, del, stateAfter, leasesAfter] = parts.map(body)
  const kernel = parseKernelState(state ?? '', macs)
  put(seen, 'ADD', readAnswer(result.join('\n'), kernel.translate))
  put(seen, 'ADD', kernel.flat)
  readLeases(seen, 'ADD', leases)
  for (const [command, answer = ''] of [
    ['CHECK', check],
    ['DEL', del],
  ] as const) {
    const [answered = '', ...rest] = answer.split('\n')
    seen.set(`${command} status`, answered)
    put(seen, command, readAnswer(rest.join('\n'), kernel.translate))
  }
  put(seen, 'DEL', parseKernelState(stateAfter ?? '', macs).flat)
  readLeases(seen, 'DEL', leasesAfter)
  return { program, version, seen }
}

function put(seen: Flat, prefix: string, flat: Flat): void {
  for (const [key, value] of flat) seen.set(`${prefix} ${key}`, value)
}

/** A result member by member; of an error only the code, for the words are each program's own. */
function readAnswer(text: string, translate: (value: string) => string): Flat {
  const flat: Flat = new Map()
  if (text.trim() === '') return flat
  const answer = JSON.parse(text) as Json
  if (typeof answer.code === 'number') flat.set('error code', String(answer.code))
  else flatten(flat, 'result', answer, translate)
  return flat
}

function readLeases(seen: Flat, prefix: string, text = ''): void {
  const files = new Map<string, string[]>()
  for (const line of text.trim().split('\n')) {
    const at = line.indexOf(':', line.includes('::') ? line.lastIndexOf(':') : 0)
    if (at > 0) files.set(line.slice(0, at), [...(files.get(line.slice(0, at)) ?? []), line.slice(at + 1)])
  }
  for (const [name, lines] of files) seen.set(`${prefix} lease ${name}`, lines.join(' '))
}

function differences(what: Case, ours: Run, theirs: Run): Difference[] {
  const keys = [...new Set([...ours.seen.keys(), ...theirs.seen.keys()])]
  const isOneSided = (key: string) => ours.seen.has(key) !== theirs.seen.has(key)
  return keys
    .filter((key) => ours.seen.get(key) !== theirs.seen.get(key))
    .filter((key) => !parentsOf(key).some(isOneSided)) // of a thing that is missing, its members are no news
    .map((key) => ({
      key,
      ours: ours.seen.get(key),
      theirs: theirs.seen.get(key),
      name: what.name,
      version: ours.version,
      status: [ours.seen.get('ADD status'), theirs.seen.get('ADD status')],
    }))
}

function parentsOf(key: string): string[] {
  return [...key.matchAll(/\./g)].map(({ index }) => key.slice(0, index))
}

/** What differs and no rule explains. */
function unknown(what: Case, done: readonly Run[]): string[] {
  const ours = done.filter(({ program }) => program === 'flatnet')
  return ours.flatMap((run) => {
    const theirs = done.find(({ program, version }) => program === 'reference' && version === run.version)
    if (theirs === undefined) return [`${run.version}: the reference did not run`]
    return differences(what, run, theirs)
      .filter((difference) => !isExplained(difference))
      .map(({ version, key, ours, theirs }) => `${version} ${key}: ${ours ?? 'nothing'}, not ${theirs ?? 'nothing'}`)
  })
}

const used = new Set<string>()

function isExplained(difference: Difference): boolean {
  const rules = RULES.filter((rule) => !(recent && rule.older === true) && rule.covers(difference))
  for (const { name } of rules) used.add(name)
  return rules.length > 0
}

/**
 * What a version changes is the form of what goes in and out. The newest has all of it; of the others every second case
 * has one, in turn, and so has what is refused, where hardly a form is left.
 */
function versionsOf({ versions = VERSIONS, fails = false }: Case, turn: number): readonly string[] {
  const known = versions.filter((version) => recent || version !== '1.1.0')
  if (LONG) return known
  const older = known.slice(0, -1)
  const other = turn % 2 === 0 ? undefined : older[(turn >> 1) % older.length]
  if (fails) return [other ?? known.at(-1) ?? '1.0.0']
  return known.filter((version) => version === known.at(-1) || version === other)
}

/** Runs a case; a version that differs again, for the kernel may have been seen before it was done. */
async function attempt(where: Lane, what: Case, versions: readonly string[]): Promise<Run[]> {
  const ATTEMPTS = 5
  const done: Run[] = []
  let open = versions
  for (let n = 1; n <= ATTEMPTS && open.length > 0; n++) {
    const tried = await runs(where, what, open)
    const differs = (version: string) =>
      unknown(
        what,
        tried.filter((run) => run.version === version),
      ).length > 0
    const again = n < ATTEMPTS ? open.filter(differs) : []
    done.push(...tried.filter(({ version }) => !again.includes(version)))
    open = again
  }
  return done
}

const LANES = 3
const cases = CASES.filter(({ recent: isRecent = false }) => recent || !isRecent)
const lanes = skip === false ? Array.from({ length: LANES }, lane) : []
const jobs = cases.map((what, turn) => (at: number) => attempt(lanes[at] as Lane, what, versionsOf(what, turn)))
const all = skip === false ? inLanes(LANES, jobs) : []
for (const outcome of all) outcome.catch(() => undefined) // its test reports it

cases.forEach((what, at) => {
  t.test(what.name, { skip }, async (t) => {
    const done = (await all[at]) ?? []
    const status = done.filter(({ program }) => program === 'flatnet').map(({ seen }) => seen.get('ADD status'))
    t.equal(status.length, versionsOf(what, at).length, `${status.length} versions`)
    t.ok(
      status.every((one) => one === (what.fails === true ? '1' : '0')),
      `ADD ${what.fails === true ? 'fails' : 'succeeds'}`,
    )
    t.same(unknown(what, done), [], 'only known differences')
  })
})

t.test('every rule is needed', { skip: skip || (recent ? false : 'they are for v1.9') }, async (t) => {
  for (const { name, older } of RULES) t.equal(used.has(name), older !== true, name)
})
