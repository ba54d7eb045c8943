/** What holds of the record of every plugin that keeps one, whatever it is that the plugin does. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
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
  { type: 'bridge', bridge: 'br7', ipMasq: true, ipam: { type: 'host-local', subnet: '10.7.0.0/24' } },
]

interface Scene {
  readonly host: Netns
  readonly add: Omit<Call, 'host'>
  readonly del: Omit<Call, 'host'>
  /** Files that hold its records. */
  records(): string[]
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
  return { host, add, del, records: () => readRecords(folder).filter((path) => !others.has(path)) }
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
    t.ok(failed > 3, `${failed} have failed`)
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
}
