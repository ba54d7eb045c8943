/** Which records a DEL takes for those of pods that are gone, and how much it reads to know. */

import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { Attachment, BIN, type Call, environment, expectSuccess, type Json } from '../testing/cni.js'
import { packForEngine } from '../testing/engine.js'
import { Netns, needs } from '../testing/netns.js'
import { network } from '../testing/pod-network.js'

const skip = needs('root')

const keyOf = (containerId: string): string =>
  createHash('sha256').update(`net\0${containerId}\0eth0`).digest('hex').slice(0, 16)

/** On the file system where records are by default: how large a directory is follows from that. */
function stateDirectory(t: Test): string {
  mkdirSync('/run/flatnet', { recursive: true })
  const directory = mkdtempSync('/run/flatnet/test-')
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Holds the record as a call at work does, until the test ends. */
async function hold(t: Test, driver: string, stateDir: string, containerId: string): Promise<ChildProcess> {
  const child = spawn(driver, { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const place = { stateDir, plugin: 'bridge', network: 'net', containerId, ifName: 'eth0' }
  child.stdin.end([place, ['claim'], ['sleep', 60_000]].map((line) => JSON.stringify(line)).join('\n'))
  await once(child.stdout, 'data')
  return child
}

interface Case {
  readonly what: string
  /** What the record says in place of what ADD wrote; `''` empties it. */
  readonly member?: string
  readonly linkGone: boolean
  readonly held?: boolean
  readonly removed: boolean
  readonly leaseFree: boolean
}

const ADDING = '"state":"adding"'
const GONE = { linkGone: true, removed: true, leaseFree: true }
const KEPT = { removed: false, leaseFree: false }

const CASES: Record<string, Case> = {
  ended: { what: 'whole, its link is gone', ...GONE, leaseFree: false },
  killedadd: { what: 'of an ADD that was killed, its link is gone', member: ADDING, ...GONE },
  killeddel: { what: 'of a DEL that was killed, its link is gone', member: '"state":"removing"', ...GONE },
  living: { what: 'whole, its link is there', linkGone: false, ...KEPT },
  halfway: { what: 'of an ADD that was killed, its link is there', member: ADDING, linkGone: false, ...KEPT },
  atwork: { what: 'of an ADD at work, no link yet', member: ADDING, linkGone: true, held: true, ...KEPT },
  earlier: { what: 'of an earlier boot', member: '"boot":"earlier"', linkGone: true, ...KEPT },
  damaged: { what: 'damaged', member: '', linkGone: true, ...KEPT },
}

function altered(record: string, member: string): string {
  const [key] = member.split(':')
  return member === '' ? '' : record.replace(new RegExp(`${key}:"[^"]*"`), member)
}

t.test('a DEL removes what is left of other pods that are gone, and nothing of any other', { skip }, async (t) => {
  const driver = await packForEngine(
    fileURLToPath(new URL('../testing/store-driver.js', import.meta.url)),
    t.testdir({}),
    'driver',
  )
  const host = Netns.create(t, 'host')
  const stateDir = stateDirectory(t)
  const list = network(t, { config: { ipMasq: true, stateDir } })
  const pod = (containerId: string) => {
    const attachment = new Attachment(host, list, Netns.create(t, containerId), { containerId })
    attachment.add()
    return attachment
  }
  const other = pod('other')
  const pods = Object.fromEntries(Object.keys(CASES).map((name) => [name, pod(name)]))
  const recordOf = (name: string) => join(stateDir, 'net/bridge', `${keyOf(name)}.json`)
  for (const [name, { member, linkGone, held }] of Object.entries(CASES)) {
    if (member !== undefined) writeFileSync(recordOf(name), altered(readFileSync(recordOf(name), 'utf8'), member))
    if (linkGone) host.run('ip', 'link', 'del', pods[name]?.result.interfaces[1].name)
    if (held) await hold(t, driver, stateDir, name)
  }
  t.notMatch(other.tryDel().stderr, /cannot/)
  const ruleset = host.run('nft', '-s', 'list', 'ruleset')
  for (const [name, { what, removed, leaseFree }] of Object.entries(CASES)) {
    const [address = ''] = pods[name]?.result.ips[0].address.split('/') ?? []
    t.equal(existsSync(recordOf(name)), !removed, `${what}: record`)
    t.equal(ruleset.includes(`net/${name}`), !removed, `${what}: rules`)
    t.equal(existsSync(join(list.ipam.dataDir, 'net', address)), !leaseFree, `${what}: lease`)
  }
  pods['living']?.check()
})

/** Records as `bridge` writes them, of pods that nobody has attached; their links are of no kind or none. */
function crowd(t: Test, names: readonly string[]) {
  const host = Netns.create(t, 'host')
  const stateDir = stateDirectory(t)
  const list = network(t, { config: { stateDir } })
  const living = new Attachment(host, list, Netns.create(t, 'living'), { containerId: 'living' })
  living.add()
  const folder = join(stateDir, 'net/bridge')
  const template = JSON.parse(readFileSync(join(folder, `${keyOf('living')}.json`), 'utf8'))
  for (const containerId of names) {
    const content = { ...template.content, hostLink: linkOf(containerId), addresses: [] }
    writeFileSync(join(folder, `${keyOf(containerId)}.json`), JSON.stringify({ ...template, containerId, content }))
  }
  return { host, list, living, remaining: () => readdirSync(folder).length }
}

const linkOf = (containerId: string) => `veth${keyOf(containerId).slice(0, 8)}`

/** DEL of a pod whose namespace is gone: how many records of others it opened, and all that it asked of the kernel. */
function countedDel(t: Test, host: Netns, config: Json, containerId: string): { opened: number; calls: number } {
  const trace = join(t.testdirName, 'trace')
  const request: Call = { command: 'DEL', host, config, containerId }
  const answer = host.try(['strace', '-qq', '-o', trace, join(BIN, 'bridge')], {
    input: JSON.stringify(config),
    env: environment(request),
  })
  expectSuccess(`DEL of ${containerId}`, { ...answer, json: undefined })
  const lines = readFileSync(trace, 'utf8').split('\n')
  const records = lines.filter((line) => line.startsWith('openat(') && line.includes('/net/bridge/'))
  const others = records.filter((line) => line.includes('.json') && !line.includes(keyOf(containerId)))
  return { opened: new Set(others.map((line) => /[0-9a-f]{16}\.json/.exec(line)?.[0])).size, calls: lines.length }
}

t.test('hundreds of pods that are gone: each DEL reads 20 records at most, until none is left', { skip }, async (t) => {
  t.testdir({})
  const names = Array.from({ length: 230 }, (_, at) => `gone${at}`)
  const { host, list, living, remaining } = crowd(t, names)
  const opened: number[] = []
  for (const name of names) {
    if (remaining() === 1) break
    opened.push(countedDel(t, host, list, name).opened)
  }
  t.equal(remaining(), 1, 'the living pod')
  t.ok(Math.max(...opened) <= 20, `${opened}`)
  t.ok(opened.length < 120, `after ${opened.length} calls`)
  living.check()
})

t.test('where every pod lives, a DEL opens the record of no other', { skip }, async (t) => {
  t.testdir({})
  const names = Array.from({ length: 30 }, (_, at) => `here${at}`)
  const { host, list, remaining } = crowd(t, names)
  host.batch(...names.map((name) => `link add ${linkOf(name)} type bridge`))
  const own = countedDel(t, host, list, 'here0')
  const again = countedDel(t, host, list, 'here0')
  t.equal(own.opened, 0)
  t.equal(again.opened, 0, 'nor one that finds nothing of its own')
  t.equal(remaining(), 30)
  host.batch(...names.slice(1).map((name) => `link del ${linkOf(name)}`))
  // The one that lives may be among the 20.
  t.ok(countedDel(t, host, list, 'here0').opened >= 19, 'the count counts')
  t.ok(again.calls < own.calls + 40)
})
