/**
 * The real firewalld on a bus of its own, in namespaces of its own: `make netns FLATNET_LONG=1 ARGS=firewalld`, where
 * firewalld and dbus are installed (Debian: `apt-get install --no-install-recommends firewalld dbus`).
 */

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Answer, BIN, type Command, environment, type Json } from '../../lib/testing/cni.js'
import { LONG } from '../../lib/testing/long.js'
import { type Netns, needs } from '../../lib/testing/netns.js'
import { NODE, node, OUTSIDE } from '../../lib/testing/node.js'
import { ask, isSilent, serve } from '../../lib/testing/peer.js'

const skip = needs('root') || (LONG ? lacking() : 'takes FLATNET_LONG=1')

function lacking(): string | false {
  const missing = ['firewalld', 'firewall-cmd', 'dbus-daemon'].filter(
    (program) => spawnSync('sh', ['-c', `PATH=$PATH:/usr/sbin command -v ${program}`]).status !== 0,
  )
  return missing.length === 0 ? false : `not installed: ${missing.join(', ')}`
}

const BUS = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=SOCKET</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/>
    <allow send_type="method_call"/><allow send_type="signal"/><allow send_requested_reply="true"/>
    <allow receive_type="method_call"/><allow receive_type="method_return"/>
    <allow receive_type="error"/><allow receive_type="signal"/>
  </policy>
</busconfig>
`

interface Firewalld {
  /** `firewall-cmd` with these arguments; its answer. */
  tell(...args: string[]): string
  /** Runs a program where the system bus is this one. */
  where(command: readonly string[], input: string, env: Record<string, string>): Answer
}

/** firewalld in the namespace, with nothing configured but the default zone `drop`. */
async function firewalld(t: Test, host: Netns): Promise<Firewalld> {
  const directory = mkdtempSync(join(tmpdir(), 'flatnet-firewalld-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  mkdirSync('/run/dbus', { recursive: true })
  mkdirSync(join(directory, 'bus'))
  mkdirSync(join(directory, 'etc', 'zones'), { recursive: true })
  mkdirSync(join(directory, 'run'))
  writeFileSync(join(directory, 'bus.conf'), BUS.replace('SOCKET', '/run/dbus/system_bus_socket'))
  writeFileSync(join(directory, 'etc', 'firewalld.conf'), 'DefaultZone=drop\nFirewallBackend=nftables\n')
  const mounts = [
    `mount --bind ${directory}/bus /run/dbus`,
    `mount --bind ${directory}/etc /etc/firewalld`,
    'export PATH=$PATH:/usr/sbin:/sbin',
    'exec "$@"',
  ].join(' && ')
  const inside = (command: readonly string[]) => {
    const privately = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', mounts, 'sh']
    return [...privately, ...command]
  }
  const tell = (...args: string[]): string => {
    const { status, stdout, stderr } = host.try(inside(['firewall-cmd', ...args]))
    return status === 0 ? stdout.trim() : `${stdout}${stderr}`
  }
  const bus = host.start(
    inside(['dbus-daemon', `--config-file=${directory}/bus.conf`, '--nofork', '--nopidfile', '--print-address']),
  )
  await new Promise((ready) => bus.stdout?.once('data', ready))
  let said = ''
  const daemon = host.start(inside(['firewalld', '--nofork', '--nopid', '--log-file', `${directory}/log`]))
  for (const stream of [daemon.stdout, daemon.stderr]) {
    stream?.on('data', (data) => {
      said += String(data)
    })
  }
  for (let tries = 0; tell('--state') !== 'running'; tries++) {
    if (tries === 120 || daemon.exitCode !== null) throw new Error(`firewalld does not run: ${said}`)
    await new Promise((done) => setTimeout(done, 500))
  }
  return {
    tell,
    where(command, input, env) {
      const output = host.try(inside(command), { input, env })
      return { ...output, json: output.stdout === '' ? undefined : JSON.parse(output.stdout) }
    },
  }
}

t.test('the real firewalld: what its default zone drops passes for a container with firewall', { skip }, async (t) => {
  const { host, outside, pod, list } = node(t, { config: { ipMasq: true } })
  const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }]
  const portmap = { type: 'portmap', capabilities: { portMappings: true } }
  const [shut, open] = [pod('shut'), pod('open', [portmap], { capabilities: { portMappings } })]
  shut.attachment.add()
  const prevResult = open.attachment.add()
  await serve(outside, 'outside', 80)
  for (const family of [4, 6] as const)
    t.match(ask(shut.netns, OUTSIDE[family], 80), /^outside sees/, 'without firewalld')

  const { tell, where } = await firewalld(t, host)
  t.equal(tell('--get-default-zone'), 'drop')
  for (const family of [4, 6] as const) t.ok(isSilent(shut.netns, OUTSIDE[family], 80), `it drops, IPv${family}`)
  // As where docker runs too.
  host.run('iptables', '-P', 'FORWARD', 'DROP')
  host.run('ip6tables', '-P', 'FORWARD', 'DROP')
  await serve(open.netns, 'open', 80)

  const config = { cniVersion: '1.1.0', name: 'net', type: 'firewall', stateDir: list.stateDir, prevResult }
  const run = (command: Command, more: Json = {}): Answer => {
    const request = { command, host, config, netns: open.netns, containerId: 'open' }
    return where([`${BIN}/firewall`], JSON.stringify({ ...config, ...more }), environment(request))
  }
  const sources = () =>
    tell('--zone=trusted', '--list-sources')
      .split(' ')
      .filter((one) => one !== '')
  const added = run('ADD')
  t.equal(added.status, 0, added.stdout)
  t.same(sources(), ['10.1.2.3/32', 'fd12::3/128'], 'ADD makes its addresses sources of the zone')
  for (const family of [4, 6] as const) {
    t.match(ask(open.netns, OUTSIDE[family], 80), /^outside sees/, `its traffic passes, IPv${family}`)
    t.match(ask(outside, NODE[family], 8080), /^open sees/, `its host port is reached from outside, IPv${family}`)
    t.ok(isSilent(shut.netns, OUTSIDE[family], 80), `others' does not, IPv${family}`)
  }
  t.equal(run('CHECK').status, 0)

  t.equal(tell('--reload'), 'success')
  if (sources().length === 0) {
    t.match(run('CHECK').json, { code: 100, details: /10\.1\.2\.3 is no source of firewalld's zone trusted/ })
    t.equal(run('ADD').status, 0, 'the next ADD repairs what a reload forgot')
  }
  t.same(sources(), ['10.1.2.3/32', 'fd12::3/128'])
  t.equal(run('CHECK').status, 0)
  t.match(ask(open.netns, OUTSIDE[4], 80), /^outside sees/, 'after a reload')

  const refused = where(
    [`${BIN}/firewall`],
    JSON.stringify({ ...config, firewalldZone: 'nowhere' }),
    environment({ command: 'ADD', host, config, netns: shut.netns, containerId: 'shut' }),
  )
  t.match(refused.json, { code: 50, msg: /firewalld refuses the container in zone nowhere.*INVALID_ZONE/ })

  for (const time of ['first', 'second']) t.equal(run('DEL').status, 0, `${time} DEL`)
  t.same(sources(), [], 'DEL removes them')
  tell('--zone=trusted', '--add-source=10.1.2.3/32') // as the reference has it
  t.equal(run('DEL').status, 0)
  t.same(sources(), [], 'and the reference’s, of which there is no record')
  for (const family of [4, 6] as const)
    t.ok(isSilent(open.netns, OUTSIDE[family], 80), `nothing passes any more, IPv${family}`)
})
