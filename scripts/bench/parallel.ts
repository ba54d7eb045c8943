/** The whole chain for many pods at one moment; and the same where memory is short. */

import { Netns, type Owner } from '../../lib/testing/netns.js'
import { suite } from './contestants.js'
import { attachAtOnce, type Crowd } from './crowd.js'
import type { Plan } from './measure.js'
import { memoryCgroup } from './memory-limit.js'
import { KUBE } from './networks.js'
import type { Confined, Crowds } from './report.js'

/** ADDs of all pods at once, on a node that had one before. */
export async function measureParallel(owner: Owner, plan: Plan, pods: number): Promise<Crowds> {
  const run = (name: keyof Crowds) => crowd(owner, plan, name, pods)
  return { flatnet: await run('flatnet'), reference: await run('reference') }
}

/** The same in a memory cgroup of `limit` bytes; why not, where there can be none. */
export async function measureConfined(
  owner: Owner,
  plan: Plan,
  pods: number,
  limit: number,
): Promise<{ readonly flatnet: Confined; readonly reference: Confined } | string> {
  const outcomes: Record<string, Confined> = {}
  for (const name of ['flatnet', 'reference'] as const) {
    const cgroup = memoryCgroup(owner, name, limit)
    if (typeof cgroup === 'string') return cgroup
    const { failed } = await crowd(owner, plan, name, pods, cgroup.prefix)
    outcomes[name] = { failed, peak: cgroup.peak(), kills: cgroup.kills() }
  }
  return outcomes as { flatnet: Confined; reference: Confined }
}

async function crowd(
  owner: Owner,
  plan: Plan,
  name: keyof Crowds,
  pods: number,
  prefix: readonly string[] = [],
): Promise<Crowd> {
  plan.progress(`${pods} pods at once: ${name}`)
  const bin = name === 'flatnet' ? plan.ours : plan.reference
  const work = `${plan.work}/parallel${prefix.length === 0 ? '' : '-confined'}`
  const { node, folder, run, close } = suite(owner, { name, bin, work, network: KUBE, commands: [] })
  const made = Array.from({ length: pods + 1 }, (_, number) => ({
    number,
    netns: Netns.create(owner, 'pod', { loopback: false }),
  }))
  const [first, ...rest] = made
  if (first !== undefined) await run('ADD', first)
  close()
  return attachAtOnce({ node, bin, folder, network: KUBE, pods: rest, prefix })
}
