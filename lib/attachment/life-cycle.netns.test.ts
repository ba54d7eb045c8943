/** What holds of the record of every plugin that keeps one, whatever it is that the plugin does. */

import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { chained } from '../testing/chained.js'
import { BIN, type Call, call, environment, expectSuccess, type Json } from '../testing/cni.js'
import { Netns, needs } from '../testing/netns.js'

const skip = needs('root')

const PLUGINS: Json[] = [
  { type: 'portmap', runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] } },
  { type: 'firewall', ingressPolicy: 'isolated' },
  { type: 'bandwidth', ingressRate: 8e6, egressRate: 4e6 },
  { type: 'tuning', mtu: 1400, sysctl: { 'net.ipv4.conf.IFNAME.arp_notify': '1' } },
  { type: 'bridge', bridge: 'br7', ipMasq: true, ipam: { type: 'host-local', subnet: '10.7.0.0/24' } },
]

interface Scene {
  readonly host: Netns
  readonly add: Omit<Call, 'host'>
  readonly del: Omit<Call, 'host'>
  /** Files that hold its records. */
  records(): string[]
  /** Elements and links that bear the attachment's key. */
  traces(): string[]
}

/** A container to attach, or to chain a plugin to. */
function sceneOf(t: Test, plugin: Json): Scene {
  const { host, stateDir, add, del } = chained(t, plugin)
  if (plugin.type === 'bridge') {
    const config = { ...add.config, prevResult: undefined, ipam: { ...plugin.ipam, dataDir: join(stateDir, 'leases') } }
    const netns = Netns.create(t, 'other')
    Object.assign(add, { config, netns, containerId: 'c7' })
    Object.assign(del, { config, netns, containerId: 'c7' })
  }
  const folder = join(stateDir, 'net', plugin.type)
  const others = new Set(readRecords(folder))
  const records = () => readRecords(folder).filter((path) => !others.has(path))
  const traces = () => {
    const id = `net/${add.containerId}/eth0`
    const ruleset = host.run('nft', '-s', 'list', 'ruleset').split('\n')
    const links = host.ip('link', 'show').map(({ ifname, ifalias = '' }: Json) => `${ifname} ${ifalias}`)
    return [...ruleset.filter((line) => line.includes(id)), ...links.filter((line) => /^bwp|net\/c7 /.test(line))]
  }
  return { host, add, del, records, traces }
}

function readRecords(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => join(folder, name))
  } catch {
    return []
  }
}

/** Runs a call under strace, which injects something into its system calls. */
function injected({ host }: Scene, request: Omit<Call, 'host'>, name: string, inject: string) {
  const log = join(tmpdir(), `flatnet-inject-${process.pid}`)
  const command = [
    'strace',
    '-f',
    '-qq',
    '-o',
    log,
    '-e',
    `trace=${name}`,
    ...(inject === '' ? [] : ['-e', `inject=${name}:${inject}`]),
  ]
  const input = JSON.stringify(request.config)
  const output = host.try([...command, `${BIN}/${request.config.type}`], {
    input,
    env: environment({ ...request, host }),
  })
  const lines = readFileSync(log, 'utf8').split('\n')
  return { ...output, calls: lines.filter((line) => line.includes(`${name}(`)).length }
}

for (const plugin of PLUGINS) {
  t.test(`${plugin.type}: an ADD that fails at a socket or at a request leaves no record`, { skip }, async (t) => {
    const scene = sceneOf(t, plugin)
    let failed = 0
    for (const [name, errno] of [
      ['socket', 'EMFILE'],
      ['sendto', 'ENOBUFS'],
    ] as const) {
      const { status, calls, stdout } = injected(scene, scene.add, name, '')
      t.equal(status, 0, stdout)
      expectSuccess('DEL', call({ ...scene.del, host: scene.host }))
      for (let nth = 1; nth <= calls; nth++) {
        const answer = injected(scene, scene.add, name, `error=${errno}:when=${nth}`)
        if (answer.status === 0) expectSuccess('DEL', call({ ...scene.del, host: scene.host }))
        else failed++
        t.same(scene.records(), [], `${name} ${nth}: ${answer.stdout}`)
      }
    }
    t.ok(failed > 2, `${failed} have failed`)
  })

  t.test(`${plugin.type}: a DEL that is killed leaves a record that says so`, { skip }, async (t) => {
    const scene = sceneOf(t, plugin)
    expectSuccess('ADD', call({ ...scene.add, host: scene.host }))
    const [path = ''] = scene.records()
    const size = readFileSync(path).length
    t.equal(JSON.parse(readFileSync(path, 'utf8')).state, 'ready')
    injected(scene, scene.del, 'sendto', 'signal=KILL:when=1')
    const text = readFileSync(path, 'utf8')
    t.equal(JSON.parse(text).state, 'removing')
    t.equal(text.length, size, 'and is not longer, so that a full disk does not stop DEL')
    expectSuccess('ADD', call({ ...scene.add, host: scene.host }))
    // Earlier builds knew no such word.
    writeFileSync(path, readFileSync(path, 'utf8').replace('"ready"', '"adding"'))
    expectSuccess('DEL', call({ ...scene.del, host: scene.host }))
    t.same(scene.records(), [])
  })

  t.test(`${plugin.type}: no size or shape of a record stops DEL, GC or the next ADD`, { skip }, async (t) => {
    const scene = sceneOf(t, plugin)
    const { host } = scene
    const gc = {
      ...scene.del,
      command: 'GC',
      config: { ...scene.del.config, 'cni.dev/valid-attachments': [] },
    } as const
    const damages: [string, (path: string, text: string) => void][] = [
      ['empty', (path) => writeFileSync(path, '')],
      ['larger than is read', (path) => truncateSync(path, 2 ** 30)],
      ['no content', (path, text) => writeFileSync(path, JSON.stringify({ ...JSON.parse(text), content: null }))],
      ['a list', (path, text) => writeFileSync(path, JSON.stringify({ ...JSON.parse(text), content: [1] }))],
      [
        'other types',
        (path, text) =>
          writeFileSync(path, text.replace('"content":{', '"content":{"addresses":7,"families":"x","link":3,')),
      ],
      [
        'numbers for all words',
        (path, text) =>
          writeFileSync(path, JSON.stringify({ ...JSON.parse(text), content: numbered(JSON.parse(text).content) })),
      ],
      [
        'strange words',
        (path, text) =>
          writeFileSync(path, JSON.stringify({ ...JSON.parse(text), content: strange(JSON.parse(text).content) })),
      ],
    ]
    for (const [what, damage] of damages) {
      for (const next of [scene.del, gc, scene.add]) {
        const before = scene.traces()
        expectSuccess('ADD', call({ ...scene.add, host }))
        const [path = ''] = scene.records()
        damage(path, readFileSync(path, 'utf8'))
        const answer = call({ ...next, host })
        // A living attachment of bridge is refused by what the kernel has, not by its record.
        const isRefused = next === scene.add && plugin.type === 'bridge'
        t.equal(answer.status, isRefused ? 1 : 0, `${what}: ${next.command}: ${answer.stdout}`)
        if (next === scene.add) expectSuccess('DEL', call({ ...scene.del, host }))
        t.same(scene.records(), [], `${what}: ${next.command} leaves no record`)
        t.same(scene.traces(), before, `${what}: ${next.command} leaves nothing of the container`)
      }
    }
  })
}

/** Every text of a value replaced. */
function replaced(value: Json, text: unknown): Json {
  if (typeof value === 'string') return text
  if (Array.isArray(value)) return value.map((one) => replaced(one, text))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, replaced(one, text)]))
}

const numbered = (content: Json) => replaced(content, 5)
const strange = (content: Json) => replaced(content, 'no such thing')
