/** Real TCP between namespaces: who the receiver sees, and whether bulk arrives. */

import { once } from 'node:events'
import type { Netns } from './netns.js'

const PORT = 7777

/** Answers each connection with the address it came from and the bytes it brought, once the other side is done. */
const SERVER = `
require('net').createServer({ allowHalfOpen: true }, (socket) => {
  let bytes = 0
  socket.on('data', (data) => { bytes += data.length })
  socket.on('end', () => socket.end(JSON.stringify({ from: socket.remoteAddress.replace('::ffff:', ''), bytes })))
  socket.on('error', () => {})
}).listen(${PORT}, '::', () => console.log('ready'))`

const CLIENT = `
const [host, size] = process.argv.slice(1)
const socket = require('net').connect({ host, port: ${PORT}, allowHalfOpen: true })
const chunk = Buffer.alloc(65536)
let left = Number(size)
const feed = () => {
  while (left > 0) {
    const part = chunk.subarray(0, Math.min(left, chunk.length))
    left -= part.length
    if (!socket.write(part)) return socket.once('drain', feed)
  }
  socket.end()
}
socket.on('connect', feed)
socket.on('error', (error) => { console.error(String(error)); process.exit(1) })
socket.pipe(process.stdout)`

/** One in each namespace, until that goes. */
const servers = new WeakMap<Netns, Promise<unknown>>()

function startServer(netns: Netns): Promise<unknown> {
  const { stdout } = netns.start([process.execPath, '-e', SERVER])
  return stdout === null ? Promise.resolve() : once(stdout, 'data')
}

async function exchange(
  from: Netns,
  to: Netns,
  address: string,
  size: number,
): Promise<{ from: string; bytes: number }> {
  const ready = servers.get(to) ?? startServer(to)
  servers.set(to, ready)
  await ready
  const { stdout, stderr } = from.try([process.execPath, '-e', CLIENT, address, String(size)], { timeout: 60_000 })
  return stdout === '' ? { from: `no answer: ${stderr}`, bytes: 0 } : JSON.parse(stdout)
}

/** The source address that `to` sees of a connection from `from`. */
export async function seenFrom(from: Netns, to: Netns, address: string): Promise<string> {
  return (await exchange(from, to, address, 1)).from
}

/** Whether `size` bytes arrive. */
export async function transfer(from: Netns, to: Netns, address: string, size: number): Promise<boolean> {
  return (await exchange(from, to, address, size)).bytes === size
}
