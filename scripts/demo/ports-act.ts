/** A port of the node that leads to a pod: asked from outside, from the node, from another pod, from the pod itself. */

import type { Json } from '../../lib/testing/cni.js'
import type { Netns } from '../../lib/testing/netns.js'
import { beside, block, framed } from '../terminal/block.js'
import { paint } from '../terminal/style.js'
import { terminalTable } from '../terminal/table.js'
import type { Act } from './act.js'
import { Host } from './host.js'
import { interfacesOf } from './look.js'
import { connectOutside, NODE, OUTSIDE } from './outside.js'
import { removeAndVerify } from './remove.js'
import { receive, visit } from './visit.js'

const MAPPING = { hostPort: 8080, containerPort: 80, protocol: 'tcp' }

const CONFLIST: Json = {
  cniVersion: '1.1.0',
  name: 'podnet',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni0',
      isDefaultGateway: true,
      hairpinMode: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: '10.244.1.0/24' }]] },
    },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
}

export const portsAct: Act = {
  name: 'ports',
  summary: `port ${MAPPING.hostPort} of a node leads to a pod: bridge, host-local, portmap`,
  async play(stage) {
    const host = new Host(stage, 'node', CONFLIST)
    const outside = connectOutside(stage, host)
    const web = host.attach('web', { portMappings: [MAPPING] })
    const other = host.attach('other')
    await receive(web.netns, MAPPING.containerPort)

    stage.say(...draw(host, outside, `:${MAPPING.hostPort} → ${web.addresses[0]}:${MAPPING.containerPort}`), '')
    const visits = [
      { who: 'outside', from: outside, address: NODE, sees: OUTSIDE },
      { who: 'node', from: host.netns, address: NODE },
      { who: 'node', from: host.netns, address: '127.0.0.1' },
      { who: 'other', from: other.netns, address: NODE, sees: other.addresses[0] },
      { who: 'web', from: web.netns, address: NODE },
    ].map((asked) => ({ ...asked, seen: visit(asked.from, asked.address, MAPPING.hostPort) }))
    const rows = visits.map(({ who, address, seen }) => [
      paint('bold', who),
      `${address}:${MAPPING.hostPort}`,
      seen ?? paint('red', 'no answer'),
    ])
    const columns = [{ heading: 'who' }, { heading: 'asks' }, { heading: 'web sees' }]
    stage.say(...terminalTable(columns, rows, '').split('\n'), '')

    const answered = visits.filter(({ seen }) => seen !== undefined).length
    stage.claim(answered === visits.length, `${answered} of ${visits.length} visits answered`)
    const kept = visits.every(({ sees, seen }) => sees === undefined || sees === seen)
    stage.claim(kept, 'web sees the own address of who asks from outside and from a pod')
    host.check()
    stage.claim(true, 'CHECK finds pods and port as ADD left them')
    removeAndVerify(stage, [host])
    stage.claim(visit(outside, NODE, MAPPING.hostPort) === undefined, `port ${MAPPING.hostPort} is closed again`)
  },
}

function draw(host: Host, outside: Netns, mapping: string): string[] {
  const inside = (netns: Netns) =>
    interfacesOf(netns)
      .filter(({ name }) => name === 'eth0' || name === 'cni0')
      .flatMap(({ name, addresses }) => addresses.map((address) => `${paint('cyan', name)} ${address}`))
  const pods = host.pods.flatMap(({ name, netns }) => inside(netns).map((line) => `${line}  ${paint('bold', name)}`))
  const wire = block(['', paint('dim', '───')])
  const node = framed(host.name, [...inside(host.netns), paint('green', mapping)])
  return [...beside([framed('outside', inside(outside)), wire, node, wire, framed('pods', pods)], 0)]
}
