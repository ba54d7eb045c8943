/** Runs the contestants pod by pod in turn, so that what else the machine does meets all of them alike. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Netns, type Owner } from '../../lib/testing/netns.js'
import { floor, noop, type Pod, suite } from './contestants.js'
import { Launcher } from './launcher.js'
import { Samples } from './samples.js'

export interface Plan {
  readonly work: string
  readonly ours: string
  readonly reference: string
  /** Called before each pod. */
  progress(text: string): void
}

/** VERSION of `bridge`, and the no-op: labels `flatnet`, `reference`, `noop`. */
export async function measureVersion(owner: Owner, plan: Plan, times: number): Promise<Samples> {
  const samples = new Samples()
  mkdirSync(plan.work, { recursive: true })
  const files = { stdin: `${plan.work}/version`, stdout: `${plan.work}/version-answer` }
  writeFileSync(files.stdin, '{"cniVersion":"1.0.0"}')
  const launcher = new Launcher(Netns.create(owner, 'version').path)
  const programs = {
    noop: 'build/bench/noop',
    flatnet: resolve(plan.ours, 'bridge'),
    reference: resolve(plan.reference, 'bridge'),
  }
  for (let at = -WARM_UP; at < times; at++) {
    plan.progress(`VERSION ${Math.max(at, 0) + 1}/${times}`)
    for (const [name, executable] of rotated(Object.entries(programs), at)) {
      const env = { CNI_COMMAND: 'VERSION', CNI_PATH: plan.ours }
      const cost = await launcher.run({ executable, ...files, env })
      if (at >= 0) samples.add(name, cost)
    }
  }
  launcher.close()
  return samples
}

/** ADD, CHECK and DEL of `pods` pods with `leases` in the store: labels `flatnet ADD`, `floor DEL`, `noop` … */
export async function measurePods(owner: Owner, plan: Plan, pods: number, leases: number): Promise<Samples> {
  const samples = new Samples()
  plan.progress(leases === 0 ? 'making namespaces' : `seeding ${leases} leases`)
  const nothing = noop(owner, plan.work)
  const contestants = [
    suite(owner, 'flatnet', plan.ours, plan.work, leases),
    suite(owner, 'reference', plan.reference, plan.work, leases),
    floor(owner, plan.work),
  ]
  // All before the first measurement: a namespace's end would hold the kernel's lock in the middle of one.
  const netns = Array.from({ length: WARM_UP + pods }, () => Netns.create(owner, 'pod', { loopback: false }))
  for (let at = -WARM_UP; at < pods; at++) {
    plan.progress(`${leases} leases, pod ${Math.max(at, 0) + 1}/${pods}`)
    const pod: Pod = { number: at + WARM_UP, netns: netns[at + WARM_UP] as Netns }
    for (const { name, commands, run } of rotated(contestants, at)) {
      const idle = await nothing.run()
      if (at >= 0) samples.add('noop', idle)
      for (const command of commands) {
        const cost = await run(command, pod)
        if (at >= 0) samples.add(`${name} ${command}`, cost)
      }
    }
  }
  for (const contestant of [nothing, ...contestants]) contestant.close()
  return samples
}

/** Pods that are not counted: the first makes the bridge, and caches fill. */
const WARM_UP = 2

function rotated<T>(list: readonly T[], by: number): T[] {
  const start = ((by % list.length) + list.length) % list.length
  return [...list.slice(start), ...list.slice(0, start)]
}
