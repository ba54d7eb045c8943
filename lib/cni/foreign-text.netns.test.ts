/** Words of others, wherever they are shown: none of them moves a cursor, turns a line round or begins a new one. */

import t from 'tap'
import { call, expectSuccess, type Json } from '../testing/cni.js'
import { Netns, needs } from '../testing/netns.js'
import { network } from '../testing/pod-network.js'

const EVIL = 'web\u202e0\x1b[2J\x7f\u2066\nflatnet bridge: forged'

/** Controls, but for the line ends of the programs that show it, and what turns the direction of text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNSEEN = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/

t.test(
  'a name of a pod with controls in it is plain in aliases, comments, results and errors',
  { skip: needs('root') },
  async (t) => {
    const host = Netns.create(t, 'host')
    const netns = Netns.create(t, 'pod', { loopback: false })
    const config = network(t, { config: { ipMasq: true, macspoofchk: true } })
    const args = `K8S_POD_NAMESPACE=default;K8S_POD_NAME=${EVIL.replace('\n', '')}`
    const request = { host, netns, args, ifName: 'e\u202e\x7f0' }
    const { json: prevResult } = expectSuccess('ADD', call({ command: 'ADD', config, ...request }))
    const portmap = {
      ...config,
      type: 'portmap',
      prevResult,
      runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] },
    }
    const limits = {
      ...config,
      type: 'bandwidth',
      prevResult,
      ingressRate: 8e6,
      ingressBurst: 8e5,
      egressRate: 8e6,
      egressBurst: 8e5,
    }
    const firewall = { ...config, type: 'firewall', prevResult, ingressPolicy: 'isolated' }
    for (const chained of [portmap, limits, firewall])
      expectSuccess('ADD', call({ command: 'ADD', config: chained, ...request }))
    const aliases = host.ip('link').map(({ ifalias = '' }: Json) => ifalias)
    t.match(aliases.join(), /default\/web\?0/)
    t.notMatch(aliases.join(), UNSEEN, 'aliases')
    const ruleset = host.run('nft', 'list', 'ruleset').replaceAll('\t', ' ')
    t.match(ruleset, /default\/web\?0/)
    t.notMatch(ruleset, UNSEEN, 'comments')
    // What the alias says of the interface is still read back: GC finds the pod by it when its record is lost.
    host.run('rm', '-r', config.stateDir)
    expectSuccess('GC', call({ command: 'GC', host, config: { ...config, 'cni.dev/valid-attachments': [] } }))
    t.same(
      host.ip('link').filter(({ ifname }: Json) => ifname.startsWith('veth')),
      [],
    )
  },
)

t.test('errors and warnings show what a configuration says without its controls', async (t) => {
  const host = Netns.create(t, 'host')
  const config = { ...network(t), [EVIL]: 1, bridge: EVIL, ipam: { type: EVIL } }
  for (const command of ['ADD', 'STATUS', 'DEL'] as const) {
    const { stdout, stderr } = call({ command, host, config, netns: `/nowhere/${EVIL}`, ifName: 'eth0' })
    t.notMatch(stdout, UNSEEN)
    t.notMatch(stderr, UNSEEN)
    t.notMatch(stderr, /^flatnet bridge: forged/m)
  }
})
