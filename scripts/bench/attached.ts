/** What an ADD costs where many pods are attached already, beside one where a single one is. */

import { Netns, type Owner } from '../../lib/testing/netns.js'
import { floorAmong, type Pod, type Suite, suite } from './contestants.js'
import { attachAtOnce } from './crowd.js'
import { inTurn, type Plan, STAYING } from './measure.js'
import { CHAIN } from './networks.js'
import type { Samples } from './samples.js'

/** So many at once while the pods are made that are there before. */
const AT_ONCE = 40
/** Nobody leases them. */
const FLOOR_ADDRESSES = 20_000

/**
 * ADD and DEL through the chain; labels `one ADD`, `many ADD`, `many ADD portmap` … The C floor joins the same bridges:
 * `floor one ADD`, `floor many ADD`.
 */
export async function measureAttached(owner: Owner, plan: Plan, pods: number, attached: number): Promise<Samples> {
  const contestants = [
    ['one', 1],
    ['many', attached],
  ] as const
  const suites = contestants.map(([name, count]) => {
    const made = suite(owner, {
      name,
      bin: plan.ours,
      work: plan.work,
      network: CHAIN,
      commands: ['ADD', 'DEL'],
    })
    attach(owner, plan, made, count)
    return made
  })
  const floors = suites.map(({ name, node }) => floorAmong({ name: `floor ${name}`, node }, plan.work, FLOOR_ADDRESSES))
  return await inTurn(owner, plan, `${attached} attached`, [...suites, ...floors], pods)
}

function attach(owner: Owner, plan: Plan, { node, folder, name }: Suite, count: number): void {
  for (let from = 0; from < count; from += AT_ONCE) {
    plan.progress(`${name}: attaching ${from + 1}/${count}`)
    const pods = Array.from(
      { length: Math.min(AT_ONCE, count - from) },
      (_, at): Pod => ({
        number: STAYING + from + at,
        netns: Netns.create(owner, 'staying', { loopback: false }),
      }),
    )
    const { failed, complaint } = attachAtOnce({ node, bin: plan.ours, folder, network: CHAIN, pods })
    if (failed > 0) throw new Error(complaint)
  }
}
