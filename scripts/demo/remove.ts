/** The end of an act: every pod detached, and nothing of them found afterwards. */

import type { Host } from './host.js'
import { interfacesOf, leasesOf } from './look.js'
import { filesUnder, type Stage } from './stage.js'

/** `eth0` of a node is its way to the others; `eth0` of a pod is what DEL removes. */
export function removeAndVerify(stage: Stage, hosts: readonly Host[]): void {
  const containers = hosts.flatMap((host) => host.pods.map(({ netns }) => netns))
  for (const host of hosts) host.detachAll()
  const onHosts = hosts.flatMap(({ netns }) => interfacesOf(netns)).filter(({ name }) => name !== 'eth0')
  const inPods = containers.flatMap((netns) => interfacesOf(netns))
  stage.claimNone(
    'link of a pod',
    [...onHosts, ...inPods].filter(({ kind }) => kind === 'veth').map(({ name }) => name),
  )
  stage.claimNone(
    'lease',
    hosts.flatMap((host) => leasesOf(host).map(({ address }) => address)),
  )
  stage.claimNone(
    'nftables table',
    hosts.flatMap(({ netns }) => netns.run('nft', 'list', 'tables').split('\n')).filter((line) => line !== ''),
  )
  const folders = new Set(['/run/flatnet', ...hosts.map(({ dataDir }) => dataDir)])
  stage.claimNone('record of a pod', [...folders].flatMap(filesUnder).filter(isRecord))
}

/** Records are named by the attachment's key. */
function isRecord(path: string): boolean {
  return /(^|\/)[0-9a-f]{16}\.json$/.test(path)
}
