/** Small servers and clients in namespaces: who answers, and whom the server sees. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Context } from './context.js'
import type { Netns } from './netns.js'

/** Answers every TCP connection and UDP datagram with its own port and the address it sees. */
const SERVER = `
const dgram = require('dgram'), net = require('net')
const seen = (address) => address.replace('::ffff:', '')
let left = process.argv.length - 1
const ready = () => { if (--left === 0) console.log('ready') }
for (const where of process.argv.slice(1)) {
  const [protocol, port] = where.split('/')
  if (protocol === 'tcp') {
    net.createServer((socket) => {
      socket.on('error', () => {})
      socket.end(port + ' ' + seen(socket.remoteAddress ?? ''))
    }).listen(Number(port), '::', ready)
  } else {
    const socket = dgram.createSocket('udp6')
    socket.on('message', (_, from) => socket.send(port + ' ' + seen(from.address), from.port, from.address))
    socket.bind(Number(port), '::', ready)
  }
}`

const CLIENT = `
const dgram = require('dgram'), net = require('net')
const [protocol, host, port] = process.argv.slice(1)
const end = (text) => { process.stdout.write(String(text)); process.exit(0) }
setTimeout(() => end(''), 1500)
if (protocol === 'tcp') {
  const socket = net.connect(Number(port), host)
  socket.on('data', end)
  socket.on('error', () => end(''))
} else {
  const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4')
  socket.on('message', end)
  socket.on('error', () => end(''))
  socket.send('?', Number(port), host)
}`

/** Listens on `tcp/80`, `udp/53`, … in a namespace until the case ends. */
export async function serve(context: Context, netns: Netns, ...where: string[]): Promise<void> {
  const child: ChildProcess = spawn(
    'nsenter',
    [`--net=${netns.path}`, '--', process.execPath, '-e', SERVER, ...where],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  context.cleanup(() => child.kill('SIGKILL'))
  if (child.stdout !== null) await once(child.stdout, 'data')
}

/** What a server answers: its port and the address it sees; empty where nobody does. */
export function ask(from: Netns, protocol: string, host: string, port: number): { port: string; seen: string } {
  const [answering = '', seen = ''] = from
    .try([process.execPath, '-e', CLIENT, protocol, host, String(port)])
    .stdout.split(' ')
  return { port: answering, seen }
}
