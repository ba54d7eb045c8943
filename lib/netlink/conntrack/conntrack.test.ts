/**
 * Against what conntrack 1.4.7 and the kernel say to each other, recorded with
 * `strace -e trace=sendto,recvmsg -e write=all -e read=all conntrack -C | -L | -D …`: the bytes after the netlink header.
 */

import t from 'tap'
import { formatAddress, parseAddress } from '../../ip/address.js'
import { attributeLines, unhex } from '../../testing/netlink.js'
import { readerOf } from '../codec/reader.js'
import { Writer } from '../codec/writer.js'
import type { Message, Request } from '../message.js'
import type { NetlinkSocket } from '../socket.js'
import { Conntrack, deleteConnection, forgetMatching, listConnections, readConnection } from './conntrack.js'

/** `conntrack -D -p udp --orig-port-dst 53`: what the kernel lists, and what conntrack sends for it. */
const RECORDED = [
  {
    family: 4,
    address: '192.0.2.1',
    port: 0xc99d,
    listed: `02000000
      34000180 14000180 08000100 c0000201 08000200 c0000201 1c000280 05000100 11000000 06000200 c99d0000 06000300 00350000
      34000280 14000180 08000100 c0000201 08000200 c0000201 1c000280 05000100 11000000 06000200 00350000 06000300 c99d0000
      08000300 00000008 08000800 00000000 08000c00 fa0f91c0 08000b00 00000001 08000700 0000001d`,
    sent: `02000000
      34000180 14000180 08000100 c0000201 08000200 c0000201 1c000280 05000100 11000000 06000200 c99d0000 06000300 00350000
      34000280 14000180 08000100 c0000201 08000200 c0000201 1c000280 05000100 11000000 06000200 00350000 06000300 c99d0000
      08000300 00000008 08000700 0000001d 08000800 00000000`,
    id: 'fa0f91c0',
  },
  {
    family: 6,
    address: '2001:db8::1',
    port: 0x966c,
    listed: `0a000000
      4c000180 2c00018014000300 20010db8000000000000000000000001 14000400 20010db8000000000000000000000001 1c000280 05000100 11000000 06000200 966c0000 06000300 00350000
      4c000280 2c00018014000300 20010db8000000000000000000000001 14000400 20010db8000000000000000000000001 1c000280 05000100 11000000 06000200 00350000 06000300 966c0000
      08000300 00000008 08000800 00000000 08000c00 ac260a5e 08000b00 00000001 08000700 0000001d`,
    sent: `0a000000
      4c000180 2c00018014000300 20010db8000000000000000000000001 14000400 20010db8000000000000000000000001 1c000280 05000100 11000000 06000200 966c0000 06000300 00350000
      4c000280 2c00018014000300 20010db8000000000000000000000001 14000400 20010db8000000000000000000000001 1c000280 05000100 11000000 06000200 00350000 06000300 966c0000
      08000300 00000008 08000700 0000001d 08000800 00000000`,
    id: 'ac260a5e',
  },
] as const

const NESTS = { 1: 0, '1/1': 0, '1/2': 0, 2: 0, '2/1': 0, '2/2': 0, 25: 0 }

/** Header, then each attribute on a line. */
function lines(bytes: Uint8Array): string[] {
  const body = Buffer.from(bytes)
  return [body.toString('hex', 0, 4), ...attributeLines(body.subarray(4), NESTS)]
}

function sent(request: Request): string[] {
  const writer = new Writer()
  request.write(writer)
  return lines(writer.copy())
}

function message(hex: string): Message {
  const reader = readerOf(unhex(hex))
  return { type: 0x0100, flags: 0, reader, start: 0, end: reader.bytes.length }
}

t.test('readConnection() reads both directions of what the kernel lists', async (t) => {
  for (const { family, address, port, listed, id } of RECORDED) {
    const { original, reply, ...connection } = readConnection(message(listed))
    const shown = [original, reply].map(({ source, destination, ...ports }) => ({
      ...ports,
      addresses: [source, destination].map((one) => one && formatAddress(one)),
    }))
    t.same(shown, [
      { protocol: 17, sourcePort: port, destinationPort: 53, addresses: [address, address] },
      { protocol: 17, sourcePort: 53, destinationPort: port, addresses: [address, address] },
    ])
    t.match(connection, { family, identity: { id: Number.parseInt(id, 16), zone: undefined } })
  }
})

t.test('deleteConnection() tells a connection as conntrack does, and by its id', async (t) => {
  for (const { listed, sent: theirs, id } of RECORDED) {
    const request = deleteConnection(readConnection(message(listed)))
    t.equal(request.type, 0x0102)
    const ofOriginal = lines(unhex(theirs)).filter((line, at) => at === 0 || line.startsWith('1'))
    t.same(
      sent(request),
      [...ofOriginal, `12: ${id}`].sort((a, b) => (a < b ? -1 : 1)),
    )
  }
})

t.test('forgetMatching() and listConnections() name parts of tuples as conntrack does, and say which', async (t) => {
  for (const { family, address: text, port, sent: theirs } of RECORDED) {
    const known = lines(unhex(theirs))
    const address = parseAddress(text)
    if (address === undefined) throw new Error(text)
    const base = { family, protocol: 17, destinationPort: 53 }
    const flags = (request: Request) => {
      const [filter, parts] = [sent(request).filter((line) => line.startsWith('25')), sent(request)]
      const foreign = parts.filter((line) => !line.startsWith('25') && !known.includes(line))
      t.same(foreign, [], 'nothing that conntrack does not send')
      return filter.slice(1)
    }
    // CTA_FILTER_FLAG(): source 1, destination 2, protocol 8, source port 16, destination port 32.
    t.same(flags(listConnections(base)), ['25/1: 28000000', '25/2: 00000000'])
    t.same(flags(listConnections({ family, protocol: 17 })), ['25/1: 08000000', '25/2: 00000000'])
    t.equal(listConnections(base).type, 0x0101)
    t.same(flags(forgetMatching(base)), ['25/1: 28000000', '25/2: 00000000'])
    t.same(flags(forgetMatching({ ...base, destination: address })), ['25/1: 2a000000', '25/2: 00000000'])
    const answered = forgetMatching({ ...base, answeredBy: { address, port: 53 } })
    t.same(flags(answered), ['25/1: 28000000', '25/2: 19000000'])
    t.ok(sent(answered).includes('2/2/2: 0035'), 'the port that answers is the source of the reply')
    t.equal(answered.type, 0x0102)
    t.not(port, 53)
  }
})

t.test('Conntrack.count() asks as conntrack -C does and reads the answer', async (t) => {
  const socket = {
    get: (request: Request, read: (message: Message) => unknown) => {
      t.equal(request.type, 0x0105)
      t.same(sent(request), ['00000000'])
      return read(message('00000000 08000100 00000003 08000200 00040000'))
    },
  }
  t.equal(new Conntrack(socket as unknown as NetlinkSocket).count(), 3)
})
