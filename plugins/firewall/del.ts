/** DEL and GC: what our record says was done is taken back, whatever the configuration says now. */

import { collectFailures } from '../../lib/attachment/failures.js'
import { containerAddresses } from '../../lib/attachment/previous.js'
import { stateDirOf } from '../../lib/attachment/state-dir.js'
import { type DelRequest, type GcRequest, keeps } from '../../lib/cni/request.js'
import type { IpAddress } from '../../lib/ip/address.js'
import { dismiss, dismissReference } from '../../lib/ruleset/admission.js'
import { stalePolicies, unpolice } from '../../lib/ruleset/ingress-policy.js'
import { nameLegacyLeftovers } from '../../lib/ruleset/legacy-iptables.js'
import { withRulesetIfAny } from '../../lib/ruleset/settle.js'
import { attachmentKey, claim, listRecords } from '../../lib/store/record.js'
import { unlink } from '../../lib/sys/file.js'
import { type Admitted, backendOf, type FirewallConfig, PLUGIN, placeOf, zoneOf } from './config.js'
import { isRunning } from './firewalld.js'
import { dismissSources, withdraw } from './withdraw.js'

export function del(request: DelRequest<FirewallConfig>): void {
  const { network, containerId, ifName, prevResult } = request
  const key = attachmentKey(network, containerId, ifName)
  const record = claim<Admitted>(placeOf(request, request))
  const admitted = record?.earlier?.content
  try {
    withRulesetIfAny((nft) => {
      if (admitted !== undefined) {
        // Neither who makes the table of policies anew nor who shares a source must take us for one that stays.
        if (admitted.policy !== undefined || admitted.zone !== undefined) record?.write('adding', admitted)
        withdraw(nft, key, admitted, stateDirOf(request.config))
      } else if (prevResult !== undefined) {
        const addresses = containerAddresses(prevResult, ifName)
        dismiss(nft, key, undefined)
        dismissReference(nft, addresses)
        dismissReferenceSources(request.config, key, addresses)
      }
    })
  } catch (error) {
    record?.release()
    throw error
  }
  record?.remove()
  if (admitted === undefined && prevResult !== undefined) nameLegacyLeftovers('filter', 'CNI-FORWARD')
}

/** What the reference told firewalld, which has no word of whose a source is. */
function dismissReferenceSources(config: Partial<FirewallConfig>, key: string, addresses: readonly IpAddress[]): void {
  if (addresses.length === 0 || backendOf(config) === 'nftables' || !isRunning()) return
  dismissSources(zoneOf(config), addresses, key, stateDirOf(config))
}

export function gc(request: GcRequest<FirewallConfig>): void {
  const { config, network, valid } = request
  if (valid === undefined) return
  const keep = keeps(valid)
  const keys = new Set(valid.map(({ containerId, ifName }) => attachmentKey(network, containerId, ifName)))
  const failures = collectFailures()
  withRulesetIfAny((nft) => {
    for (const listed of listRecords<Admitted>(stateDirOf(config), PLUGIN, network)) {
      if (keys.has(listed.key) || (listed.state !== 'damaged' && keep(listed))) continue
      failures.attempt(`cannot withdraw ${listed.containerId}/${listed.ifName}`, () => {
        if (listed.state === 'damaged') {
          dismiss(nft, listed.key, undefined)
          unlink(listed.path)
          return
        }
        const record = claim<Admitted>(placeOf(request, listed))
        // An ADD that was running when we looked and has finished since is news, not stale.
        if (record?.earlier === undefined || (listed.state === 'adding' && record.earlier.state === 'ready')) {
          record?.release()
          return
        }
        try {
          record.write('adding', record.earlier.content) // as DEL does
          withdraw(nft, listed.key, record.earlier.content, stateDirOf(config))
        } catch (error) {
          record.release()
          throw error
        }
        record.remove()
      })
    }
    failures.attempt('cannot look for policies without a record', () => {
      const known = listRecords(stateDirOf(config), PLUGIN, network).map(({ key }) => key)
      for (const key of stalePolicies(nft, network, new Set([...keys, ...known]))) unpolice(nft, key)
    })
  })
  failures.report()
}
