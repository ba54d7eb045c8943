/** IPAM in the same process and IPAM as a process of its own: nobody can tell which it was. */

import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Answer, Attachment, BIN, call, environment, type Json } from '../../lib/testing/cni.js'
import { type Flat, flatten, parseKernelState, stateFunction, type Translate } from '../../lib/testing/kernel-state.js'
import { LONG } from '../../lib/testing/long.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { network } from '../../lib/testing/pod-network.js'
import { quoted, shell } from '../../lib/testing/shell.js'

const skip = needs('root')
const noStrace = skip || (spawnSync('strace', ['-V']).status === 0 ? false : 'needs strace')

const dual = { ranges: [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd01::/64' }]] }
const routes = [{ dst: '10.9.0.0/16', priority: 7, table: 99, mtu: 1300 }, { dst: 'fd09::/48' }]
const VERSIONS = ['0.2.0', '1.0.0', '1.1.0']
const CASES: Record<string, Json> = {
  'both families, default gateway': { isDefaultGateway: true, ipam: dual },
  'routes and DNS': { isGateway: true, ipam: { ...dual, routes, resolvConf: 'resolv.conf' } },
  'a requested address': { runtimeConfig: { ips: ['10.1.0.42'] }, ipam: dual },
  'a requested address that is the gateway': { runtimeConfig: { ips: ['10.1.0.1'] }, ipam: dual },
  'a range that is no range': { ipam: { ranges: [[{ subnet: '10.1.0.7/24' }]] } },
  'a value of the wrong type': { ipam: { ranges: 'all' } },
  'a file that is not there': { ipam: { ...dual, resolvConf: '/nowhere/resolv.conf' } },
}

/** The executables as another build of the same code: nothing differs but the build ID in the trailer. */
function anotherBuild(directory: string): string {
  const bytes = readFileSync(join(BIN, 'host-local'))
  const BUILD_ID_FROM_END = 24
  const at = bytes.length - BUILD_ID_FROM_END
  bytes[at] = (bytes[at] as number) ^ 0xff
  writeFileSync(join(directory, 'host-local'), bytes, { mode: 0o755 })
  return directory
}

function temporary(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'flatnet-delegation-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** An attachment's life, with IPAM from `path`: all that can be seen of it. */
async function live(t: Test, version: string, config: Json, path: string): Promise<Flat> {
  const directory = temporary(t)
  writeFileSync(join(directory, 'resolv.conf'), 'nameserver 10.0.0.53\nsearch a b\noptions ndots:2\n')
  // An address that is tentative changes by itself for a second or two.
  const host = Netns.create(t, 'host', { duplicates: false })
  const container = Netns.create(t, 'pod', { loopback: false, duplicates: false })
  const { resolvConf, ...ipam } = config.ipam
  const list = {
    cniVersion: version,
    name: 'net',
    type: 'bridge',
    bridge: 'cni0',
    stateDir: join(directory, 'state'),
    ...config,
    ipam: {
      type: 'host-local',
      dataDir: join(directory, 'data'),
      ...ipam,
      ...(resolvConf === undefined ? {} : { resolvConf: join(resolvConf[0] === '/' ? '' : directory, resolvConf) }),
    },
  }
  const attachment = new Attachment(host, list, container, { env: { CNI_PATH: path } })
  const own = (link: string) => `ip -6 -o addr show dev ${link} scope link -tentative | grep -q .`
  const inside = `nsenter --net=${container.path} sh -c ${quoted(own('eth0'))}`
  const addressed = `timeout 60 sh -c ${quoted(`until ${own('cni0')} && ${inside}; do sleep 0.1; done`)} || exit 1`
  const state = `${stateFunction(container.path, { host: 'cni0', container: 'eth0' }, join(directory, 'batch'))}
    # The kernel goes on for a while by itself: until two looks are the same but for the bridge's timers.
    before=; for look in $(seq 50); do
      now=$(state | sed 's/\\(_timer":\\)[0-9.]*/\\10/g'); [ "$now" = "$before" ] && break
      before=$now; sleep 0.1
    done
    printf '%s\\n' "$now"`
  const seen: Flat = new Map()
  const same = (value: string) => value.replaceAll(directory, 'HERE').replaceAll(container.path, 'NETNS')
  const look = async (when: string) => {
    const isThere = when !== 'DEL' && added.status === 0
    const { flat, translate } = parseKernelState(await shell(host, isThere ? `${addressed}\n${state}` : state), [])
    for (const [key, value] of flat) seen.set(`${when} ${key}`, value)
    for (const file of files(join(directory, 'data'))) seen.set(`${when} ${same(file)}`, 'there')
    return (value: string) => same(translate(value))
  }
  // On stderr each says its own name.
  const tell = (command: string, { status, json }: Answer, translate: Translate) =>
    flatten(seen, `${command} answer`, { status, json: json ?? null }, translate)
  const added = attachment.tryAdd()
  const translate = await look('ADD')
  tell('ADD', added, translate)
  if (version !== '0.2.0' && added.status === 0) tell('CHECK', attachment.tryCheck(), translate)
  if (version === '1.1.0') {
    tell('STATUS', attachment.status(), same)
    tell('GC', attachment.gc([{ containerID: 'c1', ifname: 'eth0' }]), same)
    await look('GC')
  }
  tell('DEL', attachment.tryDel(version === '0.2.0' ? { prevResult: undefined } : {}), translate)
  await look('DEL')
  return seen
}

function files(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
  } catch {
    return []
  }
}

t.test('a spawned host-local and our own give the same results, kernel state and errors', { skip }, async (t) => {
  const elsewhere = anotherBuild(temporary(t))
  for (const [at, [name, config]] of Object.entries(CASES).entries()) {
    // What differs by version is its verbs and the form of its answers: the first case has all, the others one each.
    const versions = LONG || at === 0 ? VERSIONS : VERSIONS.filter((_, which) => which === at % VERSIONS.length)
    for (const version of versions) {
      const [inside, spawned] = await Promise.all([live(t, version, config, BIN), live(t, version, config, elsewhere)])
      t.same(Object.fromEntries(spawned), Object.fromEntries(inside), `${name}, ${version}`)
    }
  }
})

/** How many executables ran for an ADD and a DEL. */
function executions(t: Test, executable: string, path: string): number[] {
  const directory = temporary(t)
  const host = Netns.create(t, 'host')
  const netns = Netns.create(t, 'pod', { loopback: false })
  const ipam = { type: 'host-local', dataDir: join(directory, 'data'), ...dual }
  const config = { cniVersion: '1.1.0', name: 'net', type: 'bridge', stateDir: join(directory, 'state'), ipam }
  return (['ADD', 'DEL'] as const).map((command) => {
    const trace = join(directory, command)
    const env = environment({ command, host, config, netns, bin: path })
    const strace = ['strace', '-f', '-qq', '-e', 'trace=execve', '-o', trace]
    const { status, stdout } = host.try([...strace, executable], { input: JSON.stringify(config), env })
    t.equal(status, 0, `${command}: ${stdout}`)
    return readFileSync(trace, 'utf8').split('execve(').length - 1
  })
}

t.test(
  'one process does both, from hard links and from copies; another build is spawned',
  { skip: noStrace },
  async (t) => {
    t.same(executions(t, join(BIN, 'bridge'), BIN), [1, 1], 'hard links')
    const copies = temporary(t)
    for (const name of ['bridge', 'host-local']) copyFileSync(join(BIN, name), join(copies, name))
    t.same(executions(t, join(copies, 'bridge'), copies), [1, 1], 'copies')
    t.same(executions(t, join(BIN, 'bridge'), copies), [1, 1], 'one of each')
    t.same(executions(t, join(BIN, 'bridge'), anotherBuild(temporary(t))), [2, 2], 'another build')
  },
)

t.test('what a plugin and its IPAM plugin both read is said once', { skip }, async (t) => {
  const host = Netns.create(t, 'host')
  const config = { ...network(t), cniVersion: '1.0.0', prevResult: { cniVersion: '0.2.0' } }
  const { status, stderr } = call({ command: 'DEL', host, netns: '/nowhere', config })
  t.equal(status, 0)
  t.equal(stderr.split('does not fit').length, 2, stderr)
})

t.test('a CNI_NETNS that is no file is called what it is', { skip }, async (t) => {
  const host = Netns.create(t, 'host')
  const fifo = join(temporary(t), 'fifo')
  spawnSync('mkfifo', [fifo])
  const { json } = call({ command: 'ADD', host, netns: fifo, config: network(t) })
  t.match(json, { code: 4, details: /CNI_NETNS names a device, a pipe or a socket, not a namespace/ })
})
