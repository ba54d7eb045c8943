/** No plugin runs a program: what they do needs none on the node, and no PATH. strace is the witness. */

import { writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import t, { type Test } from 'tap'
import { chained } from '../testing/chained.js'
import { Cluster } from '../testing/cluster.js'
import { BIN, type Call, environment, type Json } from '../testing/cni.js'
import { Netns, needs } from '../testing/netns.js'
import { network } from '../testing/pod-network.js'

/** Runs a program of ours under strace; fails unless the only execve is the one that strace itself made. */
function runsAlone(t: Test, host: Netns, command: readonly string[], input: string, env: Record<string, string>): Json {
  const trace = ['strace', '-f', '-qq', '-s', '200', '-e', 'trace=execve,execveat,fork,vfork']
  const { status, stdout, stderr } = host.try([...trace, ...command], { input, env })
  const what = `${basename(command[0] ?? '')} ${env['CNI_COMMAND'] ?? command[1]}`
  t.equal(status, 0, `${what}: ${stdout}${stderr}`.slice(0, 500))
  const calls = stderr.split('\n').filter((line) => /^(\d+ +)?(execve|execveat|fork|vfork)\(/.test(line))
  t.equal(calls.length, 1, `${what} runs nothing${calls.slice(1).map((line) => `: ${line}`)}`)
  return stdout === '' ? undefined : JSON.parse(stdout)
}

/** A whole life: each command once. */
function live(t: Test, host: Netns, { config, ...call }: Pick<Call, 'config' | 'netns' | 'containerId'>): void {
  const valid = { 'cni.dev/valid-attachments': [{ containerID: 'other', ifname: 'eth0' }] }
  let result: Json
  for (const command of ['VERSION', 'STATUS', 'ADD', 'CHECK', 'GC', 'DEL', 'DEL'] as const) {
    // GC keeps what is there, and after DEL has nothing to keep.
    const more = command === 'GC' ? valid : command === 'CHECK' ? { prevResult: result } : {}
    const input = JSON.stringify({ ...config, ...more })
    const answer = runsAlone(t, host, [`${BIN}/${config.type}`], input, environment({ command, host, config, ...call }))
    if (command === 'ADD') result = answer
  }
}

t.test('no plugin runs a program', { skip: needs('root') }, async (t) => {
  t.test('bridge with IPAM, masquerading and checks of hardware addresses; host-local; loopback', async (t) => {
    const host = Netns.create(t, 'node')
    const config = network(t, { subnets: ['10.1.2.0/24', 'fd12::/64'], config: { ipMasq: true, macspoofchk: true } })
    live(t, host, { config, netns: Netns.create(t, 'pod', { loopback: false }) })
    live(t, host, { config: { ...config, type: 'host-local' }, netns: '/nowhere' })
    const loopback = { cniVersion: '1.1.0', name: 'net', type: 'loopback' }
    live(t, host, { config: loopback, netns: Netns.create(t, 'pod', { loopback: false }) })
  })

  const mappings = [8080, 53].map((hostPort) => ({
    hostPort,
    containerPort: 80,
    protocol: hostPort === 53 ? 'udp' : 'tcp',
  }))
  for (const plugin of [
    { type: 'portmap', runtimeConfig: { portMappings: mappings } },
    { type: 'bandwidth', ingressRate: 8e6, egressRate: 8e6 },
    { type: 'firewall', ingressPolicy: 'isolated' },
  ]) {
    t.test(plugin.type, async (t) => {
      const { host, add } = chained(t, plugin)
      for (const tables of ['iptables', 'ip6tables']) host.run(tables, '-P', 'FORWARD', 'DROP')
      live(t, host, add)
    })
  }

  for (const type of ['vxlan', 'host-gw']) {
    t.test(`${type}, and flatnet sync`, async (t) => {
      const cluster = new Cluster(t)
      for (const n of [1, 2]) {
        const podCIDRs = [`10.244.${n}.0/24`, `fd44:${n}::/64`]
        cluster.addNode({ name: `n${n}`, addresses: [`10.9.0.${n}/24`, `fd09:0::${n}/64`], podCIDRs })
      }
      cluster.tell()
      const [node] = cluster.nodes
      if (node === undefined) return
      const { host, directory } = node
      const { netns, id, prevResult } = node.makePod()
      const config = node.config({ type })
      live(t, host, { config: { ...config, prevResult }, netns, containerId: id })
      const { cniVersion, name, ...own } = config
      writeFileSync(`${directory}/conflist`, JSON.stringify({ cniVersion, name, plugins: [{ type: 'bridge' }, own] }))
      runsAlone(t, host, [`${BIN}/flatnet`, 'sync', '--json', `${directory}/conflist`], '', {})
    })
  }
})
