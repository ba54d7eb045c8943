/** Who answers where, and whom it sees: a server that tells each client its address, and clients that print that. */

import { once } from 'node:events'
import type { Netns } from './netns.js'

const SERVER = `
const plain = (address) => address.replace('::ffff:', '')
const [name, ...ports] = process.argv.slice(1)
let waiting = ports.length * 2
const ready = () => { if (--waiting === 0) console.log('ready') }
for (const port of ports.map(Number)) {
  require('net').createServer((socket) => {
    socket.on('error', () => {})
    socket.end(name + ' sees ' + plain(socket.remoteAddress) + '\\n')
  }).listen(port, '::', ready)
  const udp = require('dgram').createSocket('udp6')
  udp.on('message', (_, from) => udp.send(name + ' sees ' + plain(from.address) + '\\n', from.port, from.address))
  udp.bind(port, ready)
}`

/** Answers on TCP and UDP ports of both families with `<name> sees <address>` until the test ends. */
export async function serve(netns: Netns, name: string, ...ports: number[]): Promise<void> {
  const child = netns.start([process.execPath, '-e', SERVER, '--', name, ...ports.map(String)])
  if (child.stdout !== null) await once(child.stdout, 'data')
}

/** What the server behind address and port says to `from`; `''` where nobody answers within two seconds. */
export function ask(from: Netns, address: string, port: number, protocol: 'tcp' | 'udp' = 'tcp'): string {
  // dd takes a whole datagram at once, where read would take a byte and lose the rest
  const script = `exec 3<>/dev/${protocol}/${address}/${port} && echo >&3; dd bs=4096 count=1 <&3 2>/dev/null`
  return from.try(['timeout', '2', 'bash', '-c', script]).stdout.trim()
}

const SENDER = `
const [address, port, own] = process.argv.slice(1)
const socket = require('dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4')
socket.on('message', (data) => { process.stdout.write(data); process.exit(0) })
socket.on('error', () => process.exit(1))
socket.bind(Number(own), () => socket.send('x', Number(port), address))
setTimeout(() => process.exit(0), 600)`

/** As `ask` over UDP, always from the same port: one connection to whoever remembers them. */
export function askFromPort(from: Netns, own: number, address: string, port: number): string {
  return from.try([process.execPath, '-e', SENDER, '--', address, String(port), String(own)]).stdout.trim()
}
