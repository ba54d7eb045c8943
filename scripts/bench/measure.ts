/** Runs the contestants pod by pod in turn, so that what else the machine does meets all of them alike. */

import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Netns, type Owner } from '../../lib/testing/netns.js'
import { type Contestant, floor, noop, type Pod, removalFloor, suite } from './contestants.js'
import { Launcher } from './launcher.js'
import { FLAT, type Network } from './networks.js'
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

/** One address and a bridge, with `leases` in the store: labels `flatnet ADD`, `floor DEL`, `noop` … */
export async function measurePods(owner: Owner, plan: Plan, pods: number, leases: number): Promise<Samples> {
  plan.progress(leases === 0 ? 'making namespaces' : `seeding ${leases} leases`)
  const { work } = plan
  const contestants = [
    suite(owner, { name: 'flatnet', bin: plan.ours, work, network: FLAT, leases }),
    suite(owner, { name: 'reference', bin: plan.reference, work, network: FLAT, leases }),
    floor(owner, work),
  ]
  return await inTurn(owner, plan, `${leases} leases`, contestants, pods)
}

/**
 * ADD and DEL through a network's chain, on nodes where one pod stays all the time; the floor of DEL is the end of the
 * same links. Labels as above.
 */
export async function measureChain(
  owner: Owner,
  plan: Plan,
  what: string,
  network: Network,
  pods: number,
): Promise<Samples> {
  const common = { work: plan.work, network, commands: ['ADD', 'DEL'] } as const
  const suites = [
    suite(owner, { ...common, name: 'flatnet', bin: plan.ours }),
    suite(owner, { ...common, name: 'reference', bin: plan.reference }),
    suite(owner, { ...common, name: 'floor', bin: plan.ours }),
  ] as const
  for (const { run } of suites) {
    await run('ADD', { number: STAYING, netns: Netns.create(owner, 'staying', { loopback: false }) })
  }
  const [ours, theirs, attached] = suites
  return await inTurn(owner, plan, what, [ours, theirs, removalFloor(attached, plan.work)], pods)
}

/** All commands of one contestant for a pod, then the next one's. Labels also `flatnet ADD portmap`. */
export async function inTurn(
  owner: Owner,
  plan: Plan,
  what: string,
  contestants: readonly Contestant[],
  pods: number,
): Promise<Samples> {
  const samples = new Samples()
  const nothing = noop(owner, plan.work)
  // All before the first measurement: a namespace's end would hold the kernel's lock in the middle of one.
  const netns = Array.from({ length: WARM_UP + pods }, () => Netns.create(owner, 'pod', { loopback: false }))
  for (let at = -WARM_UP; at < pods; at++) {
    plan.progress(`${what}, pod ${Math.max(at, 0) + 1}/${pods}`)
    const pod: Pod = { number: at + WARM_UP, netns: netns[at + WARM_UP] as Netns }
    for (const { name, commands, run } of rotated(contestants, at)) {
      const idle = await nothing.run()
      if (at >= 0) samples.add('noop', idle)
      for (const command of commands) {
        const { cost, parts } = await run(command, pod)
        if (at < 0) continue
        samples.add(`${name} ${command}`, cost)
        for (const part of parts) samples.add(`${name} ${command} ${part.plugin}`, part.cost)
      }
    }
  }
  for (const contestant of [nothing, ...contestants]) contestant.close()
  return samples
}

/** Pods that stay have numbers from here on. */
export const STAYING = 1000
/** Pods that are not counted: the first makes the bridge, and caches fill. */
const WARM_UP = 2

function rotated<T>(list: readonly T[], by: number): T[] {
  const start = ((by % list.length) + list.length) % list.length
  return [...list.slice(start), ...list.slice(0, start)]
}
