/** The library as a runtime uses it: its cache over restarts, GC with the valid attachments, a reboot, a hundred at once. */

import type { ChildProcess } from 'node:child_process'
import { rmSync } from 'node:fs'
import { type Claims, holds, same, sameLines } from './claims.js'
import {
  addressesOf,
  fetchFrom,
  filesBelow,
  leases,
  macOf,
  makeNamespace,
  NODE,
  NODE_ADDRESS,
  netnsPath,
  OUTSIDE,
  pings,
  reboot,
  removeNamespace,
  run,
  serve,
  snapshot,
} from './lab.js'
import { type Attachment, CACHE, type Call, callLibrary, mustCall } from './libcni-program.js'
import { type PluginSet, podNetwork } from './plugin-sets.js'

const AT_ONCE = 100

const NO_GC = { reference: 'no plugin of it implements GC' }

const attachment = (name: string, more: Partial<Attachment> = {}): Attachment => ({
  id: name,
  netns: netnsPath(name),
  ifname: 'eth0',
  ...more,
})

const kubernetes = (pod: string) =>
  [
    ['K8S_POD_INFRA_CONTAINER_ID', pod],
    ['K8S_POD_NAME', pod],
    ['K8S_POD_NAMESPACE', 'default'],
    ['K8S_POD_UID', `uid-${pod}`],
    ['IgnoreUnknown', '1'],
  ] as const

export function libcni(set: PluginSet, { claim }: Claims): void {
  const request = (verb: Call['verb'], attachments: readonly Attachment[], more: Partial<Call> = {}): Call => ({
    verb,
    conflist: podNetwork(set),
    path: [set.bin],
    attachments,
    ...more,
  })
  const all = (verb: Call['verb'], attachments: readonly Attachment[], more: Partial<Call> = {}) =>
    mustCall(request(verb, attachments, more))
  const collect = (valid: readonly Attachment[]) =>
    mustCall(request('gc', [], { valid: valid.map(({ id, ifname }) => ({ containerID: id, ifname })) }))
  const holders = () => [...new Set(Object.values(leases('podnet')))].sort()

  const web = attachment('web', {
    args: kubernetes('web'),
    capabilities: {
      mac: '0a:00:00:00:00:77',
      portMappings: [{ HostPort: 8080, ContainerPort: 80, Protocol: 'tcp', HostIP: '' }],
    },
  })
  const [api, job] = [attachment('api', { args: kubernetes('api') }), attachment('job')]
  for (const { id } of [web, api, job]) makeNamespace(id)
  const warm = { ...job, capabilities: { portMappings: [{ hostPort: 8081, containerPort: 80, protocol: 'tcp' }] } }
  all('add', [warm])
  all('del', [warm])
  const before = snapshot()

  let server: ChildProcess | undefined
  claim('ADD: three at once, with args and capabilities in the spelling of containerd', () => {
    const results = all('add', [web, api, job])
    same(
      results.map(({ result }) => result?.ips[0]?.address.split('/')[0]),
      [web, api, job].map(({ id }) => addressesOf(id, 'eth0')[0]),
    )
    same(macOf('web', 'eth0'), '0a:00:00:00:00:77')
    server = serve('web', 80, 'web')
    same(fetchFrom(OUTSIDE, `http://${NODE_ADDRESS}:8080/`), 'web')
    for (const address of addressesOf('web', 'eth0')) holds(pings('api', address), `no answer from ${address}`)
  })

  claim('cached CHECK: with nothing but the identity, all else from the cache', () => {
    all('check', [attachment('web'), attachment('api'), attachment('job')], { restore: true })
  })
  claim('cached CHECK: fails when the pod lost its default route', () => {
    run('api', ['ip', 'route', 'del', 'default'])
    const [answer] = callLibrary(request('check', [attachment('api')], { restore: true }))
    run('api', ['ip', 'route', 'add', 'default', 'via', '10.244.1.1'])
    holds(answer?.error !== undefined, 'CHECK found nothing')
    all('check', [attachment('api')], { restore: true })
  })
  claim('cached CHECK: fails when the host ports are gone', () => {
    if (set.name === 'flatnet') run(NODE, ['nft', 'delete', 'table', 'inet', 'flatnet-portmap'])
    else run(NODE, ['iptables', '-t', 'nat', '-F', 'CNI-HOSTPORT-DNAT'])
    const [answer] = callLibrary(request('check', [attachment('web')], { restore: true }))
    holds(answer?.error !== undefined, 'CHECK found nothing')
    all('del', [web])
    all('add', [web])
    all('check', [attachment('web')], { restore: true })
  })

  claim('STATUS: ready while pods run', () => mustCall(request('status', [])))

  claim('GC: who is not valid loses all, the others keep all', () => {
    collect([web, api])
    same(addressesOf('job', 'eth0'), [])
    same(holders(), ['api', 'web'])
    all('check', [attachment('web'), attachment('api')], { restore: true })
    same(fetchFrom(OUTSIDE, `http://${NODE_ADDRESS}:8080/`), 'web')
  })
  claim(
    'GC: an attachment that the cache has lost as well',
    () => {
      all('add', [job])
      for (const path of filesBelow(`${CACHE}/results`)) if (path.includes('job')) rmSync(path)
      collect([web, api])
      same(addressesOf('job', 'eth0'), [])
      same(holders(), ['api', 'web'])
      all('check', [attachment('web'), attachment('api')], { restore: true })
    },
    NO_GC,
  )
  all('del', [job])
  const second = attachment('api', { ifname: 'eth1' })
  claim(
    'GC: another interface of a valid container is not valid',
    () => {
      all('add', [second])
      collect([web, api])
      same(addressesOf('api', 'eth1'), [])
      all('check', [attachment('web'), attachment('api')], { restore: true })
    },
    { reference: 'the masquerade chain is of the container, so that it is busy until its last interface goes' },
  )
  claim('DEL: with what the cache has, twice; then the node is as before', () => {
    all('del', [attachment('web'), attachment('api')], { restore: true })
    all('del', [web, api, second])
    sameLines(snapshot(), before)
  })
  server?.kill()

  for (const [what, forget] of [
    ['with all files of the last boot', () => {}],
    ['with /run empty, as it is after a boot', () => rmSync('/run/flatnet', { recursive: true, force: true })],
  ] as const) {
    claim(`reboot, ${what}: DEL of the old, whose namespaces are gone, beside ADD of the new`, () => {
      all('add', [web, api])
      const old = leases('podnet')
      removeNamespace('web')
      removeNamespace('api')
      reboot()
      forget()
      const added = all('add', [job])
      const mine = added[0]?.result?.ips.map(({ address }) => address.split('/')[0] ?? '') ?? []
      for (const address of mine) holds(old[address] === undefined, `${address} was leased to ${old[address]}`)
      all('del', [attachment('web'), attachment('api')], { restore: true })
      all('del', [web, api])
      same(holders(), ['job'])
      all('check', [job])
      holds(pings('job', '10.244.1.1'), 'the gateway does not answer')
      makeNamespace('web')
      makeNamespace('api')
      all('add', [web])
      const again = serve('web', 80, 'web')
      same(fetchFrom(OUTSIDE, `http://${NODE_ADDRESS}:8080/`), 'web')
      all('del', [web, job])
      again.kill()
      same(leases('podnet'), {})
    })
  }

  const crowd = Array.from({ length: AT_ONCE }, (_, i) =>
    attachment(`crowd-${i}`, {
      args: kubernetes(`crowd-${i}`),
      capabilities: { portMappings: [{ hostPort: 20_000 + i, containerPort: 80, protocol: 'tcp' }] },
    }),
  )
  for (const { id } of crowd) makeNamespace(id)
  const alone = snapshot()
  const slowest = (answers: readonly { milliseconds: number }[]) =>
    Math.round(Math.max(...answers.map(({ milliseconds }) => milliseconds)))

  claim(`${AT_ONCE} at once: every pod has addresses of its own`, () => {
    const added = all('add', crowd)
    console.log(`# ${AT_ONCE} ADD at once: the slowest took ${slowest(added)} ms`)
    const addresses = added.flatMap(({ result }) => result?.ips.map(({ address }) => address) ?? [])
    same([addresses.length, new Set(addresses).size], [2 * AT_ONCE, 2 * AT_ONCE])
    same(crowd.flatMap(({ id }) => addressesOf(id, 'eth0')).length, 2 * AT_ONCE)
  })
  claim(`${AT_ONCE} at once: each passes CHECK`, () => all('check', crowd, { restore: true }))
  claim(`${AT_ONCE} at once: the first reaches the last, and the outside reaches one by its host port`, () => {
    const last = crowd.at(-1)?.id ?? ''
    holds(pings('crowd-0', addressesOf(last, 'eth0')[0] ?? ''), 'no answer')
    serve(last, 80, last)
    same(fetchFrom(OUTSIDE, `http://${NODE_ADDRESS}:${20_000 + AT_ONCE - 1}/`), last)
  })
  claim(`${AT_ONCE} at once: DEL leaves nothing`, () => {
    const deleted = all('del', crowd)
    console.log(`# ${AT_ONCE} DEL at once: the slowest took ${slowest(deleted)} ms`)
    sameLines(snapshot(), alone)
  })

  for (const cniVersion of ['1.0.0', '0.4.0', '0.3.1']) {
    claim(`a list of version ${cniVersion}: the result is of that version, and DEL leaves nothing`, () => {
      const conflist = podNetwork(set, cniVersion)
      const added = all('add', [job], { conflist })
      same(added[0]?.result?.cniVersion, cniVersion)
      holds(pings('job', '10.244.1.1'), 'the gateway does not answer')
      all('del', [job], { conflist })
      sameLines(snapshot(), alone)
    })
  }
  claim(
    'DEL without a namespace, as containerd does it, leaves nothing',
    () => {
      all('add', [warm])
      all('del', [{ ...warm, netns: '' }])
      sameLines(snapshot(), alone)
    },
    { reference: 'without a namespace, DEL leaves the veth and the masquerade rules' },
  )
}
