/**
 * What a caller can do to a process before it starts: limits, signals that are blocked or ignored, descriptors that are
 * closed. A call does all of its work, or says why not in one CNI error and leaves nothing.
 */

import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { BIN, environment, type Json } from '../testing/cni.js'
import { Netns, needs } from '../testing/netns.js'
import { filesBelow, network } from '../testing/pod-network.js'

const skip = needs('root')

interface Node {
  /** ADD or DEL of one pod, by a shell that does `before` and becomes the plugin. */
  run(command: 'ADD' | 'DEL', before: string, redirect?: string): { status: number; stdout: string; stderr: string }
  /** Links, leases, records and tables of the pod. */
  left(): string[]
}

function node(t: Test): Node {
  const host = Netns.create(t, 'host')
  const netns = Netns.create(t, 'pod', { loopback: false })
  const config = network(t, { subnets: ['10.1.2.0/24', 'fd12::/64'], config: { ipMasq: true } })
  return {
    run(command, before, redirect = '') {
      const env = environment({ command, host, config, netns })
      return host.try(['sh', '-c', `${before}; exec ${BIN}/bridge ${redirect}`], { input: JSON.stringify(config), env })
    },
    left() {
      const files = [config.stateDir, config.ipam.dataDir].flatMap((directory) => filesBelow(directory))
      return [
        ...host.ip('link').flatMap(({ ifname }: Json) => (ifname.startsWith('veth') ? [ifname] : [])),
        ...files.filter((name) => name.startsWith('10.') || name.startsWith('fd') || name.endsWith('.json')),
        ...host
          .run('nft', 'list', 'tables')
          .split('\n')
          .filter((line) => line.includes('flatnet')),
      ]
    },
  }
}

/** From far too little to enough; the smallest of each kind must be refused. */
const LIMITS: Record<string, number[]> = {
  s: [16, 48, 96, 132, 140, 160, 256], // the stack, kB
  d: [100, 1000, 2300, 2600, 2800, 3200, 8000], // private memory, kB
  v: [2500, 4000, 4300, 4600, 5500, 9000], // the address space, kB
  f: [0, 64], // the size of files, 512 B
  n: [3, 4, 5, 6, 7, 8, 10, 64], // descriptors
}

t.test('within any limit ADD attaches, or is a CNI error that leaves nothing', { skip }, async (t) => {
  const { run, left } = node(t)
  for (const [kind, values] of Object.entries(LIMITS)) {
    const outcomes = values.map((value) => {
      const { status, stdout } = run('ADD', `ulimit -${kind} ${value}`)
      // Where not even the program can be loaded, the shell or the kernel says so: on a stack of 16 kB with a long environment.
      const answer = stdout === '' ? undefined : JSON.parse(stdout)
      if (status !== 0) {
        t.notMatch(stdout, /unexpected|Invalid error message/, `ulimit -${kind} ${value} has a name`)
        if (value > 1000 || (kind === 's' && value > 16) || kind === 'f')
          t.match(answer, { code: Number, msg: String }, `${kind} ${value}`)
        t.same(left(), [], `ulimit -${kind} ${value} leaves nothing: ${stdout}`)
      }
      t.equal(run('DEL', ':').status, 0)
      t.same(left(), [], `DEL after ulimit -${kind} ${value}`)
      return status === 0
    })
    t.equal(outcomes[0], false, `${kind} ${values[0]} is too little`)
    t.equal(outcomes.at(-1), true, `${kind} ${values.at(-1)} is enough`)
  }
})

t.test('a limit of files and one of the stack are named with what raises them', { skip }, async (t) => {
  const { run } = node(t)
  t.match(JSON.parse(run('ADD', 'ulimit -f 0').stdout), { code: 5, msg: /EFBIG/, details: /ulimit -f/ })
  t.match(JSON.parse(run('ADD', 'ulimit -s 64').stdout), { code: 999, details: /ulimit -s/ })
})

t.test('signals that the caller blocks or ignores are as at a login', async (t) => {
  const env = { CNI_COMMAND: 'STATUS', CNI_PATH: BIN, PATH: process.env['PATH'] ?? '' }
  const list = 'ALRM,TERM,INT,HUP,CHLD,PIPE,XFSZ'
  const signals = ['env', `--block-signal=${list}`, `--ignore-signal=${list}`]
  const child = spawn(signals[0] as string, [...signals.slice(1), join(BIN, 'bridge')], {
    env,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  let stdout = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  const state = () => readFileSync(`/proc/${child.pid}/status`, 'utf8')
  const mask = (name: string) => BigInt(`0x${new RegExp(`${name}:\\s*(\\w+)`).exec(state())?.[1]}`)
  const has = (set: bigint, signal: number) => (set & (1n << BigInt(signal - 1))) !== 0n
  const deadline = Date.now() + 60_000
  while (!(state().includes('Name:\tbridge') && state().includes('S (sleeping)')) && Date.now() < deadline) {
    await new Promise((done) => setTimeout(done, 5))
  }
  t.equal(mask('SigBlk'), 0n, 'none is blocked')
  for (const signal of [1, 2, 14, 15, 24]) t.ok(has(mask('SigCgt'), signal), `${signal} is caught`)
  child.kill('SIGTERM')
  await new Promise((done) => child.on('close', done))
  t.match(JSON.parse(stdout), { code: 11, msg: /SIGTERM/ })
})

t.test('whichever of the first descriptors is closed, no file or socket takes its place', { skip }, async (t) => {
  const { run, left } = node(t)
  for (const closed of [[0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]]) {
    const redirect = closed.map((fd) => (fd === 0 ? '<&-' : `${fd}>&-`)).join(' ')
    const { status, stdout } = run('ADD', 'true', redirect)
    if (closed.includes(0)) {
      t.equal(status, 1, redirect)
      if (!closed.includes(1)) t.match(JSON.parse(stdout), { code: 6, msg: /stdin.*EBADF/ })
    } else if (closed.includes(1)) {
      t.equal(status, 1, redirect)
    } else {
      t.equal(status, 0, redirect)
      t.match(JSON.parse(stdout), { ips: [{}, {}] })
    }
    if (status !== 0) t.same(left(), [], `nothing is left: ${redirect}`)
    t.equal(run('DEL', ':').status, 0)
  }
})

t.test('with stderr closed no file or socket takes its place for a foreign IPAM plugin either', async (t) => {
  const dir = t.testdir({})
  writeFileSync(join(dir, 'fake'), `#!/bin/sh\nreadlink /proc/$$/fd/2 > ${dir}/stderr\n`, { mode: 0o755 })
  const input = JSON.stringify({ cniVersion: '1.1.0', name: 'n', type: 'bridge', ipam: { type: 'fake' } })
  const env = { CNI_COMMAND: 'STATUS', CNI_PATH: dir, PATH: process.env['PATH'] ?? '' }
  t.equal(spawnSync('sh', ['-c', `exec ${BIN}/bridge 2>&-`], { env, input }).status, 0)
  t.match(readFileSync(join(dir, 'stderr'), 'utf8'), /^pipe:/)
})
