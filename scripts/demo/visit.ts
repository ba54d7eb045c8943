/** A server that tells its visitors who they look like, and visits. */

import { once } from 'node:events'
import type { Netns } from '../../lib/testing/netns.js'

const SERVER = `
require('net').createServer((socket) => {
  socket.on('error', () => {})
  socket.end(socket.remoteAddress.replace('::ffff:', ''))
}).listen(Number(process.argv[1]), '::', () => console.log('ready'))`

const CLIENT = `
const [host, port] = process.argv.slice(1)
require('net').connect({ host, port: Number(port), timeout: 3000 })
  .on('error', () => process.exit(1))
  .on('timeout', () => process.exit(1))
  .pipe(process.stdout)`

/** Listens in `netns` until that is removed. */
export async function receive(netns: Netns, port: number): Promise<void> {
  const { stdout } = netns.start([process.execPath, '-e', SERVER, String(port)])
  if (stdout !== null) await once(stdout, 'data')
}

/** The address that the server saw; undefined where nobody answered. */
export function visit(from: Netns, address: string, port: number): string | undefined {
  const { status, stdout } = from.try([process.execPath, '-e', CLIENT, address, String(port)])
  return status === 0 && stdout !== '' ? stdout : undefined
}
