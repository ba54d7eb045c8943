/** Who reaches whom, as a table of milliseconds. */

import type { Netns } from '../../lib/testing/netns.js'
import { paint } from '../terminal/style.js'
import { type Column, terminalTable } from '../terminal/table.js'

export interface Peer {
  readonly name: string
  /** Where it pings from; absent for one that is only pinged. */
  readonly netns?: Netns
  readonly addresses: readonly string[]
}

export interface Pings {
  readonly table: string
  readonly sent: number
  readonly answered: number
}

/** One packet from each peer to each address of each other. */
export function pingAll(peers: readonly Peer[]): Pings {
  let sent = 0
  let answered = 0
  const cell = (from: Peer, to: Peer): string => {
    if (from === to) return paint('dim', '·')
    const times = to.addresses.map((address) => {
      sent++
      const time = from.netns === undefined ? undefined : roundTrip(from.netns, address)
      if (time === undefined) return paint('red', 'lost')
      answered++
      return time
    })
    return times.join(paint('dim', ' '))
  }
  const rows = peers
    .filter(({ netns }) => netns !== undefined)
    .map((from) => [paint('bold', from.name), ...peers.map((to) => cell(from, to))])
  const columns: Column[] = [
    { heading: 'from ╲ to' },
    ...peers.map(({ name }) => ({ heading: name, align: 'right' as const })),
  ]
  return { table: terminalTable(columns, rows, ''), sent, answered }
}

/** Milliseconds as ping says them; undefined where nothing came back within two seconds. */
function roundTrip(netns: Netns, address: string): string | undefined {
  const { stdout } = netns.try(['ping', '-n', '-c', '1', '-W', '2', address])
  const time = /time=([\d.]+) ms/.exec(stdout)?.[1]
  return time === undefined ? undefined : Number(time).toFixed(2)
}
