/** Host ports that somebody else has: the reference's containers, and processes of the host. */

import { once } from 'node:events'
import t from 'tap'
import { call, expectSuccess, type Json, REFERENCE_BIN } from '../../lib/testing/cni.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { serve } from '../../lib/testing/peer.js'
import { network } from '../../lib/testing/pod-network.js'

const skip = needs('root')

const tcp = (hostPort: number, hostIP?: string) => ({ hostPort, containerPort: 80, protocol: 'tcp', hostIP })
const udp = (hostPort: number, hostIP?: string) => ({ hostPort, containerPort: 80, protocol: 'udp', hostIP })

function scene(t: Parameters<typeof network>[0] & Parameters<typeof Netns.create>[0]) {
  const host = Netns.create(t, 'node')
  host.batch('addr add 192.0.2.1/24 dev lo', 'addr add 192.0.2.2/24 dev lo')
  const { path } = Netns.create(t, 'pod')
  const { stateDir } = network(t, { subnets: ['10.1.2.0/24'] })
  const run = (command: 'ADD' | 'DEL' | 'STATUS', containerId: string, mappings: readonly Json[], more: Json = {}) => {
    const { bin, ...config } = more
    const ips = ['10.1.3.2/24', 'fd13::2/64'].map((address) => ({ address, interface: 0 }))
    const prevResult = { cniVersion: '1.0.0', interfaces: [{ name: 'eth0', sandbox: path }], ips }
    const portMappings = mappings.map(({ hostIP, ...rest }) => (hostIP === undefined ? rest : { ...rest, hostIP }))
    const common = { cniVersion: '1.0.0', name: 'net', type: 'portmap', prevResult, runtimeConfig: { portMappings } }
    const whole = bin === undefined ? { ...common, stateDir, ...config } : { ...common, ...config }
    return call({ command, host, netns: path, containerId, config: whole, ...(bin === undefined ? {} : { bin }) })
  }
  return { host, run, path, stateDir }
}

/** What knftables of the reference's nftables backend writes for a container. */
const NFT_BACKEND = `
  table ip cni_hostport { comment "CNI portmap plugin"
    chain hostports {
      tcp dport 8080 dnat to 10.9.9.9:80 comment "holder"
      ip daddr 192.0.2.1 udp dport 53 dnat to 10.9.9.9:53 comment "holder"
    }
  }`

for (const backend of ['iptables', 'nftables']) {
  t.test(
    `a port that a container of the reference has is refused, and the holder named: ${backend}`,
    { skip },
    async (t) => {
      const { host, run } = scene(t)
      const theirs = { bin: REFERENCE_BIN }
      const held = [tcp(8080), udp(53, '192.0.2.1')]
      if (backend === 'nftables') host.try(['nft', '-f', '-'], { input: NFT_BACKEND })
      else expectSuccess('ADD of the reference', run('ADD', 'holder', held, theirs))
      const before = host.run('nft', 'list', 'ruleset')
      for (const mapping of [tcp(8080), tcp(8080, '192.0.2.2'), udp(53), udp(53, '192.0.2.1')]) {
        const what = JSON.stringify(mapping)
        const { json } = run('ADD', 'c1', [tcp(9999), mapping])
        t.match(
          json,
          { code: 104, msg: /already mapped by the reference's portmap for .*holder/, details: /cni_hostport|CNI-DN-/ },
          what,
        )
        t.equal(host.run('nft', 'list', 'ruleset'), before, `${what}: nothing was changed`)
      }
      const free = [udp(8080), tcp(8081), udp(53, '192.0.2.2'), tcp(53)]
      expectSuccess('ADD', run('ADD', 'c1', free))
      expectSuccess('DEL', run('DEL', 'c1', free))
      expectSuccess('our ADD of the holder', run('ADD', 'holder', held))
      expectSuccess('our DEL of the holder', run('DEL', 'holder', held))
      t.notMatch(host.run('nft', 'list', 'ruleset'), /holder/, 'takes what the reference had for it along')
      if (backend === 'iptables') expectSuccess('ADD of the reference', run('ADD', 'holder', held, theirs))
      expectSuccess("ADD of the holder's other attachment", run('ADD', 'holder', held, { name: 'other' }))
      expectSuccess('DEL', run('DEL', 'holder', held, { name: 'other' }))
      if (backend === 'iptables') {
        expectSuccess('our DEL of the holder', run('DEL', 'holder', held))
        expectSuccess('ADD', run('ADD', 'c1', held))
      }
    },
  )
}

t.test('a process that listens on a mapped port is named, and nothing is refused', { skip }, async (t) => {
  const { host, run } = scene(t)
  await serve(host, 'host', 8080)
  for (const mapping of [tcp(8080), udp(8080), tcp(8080, '192.0.2.1')]) {
    const answer = expectSuccess('ADD', run('ADD', 'c1', [mapping]))
    const lines = answer.stderr.split('\n').filter((line) => line.includes('listens there'))
    t.equal(lines.length, 1, JSON.stringify(mapping))
    t.match(
      lines[0],
      new RegExp(`host port 8080/${mapping.protocol} leads to the container .* process \\d+ \\(node\\)`),
    )
    const pid = /process (\d+)/.exec(lines[0] ?? '')?.[1]
    t.match(host.run('ss', '-Hlnp', 'sport = :8080'), `pid=${pid},`, 'as ss says')
    expectSuccess('DEL', run('DEL', 'c1', [mapping]))
  }
  t.notMatch(expectSuccess('ADD', run('ADD', 'c1', [tcp(8081), udp(8081)])).stderr, /listens/, 'another port')
})

/** Listens on one address each, by TCP and UDP, and is ready when it says so. */
const LISTENER = `
let waiting = 0
const ready = () => { if (--waiting === 0) console.log('ready') }
for (const [address, port] of process.argv.slice(1).map((one) => one.split(','))) {
  waiting += 2
  require('net').createServer().listen(Number(port), address, ready)
  require('dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4').bind(Number(port), address, ready)
}`

t.test('so is one that listens on one address, where the mapping takes what is sent there', { skip }, async (t) => {
  const { host, run } = scene(t)
  host.batch('addr add fd13:1::1/64 dev lo nodad')
  const sockets = ['127.0.0.53,53', '192.0.2.1,53', 'fd13:1::1,53', '::1,54', '::ffff:127.0.0.1,55']
  const child = host.start([process.execPath, '-e', LISTENER, '--', ...sockets])
  if (child.stdout !== null) await once(child.stdout, 'data')
  const heard = (...mappings: Json[]) => {
    const { stderr } = expectSuccess('ADD', run('ADD', 'c1', mappings))
    expectSuccess('DEL', run('DEL', 'c1', mappings))
    return stderr.split('\n').filter((line) => line.includes('listens there'))
  }
  for (const mapping of [tcp(53), udp(53)]) {
    const lines = heard(mapping)
    t.equal(lines.length, 1, 'one warning for three sockets of a process')
    t.match(lines[0], new RegExp(`host port 53/${mapping.protocol} .* process ${child.pid} .* on .*127.0.0.53`))
    t.match(lines[0], /192.0.2.1/)
    t.match(lines[0], /fd13:1::1/)
  }
  t.match(heard(udp(53, '127.0.0.53')), [/on 127\.0\.0\.53;/])
  t.same(heard(udp(53, '192.0.2.2'), tcp(54, '192.0.2.1')), [], 'on other addresses')
  t.same(heard(tcp(54)), [], 'what is sent to ::1 leads to no container')
  t.match(heard(tcp(55), udp(56)), [/55\/tcp .*127\.0\.0\.1/], 'an IPv4 address of an IPv6 socket')
})

t.test('a configuration that gets no mappings for want of the capability says so', { skip }, async (t) => {
  const { host, path, stateDir } = scene(t)
  const prevResult = { cniVersion: '1.1.0', interfaces: [{ name: 'eth0', sandbox: path }], ips: [] }
  const run = (command: 'ADD' | 'STATUS', more: Json) =>
    expectSuccess(
      command,
      call({
        command,
        host,
        netns: path,
        config: { cniVersion: '1.1.0', name: 'net', type: 'portmap', stateDir, ...more },
      }),
    ).stderr
  for (const [command, more] of [
    ['ADD', { prevResult }],
    ['STATUS', {}],
  ] as const) {
    const lacking = /lacks "capabilities": \{"portMappings": true\}/
    t.match(run(command, more), lacking, command)
    t.match(run(command, { ...more, capabilities: { portMappings: false } }), lacking, command)
    t.equal(run(command, { ...more, capabilities: { portMappings: true } }), '', `${command}: no mapping was asked for`)
    t.equal(run(command, { ...more, runtimeConfig: { portMappings: [] } }), '', `${command}: a runtime that says none`)
  }
})
