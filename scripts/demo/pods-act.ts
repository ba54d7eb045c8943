/** One node, pods on its bridge: the conflist of the README, as it stands there. */

import { readFileSync } from 'node:fs'
import type { Json } from '../../lib/testing/cni.js'
import { paint } from '../terminal/style.js'
import { terminalTable } from '../terminal/table.js'
import type { Act } from './act.js'
import { drawHost } from './draw-host.js'
import { Host } from './host.js'
import { interfacesOf, leasesOf } from './look.js'
import { connectOutside, NODE, OUTSIDE } from './outside.js'
import { pingAll } from './pings.js'
import { removeAndVerify } from './remove.js'
import { receive, visit } from './visit.js'

const CONFLIST = 'docs/podnet.conflist'

export const podsAct: Act = {
  name: 'pods',
  summary: `one node, ${CONFLIST}: bridge, host-local, and loopback beside it`,
  async play(stage, { pods }) {
    const conflist = JSON.parse(readFileSync(CONFLIST, 'utf8')) as Json
    const host = new Host(stage, 'node', conflist)
    const outside = connectOutside(stage, host)
    for (let at = 0; at < pods; at++) host.attach(`pod-${String.fromCharCode(97 + at)}`)

    stage.say(...drawHost(host, (process.stdout.columns || 122) - 2), '')
    stage.say(paint('dim', `${host.dataDir}/${conflist.name}`))
    stage.say(...leaseTable(host).split('\n'), '')
    const bridge = interfacesOf(host.netns).find(({ kind }) => kind === 'bridge')
    const gateway = {
      name: host.name,
      addresses: bridge?.addresses.map((address) => address.split('/')[0] ?? '') ?? [],
    }
    const { table, sent, answered } = pingAll([...host.pods, gateway])
    stage.say(paint('dim', 'round trips in ms, IPv4 IPv6'))
    stage.say(...table.split('\n'), '')

    stage.claim(answered === sent, `${answered} of ${sent} pings answered`)
    await receive(outside, 80)
    const seen = host.pods.map(({ netns }) => visit(netns, OUTSIDE, 80))
    stage.claim(
      seen.every((address) => address === NODE),
      `pods reach a machine that knows none of them; it sees the node, ${NODE}`,
    )
    host.check()
    stage.claim(true, `CHECK finds every pod as ADD left it`)
    removeAndVerify(stage, [host])
  },
}

function leaseTable(host: Host): string {
  const leases = leasesOf(host)
  const rows = host.pods.map(({ name }) => [
    paint('bold', name),
    ...leases.filter(({ container }) => container === name).map(({ address }) => address),
  ])
  const columns = [{ heading: 'container' }, { heading: 'leases' }, { heading: '' }]
  return terminalTable(columns, rows, '')
}
