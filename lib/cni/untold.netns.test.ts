/** ADD whose result nobody can read is as if it had failed: the runtime must find nothing attached. */

import t, { type Test } from 'tap'
import { chained } from '../testing/chained.js'
import { BIN, type Call, call, environment, expectSuccess } from '../testing/cni.js'
import { Netns, needs } from '../testing/netns.js'
import { filesBelow, network } from '../testing/pod-network.js'

const skip = needs('root')

/** What stdout is, by a shell. `true` reads nothing and is gone. */
const UNREADABLE: Record<string, string> = {
  'a closed stdout': '>&-',
  'a full disk': '>/dev/full',
  'a reader that is gone': '| true',
}

/** Runs ADD with an unreadable stdout; its exit status and stderr. */
function addUnread({ host, ...request }: Call, redirect: string) {
  const { type } = request.config
  // With a pipe the reader must be gone before the result is: stdin comes after it.
  const gone = redirect.startsWith('|')
  const script = gone
    ? `{ sleep 0.3; cat; } | { ${BIN}/${type}; echo $? >&2; } ${redirect}`
    : `${BIN}/${type} ${redirect}; echo $? >&2`
  const options = { input: JSON.stringify(request.config), env: environment({ host, ...request }) }
  return host.try(['sh', '-c', script], options).stderr
}

function isUndone(t: Test, request: Call, state: () => unknown, before: unknown, what: string, redirect: string): void {
  const stderr = addUnread(request, redirect)
  t.match(stderr, /cannot be told, so it is undone/, what)
  t.match(stderr, /^1$/m, what)
  t.same(state(), before, `${request.config.type}, ${what}: as before`)
}

t.test('ADD whose result cannot be written is undone', { skip }, async (t) => {
  t.test('bridge and host-local', async (t) => {
    for (const type of ['bridge', 'host-local']) {
      const host = Netns.create(t, 'host')
      const netns = Netns.create(t, 'pod', { loopback: false })
      const config = { ...network(t, { config: { ipMasq: true, macspoofchk: true } }), type }
      const state = () => ({
        links: [...host.ip('link'), ...netns.ip('link')].filter(
          ({ ifname }) => ifname.startsWith('veth') || ifname === 'eth0',
        ),
        tables: host.run('nft', 'list', 'tables'),
        files: [...filesBelow(config.stateDir), ...filesBelow(config.ipam.dataDir)].filter((name) =>
          /^10\.|json/.test(name),
        ),
      })
      const before = state()
      for (const [what, redirect] of Object.entries(UNREADABLE)) {
        isUndone(t, { command: 'ADD', host, config, netns }, state, before, what, redirect)
      }
      expectSuccess('ADD', call({ command: 'ADD', host, config, netns }))
    }
  })

  t.test('loopback', async (t) => {
    const host = Netns.create(t, 'host')
    const netns = Netns.create(t, 'pod', { loopback: false })
    const config = { cniVersion: '1.1.0', name: 'net', type: 'loopback' }
    const state = () => netns.ip('link', 'show', 'lo')[0].flags
    const before = state()
    for (const [what, redirect] of Object.entries(UNREADABLE)) {
      isUndone(t, { command: 'ADD', host, config, netns }, state, before, what, redirect)
    }
  })

  for (const plugin of [
    { type: 'portmap', runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] } },
    { type: 'bandwidth', ingressRate: 8e6, ingressBurst: 8e5, egressRate: 8e6, egressBurst: 8e5 },
    { type: 'firewall', ingressPolicy: 'isolated' },
  ]) {
    t.test(plugin.type, async (t) => {
      const { host, add, del, stateDir } = chained(t, plugin)
      for (const tables of ['iptables', 'ip6tables']) host.run(tables, '-P', 'FORWARD', 'DROP')
      const state = () => ({
        ruleset: host.run('nft', 'list', 'ruleset'),
        links: host.ip('link').map(({ ifname }: { ifname: string }) => ifname),
        qdiscs: host.run('tc', 'qdisc').replace(/qdisc noqueue.*\n/g, ''),
        records: filesBelow(stateDir),
      })
      // What a DEL leaves is not a pod's: chains that firewall shares with the reference.
      expectSuccess('ADD', call({ ...add, host }))
      expectSuccess('DEL', call({ ...del, host }))
      const before = state()
      for (const [what, redirect] of Object.entries(UNREADABLE)) {
        isUndone(t, { ...add, host }, state, before, what, redirect)
      }
    })
  }
})
