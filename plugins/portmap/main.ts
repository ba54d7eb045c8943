/**
 * portmap: maps ports of the host to the container, in nftables maps that are looked up by address and port.
 * https://www.cni.dev/plugins/current/meta/portmap/
 */

import { defineChained } from '../../lib/attachment/chained.js'
import { stalePorts, unguardGone } from '../../lib/ruleset/host-ports.js'
import { apply } from './apply.js'
import { schema } from './config.generated.js'
import { type PortmapConfig, type Settings, settings } from './config.js'
import { differences } from './differences.js'
import { PLUGIN, type Recorded, recordOf, SHAPE } from './record.js'
import { status } from './status.js'
import { type Tools, using, usingIfAny } from './tools.js'
import { type Wanted, wantedPorts } from './wanted.js'
import { undo, withdraw, withdrawKey, withdrawUnrecorded } from './withdraw.js'

export const { main } = defineChained<PortmapConfig, Settings, Wanted, Recorded, Tools>({
  name: PLUGIN,
  schema,
  settings,
  using,
  usingIfAny,
  wanted: wantedPorts,
  record: ({ exposed, conditions }) => recordOf(exposed, conditions),
  shape: SHAPE,
  apply,
  withdraw,
  undo,
  withdrawKey,
  withdrawUnrecorded: (request, { key }) => withdrawUnrecorded(request, key),
  stale: ({ nft }, network, keep) => stalePorts(nft, network, keep),
  tidy: ({ nft, host }, failures) =>
    failures.attempt('cannot look for guards of links that are gone', () =>
      unguardGone(nft, (name) => host.links.find(name) !== undefined),
    ),
  differences: (tools, _at, wanted) => differences(tools, wanted),
  subject: ({ containerId }) => ({
    what: `host ports of ${containerId} are`,
    hint: 'The next ADD on this host repairs a table that was flushed',
  }),
  status,
})
