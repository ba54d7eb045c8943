/** The drawing of one node: its bridge, a port a pod, and what is inside each pod. */

import { type Block, beside, block, centred, columnsOf, framed, middles, strokes } from '../terminal/block.js'
import { paint } from '../terminal/style.js'
import type { Host, Pod } from './host.js'
import { type Interface, interfacesOf, routesOf } from './look.js'

const GAP = 2

/** As many pods as `room` columns hold; the others are counted. */
export function drawHost(host: Host, room: number): Block {
  const links = interfacesOf(host.netns)
  const bridge = links.find(({ kind }) => kind === 'bridge')
  const all = host.pods.map((pod) => ({ title: pod.name, inside: insidePod(pod) }))
  const widest = Math.max(...all.map(({ title, inside }) => columnsOf(framed(title, inside))))
  const pods = all.slice(0, Math.max(1, Math.floor((room + GAP) / (widest + GAP))))
  // Drawn once to know where the middles are, and again with the joints.
  const plain = pods.map(({ title, inside }) => framed(title, inside))
  const row = beside(
    pods.map(({ title, inside }, at) => framed(title, inside, { above: [columnsOf(plain[at] ?? []) >> 1] })),
    GAP,
  )
  const joints = middles(plain, GAP)
  const ports = host.pods.slice(0, pods.length).map((pod) => {
    const eth0 = interfacesOf(pod.netns).find(({ name }) => name === 'eth0')
    return links.find(({ index }) => index === eth0?.peer)?.name ?? '?'
  })
  const hidden = all.length - pods.length
  const lines = [
    ...(bridge === undefined ? [] : bridgeLines(bridge)),
    ...(hidden > 0 ? [paint('dim', `and ${hidden} more pods`)] : []),
  ]
  const top = framed(host.name, block(lines, columnsOf(row) - 4), { below: joints })
  return [...top, paint('cyan', centred(ports, joints)), strokes(joints), ...row]
}

function bridgeLines({ name, addresses, mac, mtu }: Interface): string[] {
  return [`${paint('cyan', name)}  ${addresses.join('  ')}`, paint('dim', `bridge  ${mac}  mtu ${mtu}`)]
}

function insidePod(pod: Pod): string[] {
  const links = interfacesOf(pod.netns).toSorted((a, b) => b.index - a.index)
  const room = Math.max(...links.map(({ name }) => name.length))
  const addresses = links.flatMap(({ name, addresses }) =>
    addresses.map((address, at) => `${paint('cyan', (at === 0 ? name : '').padEnd(room))} ${address}`),
  )
  const routes = routesOf(pod.netns).map(({ to, via }) => paint('dim', `${to} → ${via}`))
  return [...addresses, ...routes]
}
