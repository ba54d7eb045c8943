/**
 * A node that runs flannel: its own VXLAN backend makes the other end of our tunnel (`go/flannel` has why not flanneld).
 * The two know of each other what flannel's leases and our table of nodes hold: addresses, subnets and `vtepMAC`.
 */

import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { type Claims, holds, same } from './claims.js'
import { attempt, makeNamespace, NODE, netnsPath, OUTSIDE, pings, run, start, until } from './lab.js'
import { type PluginSet, PROGRAMS } from './plugin-sets.js'

const OURS = { subnet: '10.244.1.0/24', publicIP: '10.9.0.1', vtepMAC: '0a:58:0a:f4:01:00' }
const PEERS = '/run/peers.json'
const LOG = '/run/flannel.log'
const CONFLIST = '/etc/cni/net.d/10-podnet.conflist'

/** Answers one connection after another with the address it comes from. */
const MIRROR = `require('node:net').createServer((socket) => {
  socket.on('error', () => {})
  socket.end(socket.remoteAddress.replace('::ffff:', ''))
}).listen(7777)`

const ASK = `require('node:net').connect({ host: process.argv[1], port: 7777, timeout: 3000 })
  .on('timeout', () => process.exit(1)).on('error', () => process.exit(1)).pipe(process.stdout)`

function seenBy(address: string, from: string): string {
  return attempt(from, [process.execPath, '-e', ASK, address]).stdout
}

function conflist(set: PluginSet, vtepMAC: string): string {
  const nodes = [
    { name: 'ours', addresses: ['10.9.0.1'], podCIDRs: ['10.244.1.0/24'] },
    { name: 'flannel', addresses: ['10.9.0.2'], podCIDRs: ['10.244.2.0/24'], vtepMAC },
  ]
  const ipam = { type: 'host-local', ranges: [[{ subnet: '10.244.1.0/24' }]] }
  const bridge = { type: 'bridge', bridge: 'cni0', isDefaultGateway: true, ipMasq: true, ipam }
  const plugins = set.name === 'flatnet' ? [bridge, { type: 'vxlan', nodes }] : [bridge]
  return JSON.stringify({ cniVersion: '1.0.0', name: 'podnet', plugins })
}

/** Starts flannel; the hardware address that it announces in its lease, and the end of it. */
function startFlannel(): { mac: string; stop: () => void } {
  const log = openSync(LOG, 'w')
  const child = start(OUTSIDE, [`${PROGRAMS}/flannel`, '10.244.0.0/16', '10.244.2.0/24', 'uplink', PEERS], log)
  const lease = () => readFileSync(LOG, 'utf8').match(/"vtepMAC":"([0-9a-f:]{17})"/)?.[1]
  holds(
    until(() => lease() !== undefined),
    `flannel did not start: ${readFileSync(LOG, 'utf8')}`,
  )
  holds(
    until(() => attempt(OUTSIDE, ['ip', 'route', 'show', OURS.subnet]).stdout.includes('flannel.1')),
    `flannel made no route: ${readFileSync(LOG, 'utf8')}`,
  )
  return { mac: lease() ?? '', stop: () => child.kill('SIGKILL') }
}

/** A pod of the flannel node, made by hand. */
function makePodAway(): void {
  makeNamespace('away')
  run(OUTSIDE, ['sysctl', '-qw', 'net.ipv4.ip_forward=1'])
  run(OUTSIDE, ['ip', 'link', 'add', 'cni0', 'type', 'bridge'])
  run(OUTSIDE, ['ip', 'address', 'add', '10.244.2.1/24', 'dev', 'cni0'])
  run(OUTSIDE, ['ip', 'link', 'set', 'cni0', 'up'])
  const pair = 'link add veth0 mtu 1450 master cni0 type veth peer name eth0 mtu 1450 netns'
  run(OUTSIDE, ['ip', ...pair.split(' '), netnsPath('away')])
  run(OUTSIDE, ['ip', 'link', 'set', 'veth0', 'up'])
  run('away', ['ip', 'address', 'add', '10.244.2.2/24', 'dev', 'eth0'])
  run('away', ['ip', 'link', 'set', 'eth0', 'up'])
  run('away', ['ip', 'route', 'add', 'default', 'via', '10.244.2.1'])
}

export function flannel(set: PluginSet, { claim }: Claims): void {
  if (set.name !== 'flatnet') return
  writeFileSync(PEERS, JSON.stringify([OURS]))
  let { mac, stop } = startFlannel()
  makePodAway()
  makeNamespace('pod')
  mkdirSync('/etc/cni/net.d', { recursive: true })
  writeFileSync(CONFLIST, conflist(set, mac))
  const env = { CNI_PATH: set.bin }
  const cnitool = (verb: string) => run(NODE, [`${PROGRAMS}/cnitool`, verb, 'podnet', netnsPath('pod')], { env })
  cnitool('add')
  for (const netns of ['pod', 'away', NODE, OUTSIDE]) {
    start(netns, [process.execPath, '-e', MIRROR])
    until(() => run(netns, ['ss', '-Hltn', 'sport = :7777']) !== '')
  }

  const reach = () => {
    holds(pings('pod', '10.244.2.2'), 'our pod gets no answer')
    holds(pings('away', '10.244.1.2'), "flannel's pod gets no answer")
  }
  claim('the pods of the two nodes ping each other', reach)
  claim('each sees the address of the other, unmasqueraded', () => {
    same(seenBy('10.244.2.2', 'pod'), '10.244.1.2')
    same(seenBy('10.244.1.2', 'away'), '10.244.2.2')
  })
  claim('our pod reaches the flannel node itself, which sees the pod', () =>
    same(seenBy('10.9.0.2', 'pod'), '10.244.1.2'),
  )
  claim('the nodes reach the pods of the other', () => {
    same(seenBy('10.244.2.2', NODE), '10.244.1.0')
    same(seenBy('10.244.1.2', OUTSIDE), '10.244.2.0')
  })
  claim('the largest packet of a pod passes whole, both ways', () => {
    for (const [from, to] of [
      ['pod', '10.244.2.2'],
      ['away', '10.244.1.2'],
    ] as const) {
      same(attempt(from, ['ping', '-n', '-c', '1', '-W', '3', '-M', 'do', '-s', '1422', to]).status, 0)
    }
  })
  claim('either has the entries of the other that it would have of its own kind', () => {
    const entries = (netns: string, device: string, base: string) => [
      run(netns, ['ip', 'neigh', 'show', 'nud', 'permanent', 'dev', device]).trim(),
      run(netns, ['bridge', 'fdb', 'show', 'dev', device])
        .trim()
        .split('\n')
        .filter((line) => line.includes(' dst ')),
      run(netns, ['ip', 'route', 'show', `${base}/24`])
        .trim()
        .replace(/ (proto|mtu) \d+/g, '')
        .replace(device, '<device>'),
    ]
    const of = (base: string, lladdr: string, node: string) => [
      `${base} lladdr ${lladdr} PERMANENT`,
      [`${lladdr} dst ${node} self permanent`],
      `${base}/24 via ${base} dev <device> onlink`,
    ]
    same(entries(NODE, 'flat.1', '10.244.2.0'), of('10.244.2.0', mac, '10.9.0.2'))
    same(entries(OUTSIDE, 'flannel.1', '10.244.1.0'), of('10.244.1.0', OURS.vtepMAC, '10.9.0.1'))
  })
  claim('check holds', () => cnitool('check'))

  claim('flannel starts anew with another hardware address: sync takes it from the table', () => {
    stop()
    run(OUTSIDE, ['ip', 'link', 'del', 'flannel.1'])
    const before = mac
    ;({ mac, stop } = startFlannel())
    holds(mac !== before, 'it is the same')
    holds(!pings('pod', '10.244.2.2'), 'packets pass with the old one')
    writeFileSync(CONFLIST, conflist(set, mac))
    run(NODE, [`${set.bin}/flatnet`, 'sync', CONFLIST])
    reach()
  })
  claim('our tunnel is made anew: flannel has nothing to learn', () => {
    run(NODE, ['ip', 'link', 'del', 'flat.1'])
    run(NODE, [`${set.bin}/flatnet`, 'sync', CONFLIST])
    reach()
  })
  cnitool('del')
  stop()
}
