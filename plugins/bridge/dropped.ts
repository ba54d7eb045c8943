/** Whether another firewall of the node drops what pods send, and nothing lets it pass. */

import { stateDirOf } from '../../lib/attachment/state-dir.js'
import type { Request } from '../../lib/cni/request.js'
import type { Prefix } from '../../lib/ip/prefix.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import type { ChainName } from '../../lib/netlink/nftables/chain.js'
import type { Nftables } from '../../lib/netlink/nftables/nftables.js'
import { droppingChains } from '../../lib/ruleset/admission.js'
import { couldPass, type Named, type Senders } from '../../lib/ruleset/passage.js'
import { lookAtRulesetIfAny, settle } from '../../lib/ruleset/settle.js'
import { hasHadRecords, hasRecord, keysIn } from '../../lib/store/record.js'
import { type BridgeConfig, gatewayNameOf, type Settings } from './config.js'
import { uplinkOf } from './doubts.js'

/** The plugin that lets pods pass. */
const FIREWALL = 'firewall'

/** Whether pods reach others than their neighbours through this node. */
export function needsForwarding({ isGateway, masquerade, ipam }: Settings): boolean {
  return ipam !== undefined && (isGateway || masquerade !== undefined)
}

/** Whether `firewall` has let this attachment pass: what is left of it is for its own CHECK to say. */
export function isAdmitted(request: Request<BridgeConfig> & { containerId: string; ifName: string }): boolean {
  const { config, network, containerId, ifName } = request
  return hasRecord({ stateDir: stateDirOf(config), plugin: FIREWALL, network, containerId, ifName })
}

/**
 * Whether `firewall` is known to be missing behind this plugin: pods of the network have been attached, and it was called for
 * none since the node's start. `own` is 1 in an ADD, which cannot know what comes behind it.
 */
export function lacksFirewall(
  { config, network }: Pick<Request<BridgeConfig>, 'config' | 'network'>,
  own: 0 | 1,
): boolean {
  const stateDir = stateDirOf(config)
  if (hasHadRecords({ stateDir, plugin: FIREWALL, network })) return false
  return keysIn({ stateDir, plugin: 'bridge', network }).length > own
}

/** One line for all chains that drop what is sent from these prefixes. */
export function droppedDoubts(host: Netlink, settings: Settings, prefixes: readonly Prefix[]): string[] {
  let senders: readonly Senders[] | undefined
  const pass = (nft: Nftables, chain: ChainName) => {
    senders ??= sendersOf(host, gatewayNameOf(settings), prefixes)
    return senders.every(
      (one) =>
        (chain.family !== 'inet' && chain.family !== (one.family === 4 ? 'ip' : 'ip6')) || couldPass(nft, chain, one),
    )
  }
  let names: string[] = []
  lookAtRulesetIfAny((nft) =>
    settle('read the chains that drop', () => {
      names = droppingChains(nft)
        .filter((chain) => !pass(nft, chain))
        .map(({ family, table, chain }) => `chain ${family} ${table} ${chain}`)
      return true
    }),
  )
  if (names.length === 0) return []
  const drop = names.length === 1 ? 'drops' : 'drop'
  return [
    `${names.join(' and ')} of this node ${drop} what pods send to others than each other: put { "type": "firewall" } behind this plugin, which lets each pod pass at its ADD`,
  ]
}

function sendersOf(host: Netlink, name: string, prefixes: readonly Prefix[]): Senders[] {
  const link: Named = host.links.find(name) ?? { name, index: -1 }
  let known: readonly Named[] | undefined
  const exits = () => {
    known ??= exitsOf(host)
    return known
  }
  return ([4, 6] as const)
    .map((family) => ({ family, prefixes: prefixes.filter(({ address }) => address.family === family) }))
    .filter((one) => one.prefixes.length > 0)
    .map((one) => ({ ...one, link, exits }))
}

/** Kinds of links that containers and virtual machines have at a bridge. */
const GUESTS = ['veth', 'tun']

/** Links out of the node. A bridge is one if the default way leaves by it, or more than guests are at its ports. */
function exitsOf(host: Netlink): Named[] {
  const links = host.links.list()
  const uplinks = ([4, 6] as const).map((family) => uplinkOf(host, family)?.index)
  const leadsOut = ({ index }: Named) =>
    uplinks.includes(index) || links.some(({ master, kind = '' }) => master === index && !GUESTS.includes(kind))
  return links.filter((link) => link.name !== 'lo' && (link.kind !== 'bridge' || leadsOut(link)))
}
