/**
 * Each file that a plugin reads, and in its place each thing that is no such file: no call waits, none spins, DEL and GC
 * succeed, and stderr says once what counts as absent.
 */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { BIN, type Command, environment, expectSuccess, type Json } from '../testing/cni.js'
import { Netns, needs } from '../testing/netns.js'
import { ODDITIES, put } from '../testing/oddities.js'

interface Place {
  readonly host: Netns
  readonly container: Netns
  readonly directory: string
  readonly config: Json
}

interface Answer {
  readonly status: number | null
  readonly json: Json
  readonly stderr: string
  readonly slow: boolean
}

function run({ host, container, config }: Place, command: Command, more: Json = {}, type = 'bridge', env = {}): Answer {
  const netns = command === 'GC' ? '' : container
  const whole = { ...config, type, ...more }
  const request = environment({ command, host, config: whole, netns, env })
  const output = spawnSync('nsenter', [`--net=${host.path}`, '--', 'timeout', '10', join(BIN, type)], {
    input: JSON.stringify(whole),
    env: request,
    encoding: 'utf8',
  })
  const { status, stdout, stderr } = output
  return { status, stderr, json: stdout === '' ? undefined : JSON.parse(stdout), slow: status === 124 }
}

/** Every path of a tree that is no directory. */
function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    return entry.isDirectory() ? filesBelow(path) : [path]
  })
}

const directory = mkdtempSync(join(tmpdir(), 'flatnet-odd-'))
t.teardown(() => rmSync(directory, { recursive: true, force: true }))
let number = 0

function place(t: { teardown(action: () => void): unknown }): Place {
  const own = join(directory, String(++number))
  const config = {
    cniVersion: '1.1.0',
    name: 'net',
    bridge: 'cni0',
    isGateway: true,
    stateDir: join(own, 'state'),
    ipam: { type: 'host-local', dataDir: join(own, 'data'), ranges: [[{ subnet: '10.1.0.0/24' }]] },
  }
  const [host, container] = [Netns.create(t, 'host'), Netns.create(t, 'pod', { loopback: false })]
  return { host, container, directory: own, config }
}

/** Files that an attachment has, by what they are for. */
const OWN: Record<string, (path: string) => boolean> = {
  'the record of the attachment': (path) => path.includes('/state/net/bridge/'),
  'the lease': (path) => path.endsWith('/data/net/10.1.0.2'),
  'the record of its leases': (path) => path.includes('/data/.flatnet/net/') && path.endsWith('.json'),
  'the catalogue': (path) => path.endsWith('/catalogue'),
  'the lock': (path) => path.endsWith('/data/net/lock'),
  "the round robin's place": (path) => path.endsWith('/last_reserved_ip.0'),
}

const skip = needs('root')
const NONE = { 'cni.dev/valid-attachments': [] }

for (const [file, isIt] of Object.entries(OWN)) {
  t.test(`where ${file} is something else, no call hangs, and DEL and GC succeed`, { skip }, async (t) => {
    const here = place(t)
    for (const oddity of Object.keys(ODDITIES)) {
      const claim = `${file} is ${oddity}`
      expectSuccess(`ADD before ${claim}`, { ...run(here, 'ADD'), stdout: '' } as never)
      const path = filesBelow(here.directory).find(isIt) ?? join(here.directory, 'data/.flatnet/net/catalogue')
      put(path, oddity)
      const { words } = ODDITIES[oddity] as (typeof ODDITIES)[string]
      const check = run(here, 'CHECK', { prevResult: { cniVersion: '1.1.0', ips: [], interfaces: [] } })
      t.notOk(check.slow, `${claim}: CHECK ends`)
      const del = run(here, 'DEL')
      t.equal(del.status, 0, `${claim}: DEL succeeds: ${JSON.stringify(del.json)} ${del.stderr}`)
      if (words !== undefined && existsSync(path) && file !== 'the catalogue' && file !== 'the lock') {
        const told = del.stderr.split('\n').filter((line) => line.includes(path))
        t.ok(told.length <= 1, `${claim}: DEL says it once: ${del.stderr}`)
      }
      const gc = run(here, 'GC', NONE)
      t.equal(gc.status, 0, `${claim}: GC succeeds: ${JSON.stringify(gc.json)} ${gc.stderr}`)
      put(path, oddity)
      const add = run(here, 'ADD')
      t.notOk(add.slow, `${claim}: ADD ends`)
      if (oddity !== 'a directory') t.equal(add.status, 0, `${claim}: ADD: ${JSON.stringify(add.json)} ${add.stderr}`)
      else if (add.status !== 0) t.match(add.json, { code: 5, msg: /is a directory/ }, `${claim}: ADD says why not`)
      rmSync(path, { recursive: true, force: true })
      t.equal(run(here, 'DEL').status, 0, `${claim}: DEL at last`)
      t.equal(run(here, 'GC', NONE).status, 0)
    }
  })
}

t.test('odd things among the leases keep no other pod from its address', { skip }, async (t) => {
  const here = place(t)
  const leases = join(here.directory, 'data/net')
  for (const [at, oddity] of Object.keys(ODDITIES).entries()) put(join(leases, `10.1.0.${at + 2}`), oddity)
  const add = run(here, 'ADD')
  t.equal(add.status, 0, `${JSON.stringify(add.json)} ${add.stderr}`)
  for (let at = 0; at < Object.keys(ODDITIES).length; at++) {
    const asked = { runtimeConfig: { ips: [`10.1.0.${at + 2}`] } }
    const other = { CNI_CONTAINERID: `other${at}` }
    const { status, slow, json } = run(here, 'ADD', asked, 'host-local', other)
    t.notOk(slow, `an ADD that asks for ${asked.runtimeConfig.ips} ends`)
    if (status !== 0) t.equal(json.code, 103, JSON.stringify(json))
  }
  t.equal(run(here, 'DEL').status, 0)
  t.equal(run(here, 'GC', NONE).status, 0)
})

t.test('a resolv.conf that is none is refused by ADD and not minded by DEL', { skip }, async (t) => {
  const here = place(t)
  const path = join(here.directory, 'resolv.conf')
  const more = { ipam: { ...here.config.ipam, resolvConf: path } }
  for (const oddity of Object.keys(ODDITIES).filter((oddity) => ODDITIES[oddity]?.words || oddity.includes('link'))) {
    put(path, oddity)
    const add = run(here, 'ADD', more, 'host-local')
    t.match(add, { status: 1, json: { code: 5, msg: /failed to get DNS/ } }, `${oddity}: ADD`)
    t.notMatch(
      `${add.stderr}${add.json.details}`,
      /\brm\b/,
      `${oddity}: what the configuration names is not ours to remove`,
    )
    t.equal(run(here, 'DEL', more, 'host-local').status, 0, `${oddity}: DEL`)
  }
})

t.test('a table of nodes that is no file is refused by ADD, and GC leaves things be', { skip }, async (t) => {
  const here = place(t)
  const nodesFile = join(here.directory, 'nodes.json')
  const prevResult = { cniVersion: '1.1.0', interfaces: [], ips: [] }
  for (const oddity of Object.keys(ODDITIES)) {
    put(nodesFile, oddity)
    const more = { nodesFile, prevResult }
    const add = run(here, 'ADD', more, 'host-gw')
    t.equal(add.status, 1, `${oddity}: ADD fails`)
    t.ok([5, 7, 11].includes(add.json.code), `${oddity}: ADD: ${JSON.stringify(add.json)}`)
    t.notMatch(
      `${add.stderr}${add.json.details}`,
      /\brm\b/,
      `${oddity}: what the configuration names is not ours to remove`,
    )
    t.equal(run(here, 'DEL', more, 'host-gw').status, 0, `${oddity}: DEL`)
    t.equal(run(here, 'GC', { ...more, ...NONE }, 'host-gw').status, 0, `${oddity}: GC`)
  }
})

t.test('a namespace that is none is refused by ADD and gone for DEL', { skip }, async (t) => {
  const here = place(t)
  const path = join(here.directory, 'netns')
  for (const oddity of Object.keys(ODDITIES)) {
    put(path, oddity)
    for (const type of ['bridge', 'loopback']) {
      const add = run(here, 'ADD', {}, type, { CNI_NETNS: path })
      t.match(add, { status: 1, json: { code: 4 } }, `${oddity}: ADD of ${type}`)
      const del = run(here, 'DEL', {}, type, { CNI_NETNS: path })
      t.equal(del.status, 0, `${oddity}: DEL of ${type}: ${JSON.stringify(del.json)}`)
    }
  }
})

/** What a directory that the configuration names can be instead. */
const NO_DIRECTORY: Record<string, (path: string) => unknown> = {
  'a symbolic link that leads to itself': (path) => symlinkSync(path, path),
  'a file': (path) => writeFileSync(path, 'not ours'),
  'a FIFO': (path) => spawnSync('mkfifo', [path]),
}

t.test(
  'a state directory that is none holds no record: DEL succeeds, and says what is in the way',
  { skip },
  async (t) => {
    const here = place(t)
    const result = expectSuccess('ADD', { ...run(here, 'ADD'), stdout: '' } as never).json
    for (const [what, make] of Object.entries(NO_DIRECTORY)) {
      const obstacle = join(here.directory, `no-directory-${what}`)
      make(obstacle)
      for (const [stateDir, type] of [
        [obstacle, 'bridge'],
        [join(obstacle, 'below'), 'firewall'],
        [obstacle, 'portmap'],
      ] as const) {
        const more = { stateDir, ...(type === 'bridge' ? {} : { prevResult: result }) }
        const status = run(here, 'STATUS', { stateDir }, type)
        t.match(status, { status: 1, json: { code: 50, msg: /stateDir/ } }, `${type}: STATUS: ${what}`)
        const check = run(here, 'CHECK', { ...more, prevResult: result }, type)
        t.not(check.json?.code, 5, `${type}: CHECK: ${what}: ${JSON.stringify(check.json)}`)
        const del = run(here, 'DEL', more, type, { CNI_CONTAINERID: 'other' })
        t.equal(del.status, 0, `${type}: DEL: ${what}: ${JSON.stringify(del.json)}`)
        t.match(del.stderr, `because ${obstacle} is not a directory`, `${type}: DEL: ${what}`)
        t.notMatch(del.stderr, /\brm\b/, `${type}: DEL: ${what}`)
        t.equal(del.stderr.split('is not a directory').length, 2, `${type}: DEL says it once: ${del.stderr}`)
      }
    }
    t.equal(run(here, 'DEL').status, 0)
  },
)

t.test('what is read by name is read by the one way that knows odd things', async (t) => {
  /** Files of the kernel, of this suite's own making a moment before, and executables. */
  const others = [
    'lib/cni/delegate.ts', // the last bytes of an executable
    'lib/netns/namespace.ts', // looks at the magic of its filesystem
    'lib/nodes/stamp.ts', // its lock
    'lib/store/atomic.ts', // drafts
    'lib/store/record.ts', // for its lock; asks for the kind
    'lib/sysctl/sysctl.ts',
    'ipam/host-local/find.ts', // parts of the catalogue
    'ipam/host-local/leases.ts', // to be written again
    'ipam/host-local/records.ts', // to be written
    'ipam/host-local/store.ts', // the lock
    'plugins/tuning/allow-list.ts', // one that is odd must not count as absent, which allows everything
  ]
  const sources = ['lib', 'plugins', 'ipam']
    .flatMap(filesBelow)
    .filter((path) => path.endsWith('.ts') && !/\.test\.ts$|lib\/(sys|testing|engine)\/|generated/.test(path))
  const opening = sources.filter((path) =>
    /import \{[^}]*\bopen\b[^}]*\} from '[./a-z]*\/sys\/file\.js'/.test(readFileSync(path, 'utf8')),
  )
  t.same(opening.sort(), others.sort())
})
