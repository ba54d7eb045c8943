/** ADD: the record first; then firewalld's zone, or rules in the chains that drop; then the ingress policy. */

import {
  containerAddresses,
  type HostSide,
  hostInterfaces,
  hostSide,
  requirePrevious,
} from '../../lib/attachment/previous.js'
import { stateDirOf } from '../../lib/attachment/state-dir.js'
import { podName } from '../../lib/cni/args.js'
import { CniError, ErrorCode } from '../../lib/cni/error.js'
import type { AddRequest } from '../../lib/cni/request.js'
import type { Result } from '../../lib/cni/result.js'
import { formatAddress, type IpAddress } from '../../lib/ip/address.js'
import type { Nftables } from '../../lib/netlink/nftables/nftables.js'
import { openHost } from '../../lib/netns/namespace.js'
import { admit } from '../../lib/ruleset/admission.js'
import { type Policed, police, unpolice } from '../../lib/ruleset/ingress-policy.js'
import { hasLegacyTable } from '../../lib/ruleset/legacy-iptables.js'
import { type Owner, ownerKey } from '../../lib/ruleset/owner.js'
import { withRuleset } from '../../lib/ruleset/settle.js'
import { claimOrCreate, listReady } from '../../lib/store/record.js'
import { warn } from '../../lib/sys/log.js'
import { type Admitted, type FirewallConfig, PLUGIN, placeOf, settingsOf } from './config.js'
import { addSource, isRunning } from './firewalld.js'
import { addressesOf, withdraw } from './withdraw.js'

export function add(request: AddRequest<FirewallConfig>): Result {
  const { config, network, containerId, ifName, args } = request
  const previous = requirePrevious('firewall', request.prevResult)
  const settings = settingsOf(config)
  const addresses = containerAddresses(previous, ifName)
  const host = openHost()
  const side = hostSide(host, previous)
  const veth = side.end
  const pod = podName(args)
  const extras = { ...(pod === '' ? {} : { pod }), ...(veth === undefined ? {} : { link: veth.name }) }
  const owner: Owner = { network, containerId, ifName, ...extras }
  const key = ownerKey(owner)
  const stateDir = stateDirOf(config)
  const bridge = settings.policy === undefined ? undefined : policedLink(previous, side)
  const byFirewalld = settings.backend === 'firewalld' || (settings.backend === 'auto' && isRunning())
  const planned: Admitted = {
    addresses: addresses.map(formatAddress),
    ...(byFirewalld ? { zone: settings.zone } : {}),
    ...(bridge === undefined || settings.policy === undefined ? {} : { bridge, policy: settings.policy }),
    ...extras,
  }
  const claim = claimOrCreate<Admitted>(placeOf(request, request), planned)
  withRuleset((nft) => {
    let done = planned
    try {
      if (claim.earlier !== undefined) {
        withdraw(nft, key, claim.earlier.content, stateDir)
        claim.write('adding', planned)
      }
      if (byFirewalld) {
        // Whoever had an address before and is being deleted must see that it is ours, so that its end is not ours.
        claim.write('ready', planned)
        addSource(settings.zone, addresses)
      } else {
        done = { ...planned, placed: admit(nft, owner, addresses, settings.adminChain) }
        nameLegacy(addresses)
      }
      if (bridge !== undefined && settings.policy !== undefined) {
        let restored: readonly Policed[] = []
        police(nft, { owner, addresses, bridge, policy: settings.policy }, () => {
          restored = others(stateDir)
          return restored
        })
        unpoliceGone(nft, restored, stateDir)
        // Frames between two ports of a bridge pass no forward chain unless br_netfilter sends them there.
        if (settings.policy === 'isolated' && veth?.master !== undefined)
          host.links.setPort(veth.index, { isolated: true })
      }
      claim.write('ready', done)
      claim.release()
    } catch (error) {
      try {
        withdraw(nft, key, done, stateDir)
        claim.remove()
      } catch {
        claim.release() // DEL has the record
      }
      throw error
    }
  })
  return previous
}

/**
 * The interface of the host that routed packets of the container pass: the first of the result, as the reference has it,
 * or the gateway of its VLAN.
 */
export function policedLink(previous: Result, { gateway }: HostSide): string {
  if (gateway !== undefined) return gateway.name
  const [first] = hostInterfaces(previous)
  if (first !== undefined) return first.name
  throw new CniError(
    ErrorCode.InvalidConfig,
    'ingressPolicy needs a bridge, and prevResult has no interface of the host',
    'put firewall right behind bridge in the list of plugins',
  )
}

/** Attachments under a policy, from the records of this boot. */
function others(stateDir: string): Policed[] {
  return listReady<Admitted>(stateDir, PLUGIN).flatMap(({ network, containerId, ifName, content }) => {
    const { bridge, policy, link } = content
    if (policy === undefined || bridge === undefined) return []
    const owner = { network, containerId, ifName, ...(link === undefined ? {} : { link }) }
    return [{ owner, addresses: addressesOf(content), bridge, policy }]
  })
}

/** Of those that came back with a table made anew, whom a DEL has begun to remove since: it may have looked before. */
function unpoliceGone(nft: Nftables, restored: readonly Policed[], stateDir: string): void {
  if (restored.length === 0) return
  const present = new Set(others(stateDir).map(({ owner }) => ownerKey(owner)))
  for (const one of restored) {
    const key = ownerKey(one.owner)
    if (!present.has(key)) unpolice(nft, key, one.addresses)
  }
}

/** A drop in legacy iptables is out of reach, and a command away. */
function nameLegacy(addresses: readonly IpAddress[]): void {
  for (const address of addresses) {
    const { family } = address
    if (!hasLegacyTable(family, 'filter')) continue
    const iptables = `ip${family === 6 ? '6' : ''}tables-legacy`
    warn(
      `legacy iptables is in use, which flatnet does not touch; if its FORWARD drops: ${iptables} -I FORWARD -s ${formatAddress(address)} -j ACCEPT`,
    )
  }
}
