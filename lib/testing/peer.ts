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

/** What the server behind address and port says to `from`; `''` where nobody has after 20 s, which only a busy machine needs. */
export function ask(from: Netns, address: string, port: number, protocol: 'tcp' | 'udp' = 'tcp'): string {
  return say(20, from, address, port, protocol)
}

/** Between namespaces an answer takes a millisecond. For claims that a way is shut: each waits for as long as this. */
const BRIEFLY = 0.3

/** Whether nobody answers: for claims that a way is shut. */
export function isSilent(from: Netns, address: string, port: number, protocol: 'tcp' | 'udp' = 'tcp'): boolean {
  return askBriefly(from, address, port, protocol) === ''
}

/** As `ask`, where another answer than the one that is asked about may as well be none. */
export function askBriefly(from: Netns, address: string, port: number, protocol: 'tcp' | 'udp' = 'tcp'): string {
  return say(BRIEFLY, from, address, port, protocol)
}

function say(seconds: number, from: Netns, address: string, port: number, protocol: 'tcp' | 'udp'): string {
  // dd takes a whole datagram at once, where read would take a byte and lose the rest
  const script = `exec 3<>/dev/${protocol}/${address}/${port} && echo >&3; dd bs=4096 count=1 <&3 2>/dev/null`
  return from.try(['timeout', String(seconds), 'bash', '-c', script]).stdout.trim()
}

const SENDER = `
const [address, port, own, patience] = process.argv.slice(1)
const socket = require('dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4')
socket.on('message', (data) => { process.stdout.write(data); process.exit(0) })
socket.on('error', () => process.exit(1))
const sent = () => setTimeout(() => process.exit(0), Number(patience))
socket.bind(Number(own), () => socket.send('x', Number(port), address, sent))`

/** As `ask` over UDP, always from the same port: one connection to whoever remembers them. */
export function askFromPort(from: Netns, own: number, address: string, port: number): string {
  return sendFromPort(from, own, address, port, 20_000)
}

/** A datagram that nobody answers. */
export function sendInVain(from: Netns, own: number, address: string, port: number): void {
  sendFromPort(from, own, address, port, 0)
}

function sendFromPort(from: Netns, own: number, address: string, port: number, milliseconds: number): string {
  const words = [address, port, own, milliseconds].map(String)
  return from.try([process.execPath, '-e', SENDER, '--', ...words]).stdout.trim()
}
