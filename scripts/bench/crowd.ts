/** Many pods attached at one moment, through `crowd.c`. */

import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Netns } from '../../lib/testing/netns.js'
import { cniEnv, type Pod } from './contestants.js'
import type { Network } from './networks.js'

export interface Crowd {
  /** Until the last pod was attached; milliseconds, as in what follows. */
  readonly total: number
  readonly slowest: number
  /** Pods whose chain failed, with what the first of them printed. */
  readonly failed: number
  readonly complaint: string
}

export interface CrowdOptions {
  readonly node: Netns
  readonly bin: string
  readonly folder: string
  readonly network: Network
  readonly pods: readonly Pod[]
  /** What the harness is started by; default nothing. */
  readonly prefix?: readonly string[]
}

/** ADD of all pods at once, each through the whole chain. */
export function attachAtOnce({ node, bin, folder, network, pods, prefix = [] }: CrowdOptions): Crowd {
  const lines = pods.map((pod) => {
    const directory = `${folder}/crowd/${pod.number}`
    mkdirSync(directory, { recursive: true })
    for (const index of network.plugins.keys()) {
      writeFileSync(
        `${directory}/config-${index}`,
        JSON.stringify(network.config(index, pod.number, folder)).slice(0, -1),
      )
    }
    const variables = Object.entries(cniEnv('ADD', pod, bin)).map(([name, value]) => `${name}=${value}`)
    return [directory, ...variables].join('\t')
  })
  const executables = network.plugins.map((plugin) => resolve(bin, plugin))
  const { stdout, stderr } = spawnSync(
    'nsenter',
    [`--net=${node.path}`, '--', ...prefix, resolve('build/bench/crowd'), ...executables],
    { input: `${lines.join('\n')}\n`, encoding: 'utf8', maxBuffer: 64 << 20, timeout: 300_000 },
  )
  const outcomes = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number))
  const [total = Number.NaN] = outcomes.pop() ?? []
  if (outcomes.length !== pods.length) throw new Error(`${bin}: the harness ended early: ${stderr.slice(-500)}`)
  const failures = outcomes.map(([, status]) => status !== 0)
  const first = pods[failures.indexOf(true)]
  return {
    total: total / 1e6,
    slowest: Math.max(...outcomes.map(([nanoseconds = Number.NaN]) => nanoseconds)) / 1e6,
    failed: failures.filter((failed) => failed).length,
    complaint:
      first === undefined ? '' : `${lastWords(`${folder}/crowd/${first.number}`, network)}${stderr.slice(-500)}`,
  }
}

/** What the plugin that failed printed: nobody came after it. */
function lastWords(directory: string, { plugins }: Network): string {
  for (const index of [...plugins.keys()].reverse()) {
    try {
      return `${plugins[index]}: ${readFileSync(`${directory}/stdout-${index}`, 'utf8')}`
    } catch {
      // It was not reached.
    }
  }
  return ''
}
