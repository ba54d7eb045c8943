/** containerd, from Debian: `ctr run --cni`, and pods as a kubelet asks for them through the CRI socket. */

import { type ChildProcess, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Claims, holds, same, sameLines } from './claims.js'
import { examples, type List, TABLE } from './examples.js'
import { IMAGE, makeImage } from './image.js'
import { attempt, fetchFrom, leases, NODE, NODE_ADDRESS, OUTSIDE, pings, run, snapshot, start, until } from './lab.js'
import { type PluginSet, PROGRAMS, podNetwork } from './plugin-sets.js'
import { mount } from './private.js'

const HOME = '/run/ctd'
const SOCKET = `${HOME}/containerd.sock`

/** containerd's own namespace, and the cgroup of all that it starts. */
const GROUP = 'flatnet-conformance'
const LOG = `${HOME}/log`

const CONFIG = `version = 2
root = "${HOME}/root"
state = "${HOME}/state"
[grpc]
  address = "${SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${HOME}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${IMAGE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
`

interface Pod {
  readonly name: string
  readonly ports?: readonly { hostPort: number; containerPort: number; protocol: string; hostIP?: string }[]
}

interface Running extends Pod {
  readonly sandbox: string
  readonly container: string
  readonly ips: readonly string[]
  readonly netns: string
}

interface CriAnswer {
  readonly sandbox?: string
  readonly container?: string
  readonly ips?: readonly string[]
  readonly netns?: string
  readonly output?: string
  readonly exit?: number
  readonly error?: string
}

export function containerd(set: PluginSet, { claim }: Claims): void {
  mkdirSync('/opt/cni/bin', { recursive: true })
  mount('--bind', set.bin, '/opt/cni/bin')
  // Debian's 1.6 knows no list of version 1.1.0.
  writeFileSync('/etc/cni/net.d/10-podnet.conflist', JSON.stringify(podNetwork(set, '1.0.0')))
  mkdirSync(HOME, { recursive: true })
  writeFileSync(`${HOME}/config.toml`, CONFIG)
  let daemon = startDaemon()
  ctr('image', 'import', '--snapshotter', 'native', makeImage(`${HOME}/image`))
  ctr('--namespace', 'k8s.io', 'image', 'import', '--snapshotter', 'native', `${HOME}/image/image.tar`)

  claim('the CRI plugin finds its network', () => {
    const found = until(() => cri('ready')[0]?.error === undefined)
    holds(found, cri('ready')[0]?.error ?? '')
  })

  const warm = runPods({ name: 'warm', ports: [{ hostPort: 8079, containerPort: 80, protocol: 'TCP' }] })
  removePods(warm)
  const before = snapshot()

  claim('ctr run --cni: the task has an address that answers, and only loopback beside it', () => {
    const task = start(NODE, ctrCommand('run', '--rm', '--cni', '--snapshotter', 'native', IMAGE, 'task', ...SLEEP))
    // A task that is only created can be looked into, but has no network yet.
    const isStarted = () => /^task\s.*RUNNING/m.test(ctrTry('task', 'ls').stdout)
    holds(until(isStarted, 20_000), 'the task did not start')
    const [address] = Object.entries(leases('podnet')).find(([, id]) => id.includes('task')) ?? []
    holds(address !== undefined && pings(NODE, address), `no answer from ${address}`)
    const links = ctrTry('task', 'exec', '--exec-id', 'b', 'task', 'ip', '-o', 'link').stdout
    same(links.trim().split('\n').length, 2)
    ctr('task', 'kill', '-s', 'SIGKILL', 'task')
    holds(
      until(() => task.exitCode !== null || !isRunning(task)),
      'ctr did not end',
    )
  })
  claim(
    'ctr run --cni: leaves nothing, though its DEL has no namespace',
    () => {
      until(() => snapshot() === before, 3000)
      sameLines(snapshot(), before)
    },
    { reference: 'without a namespace, DEL leaves the masquerade rules' },
  )
  const clean = snapshot()

  let pods: Running[] = []
  claim('two pods at once, with host ports; each has an address of both families', () => {
    pods = runPods(
      { name: 'web', ports: [{ hostPort: 8080, containerPort: 80, protocol: 'TCP' }] },
      { name: 'api', ports: [{ hostPort: 8081, containerPort: 80, protocol: 'TCP', hostIP: NODE_ADDRESS }] },
    )
    for (const { ips } of pods) same([ips.length, new Set(ips).size], [2, 2])
  })
  const [web, api] = pods
  if (web === undefined || api === undefined) return

  claim('the pods ping each other over both families', () => {
    for (const [from, to] of [
      [web, api],
      [api, web],
    ] as const) {
      for (const address of to.ips) {
        const [answer] = cri('exec', { ...from, command: ['ping', '-c', '1', '-W', '3', address] })
        holds(answer?.exit === 0, `${from.name} to ${address}: ${answer?.output ?? answer?.error}`)
      }
    }
  })
  claim('loopback is up in a pod', () => {
    const [answer] = cri('exec', { ...web, command: ['ping', '-c', '1', '-W', '3', '127.0.0.1'] })
    holds(answer?.exit === 0, answer?.output ?? '')
  })
  claim('host ports answer to the outside, the node and the pods', () => {
    const [first, second] = [`http://${NODE_ADDRESS}:8080/`, `http://${NODE_ADDRESS}:8081/`]
    for (const netns of [OUTSIDE, NODE]) same([fetchFrom(netns, first), fetchFrom(netns, second)], ['web', 'api'])
    // Busybox's wget crashes in its resolver where it is linked statically.
    const get = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 ${NODE_ADDRESS} 8080`
    const [answer] = cri('exec', { ...api, command: ['sh', '-c', get] })
    holds(answer?.output?.endsWith('web'), answer?.output ?? 'nothing')
  })
  claim('a restart of containerd: pods and host ports stay', () => {
    stopDaemon(daemon)
    daemon = startDaemon()
    same(fetchFrom(OUTSIDE, `http://${NODE_ADDRESS}:8080/`), 'web')
    same(cri('list').length, 2)
  })
  claim('a stopped pod has nothing left, and is stopped again without an error', () => {
    mustCri('stop', web)
    mustCri('stop', web)
    same(fetchFrom(OUTSIDE, `http://${NODE_ADDRESS}:8080/`), '')
    same(fetchFrom(OUTSIDE, `http://${NODE_ADDRESS}:8081/`), 'api')
    for (const address of web.ips) holds(leases('podnet')[address] === undefined, `${address} is still leased`)
  })
  claim('a pod whose namespace is gone is stopped', () => {
    attempt(NODE, ['umount', '-l', api.netns])
    attempt(NODE, ['rm', '-f', api.netns])
    mustCri('stop', api)
    mustCri('remove', web, api)
    same(cri('list'), [])
  })
  claim(
    'after the last pod the node is as it was',
    () => {
      until(() => snapshot() === clean, 3000)
      sameLines(snapshot(), clean)
    },
    { reference: 'without a namespace, DEL leaves the masquerade rules' },
  )
  claim('ten pods at once, three times over, leave nothing', () => {
    const start = snapshot()
    for (let round = 0; round < 3; round++) {
      const many = Array.from({ length: 10 }, (_, i) => ({
        name: `pod-${round}-${i}`,
        ports: [{ hostPort: 9000 + i, containerPort: 80, protocol: 'TCP' }],
      }))
      const running = runPods(...many)
      same(new Set(running.flatMap(({ ips }) => ips)).size, 20)
      same(fetchFrom(OUTSIDE, `http://${NODE_ADDRESS}:9009/`), `pod-${round}-9`)
      removePods(running)
    }
    sameLines(snapshot(), start)
  })
  if (set.name === 'flatnet') {
    const named = 'the network is taken, and its pod answers'
    for (const { place, list } of shownNetworks()) claim(`${place}: ${named}`, () => tryExample(list))
  }
  stopDaemon(daemon)
  spawnSync('find', ['/sys/fs/cgroup', '-depth', '-type', 'd', '-path', `*/${GROUP}*`, '-exec', 'rmdir', '{}', '+'])
}

/** What the documents show, but for plugins that are not a pod's network. */
function shownNetworks() {
  return examples().filter(({ list }) => !['loopback', 'dummy'].includes(String(list.plugins[0]?.['type'])))
}

/** As a newcomer does: the list into its directory, the table of nodes where the list looks for it; then a pod. */
function tryExample(list: List): void {
  mkdirSync(dirname(TABLE.installed), { recursive: true })
  copyFileSync(TABLE.shown, TABLE.installed)
  attempt(NODE, ['ip', 'address', 'add', TABLE.address, 'dev', 'uplink'])
  attempt(NODE, ['ip', 'link', 'delete', 'cni0'])
  writeFileSync('/etc/cni/net.d/10-podnet.conflist', JSON.stringify(list))
  const isTaken = () => cri('ready')[0]?.error === undefined
  holds(until(isTaken), cri('ready')[0]?.error ?? '')
  const [pod] = runPods({ name: 'example' })
  if (pod === undefined) return
  holds(pings(NODE, pod.ips[0] ?? ''), `no answer from ${pod.ips[0]}`)
  removePods([pod])
}

const SLEEP = ['/bin/sleep', '1000']

function startDaemon(): ChildProcess {
  const log = openSync(LOG, 'a')
  const daemon = start(NODE, ['containerd', '--config', `${HOME}/config.toml`], log)
  if (!until(() => ctrTry('version').status === 0, 20_000)) throw new Error(readFileSync(LOG, 'utf8').slice(-2000))
  until(() => cri('ready')[0]?.error === undefined)
  return daemon
}

function stopDaemon(daemon: ChildProcess): void {
  daemon.kill('SIGTERM')
  until(() => !isRunning(daemon))
}

/** Whether a child lives; its exit is not yet known to Node while we do not return to its event loop. */
function isRunning({ pid }: ChildProcess): boolean {
  return /^State:\s+[^ZX]/m.test(spawnSync('cat', [`/proc/${pid}/status`], { encoding: 'utf8' }).stdout)
}

function ctrCommand(...args: string[]): string[] {
  return ['ctr', '--address', SOCKET, '--namespace', GROUP, ...args]
}

function ctrTry(...args: string[]) {
  return attempt(NODE, ctrCommand(...args))
}

function ctr(...args: string[]): string {
  return run(NODE, ctrCommand(...args))
}

/** Our CRI client (`go/cri`): one answer a pod, all at once. */
function cri(verb: string, ...pods: readonly object[]): CriAnswer[] {
  return JSON.parse(run(NODE, [`${PROGRAMS}/cri`], { input: JSON.stringify({ socket: SOCKET, verb, pods }) }))
}

function mustCri(verb: string, ...pods: readonly object[]): CriAnswer[] {
  const answers = cri(verb, ...pods)
  const [refused] = answers.filter(({ error }) => error !== undefined)
  if (refused !== undefined) throw new Error(`${verb}: ${refused.error}`)
  return answers
}

/** Pods that serve their name on port 80; they are there when this returns. */
function runPods(...pods: readonly Pod[]): Running[] {
  const serve = (name: string) => [
    '/bin/sh',
    '-c',
    `echo -n ${name} > /www/index.html; exec httpd -f -p [::]:80 -h /www`,
  ]
  const answers = mustCri('run', ...pods.map((pod) => ({ ...pod, image: IMAGE, command: serve(pod.name) })))
  const running = pods.map((pod, i) => {
    const { sandbox = '', container = '', ips = [], netns = '' } = answers[i] ?? {}
    return { ...pod, sandbox, container, ips, netns }
  })
  for (const { name, ips } of running) until(() => fetchFrom(NODE, `http://${ips[0]}/`) === name)
  return running
}

function removePods(pods: readonly Running[]): void {
  mustCri('stop', ...pods)
  mustCri('remove', ...pods)
}
