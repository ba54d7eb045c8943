import t from 'tap'
import { type IpAddress, parseAddress } from '../ip/address.js'
import { addAddress, listAddresses, removeAddress } from './addresses.js'
import { listFdb, replaceFdb } from './fdb.js'
import { setPort } from './links/port.js'
import { changeLink, deleteLink, getLink } from './links/requests.js'
import { addVlan, listVlans } from './links/vlan.js'
import type { Message, Request } from './message.js'
import { addNeighbour, getNeighbour, removeNeighbour } from './neighbours.js'
import { getNetconf } from './netconf.js'
import { addRoute, removeRoute } from './routes.js'
import { ENODEV, ENOENT, NETLINK_ROUTE, NetlinkSocket } from './socket.js'
import { addIngress, deleteQdisc, getQdisc, setTokenBucket } from './tc/qdisc.js'
import { redirectArriving } from './tc/redirect.js'

// A kernel behind the door that misbehaves on purpose: it splits, repeats, loses and delays.

interface Sent {
  readonly type: number
  readonly flags: number
  readonly sequence: number
  readonly body: string
}

type Queued = Buffer | number // a datagram, or minus an errno

const EINTR = -4
const EAGAIN = -11
const ENOBUFS = -105

function fakeKernel(answer: (sent: Sent[], attempt: number) => Queued[]) {
  const queue: Queued[] = []
  const options: string[] = []
  const datagrams: Sent[][] = []
  const sys = {
    socket: () => 7,
    close: () => 0,
    setsockopt(_fd: number, level: number, name: number, value: Uint8Array) {
      options.push(`${level}/${name}=${Buffer.from(value).readInt32LE()}`)
      return 0
    },
    sendto(_fd: number, bytes: Uint8Array, length: number) {
      const all = Buffer.from(bytes.slice(0, length))
      const sent: Sent[] = []
      for (let at = 0; at < all.length; at += (all.readUInt32LE(at) + 3) & ~3) {
        sent.push({
          type: all.readUInt16LE(at + 4),
          flags: all.readUInt16LE(at + 6),
          sequence: all.readUInt32LE(at + 8),
          body: all.toString('hex', at + 16, at + all.readUInt32LE(at)),
        })
      }
      datagrams.push(sent)
      queue.push(...answer(sent, datagrams.length))
      return length
    },
    recvfrom(_fd: number, buffer: Uint8Array) {
      const next = queue.shift() ?? EAGAIN
      if (typeof next === 'number') return next
      buffer.set(next.subarray(0, buffer.length))
      return next.length
    },
    ppoll: () => 0,
    clock_gettime: () => 0,
  }
  Object.assign(globalThis, { door: { sys } })
  return { options, datagrams, queue }
}

function message(type: number, flags: number, sequence: number, body = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(16)
  header.writeUInt32LE(16 + body.length, 0)
  header.writeUInt16LE(type, 4)
  header.writeUInt16LE(flags, 6)
  header.writeUInt32LE(sequence, 8)
  return Buffer.concat([header, body, Buffer.alloc(-body.length & 3)])
}

function error(sequence: number, errno: number, words = ''): Buffer {
  const CAPPED = 0x100
  const TLVS = 0x200
  const body = Buffer.alloc(20)
  body.writeInt32LE(-errno, 0)
  if (words === '') return message(2, CAPPED, sequence, body)
  const text = Buffer.from(`${words}\0`)
  const attribute = Buffer.from([text.length + 4, 0, 1, 0])
  return message(2, CAPPED | TLVS, sequence, Buffer.concat([body, attribute, text, Buffer.alloc(-text.length & 3)]))
}

const MULTI = 2
const INTERRUPTED = 0x10
const part = (sequence: number, value: number, flags = MULTI) =>
  message(24, flags, sequence, Buffer.from([value, 0, 0, 0]))
const done = (sequence: number, result = 0) => {
  const body = Buffer.alloc(4)
  body.writeInt32LE(result)
  return message(3, MULTI, sequence, body)
}

const ask: Request = { type: 26, flags: 0, about: () => 'list things', write: (writer) => writer.u32(1) }
const numbered = (n: number): Request => ({ ...ask, about: () => `do ${n}`, write: (writer) => writer.u8(n) })
const value = ({ reader, start }: Message) => reader.bytes[start] as number

t.test('a socket asks for capped and extended acknowledgements and strict checking', async (t) => {
  const { options } = fakeKernel(() => [])
  new NetlinkSocket(NETLINK_ROUTE)
  t.same(options, ['270/10=1', '270/11=1', '270/12=1'])
})

t.test('request() waits for its own acknowledgement and pads what it sends', async (t) => {
  const { datagrams } = fakeKernel(([sent]) => [EINTR, error(99, 1), error(sent?.sequence ?? 0, 0)])
  new NetlinkSocket(NETLINK_ROUTE).request(numbered(5))
  t.same(datagrams, [[{ type: 26, flags: 5, sequence: 1, body: '05' }]])
})

t.test('request() throws what the kernel said', async (t) => {
  fakeKernel(([sent]) => [error(sent?.sequence ?? 0, 22, 'Nexthop has invalid gateway')])
  t.throws(() => new NetlinkSocket(NETLINK_ROUTE).request(numbered(5)), {
    message: 'do 5: EINVAL (kernel: "Nexthop has invalid gateway")',
    code: 'EINVAL',
  })
})

t.test('getAll() asks in one datagram, and puts answers and absences in the order of the questions', async (t) => {
  const { datagrams } = fakeKernel(([first]) => {
    const since = first?.sequence ?? 0
    return [part(since + 1, 8, 0), error(since, 2), Buffer.concat([part(since + 2, 9, 0)])]
  })
  const socket = new NetlinkSocket(NETLINK_ROUTE)
  t.same(socket.getAll([numbered(1), numbered(2), numbered(3)], value), [undefined, 8, 9])
  t.equal(datagrams.length, 1)
  t.same(socket.getAll([], value), [])
  t.equal(datagrams.length, 1, 'nothing is sent for no question')
})

t.test('getAll() throws a refusal other than absence, with the question that it belongs to', async (t) => {
  fakeKernel(([first]) => [part(first?.sequence ?? 0, 1, 0), error((first?.sequence ?? 0) + 1, 1)])
  t.throws(() => new NetlinkSocket(NETLINK_ROUTE).getAll([numbered(1), numbered(2)], value), {
    message: 'do 2: EPERM',
  })
})

t.test('a refusal names every link by its name, whatever asked', async (t) => {
  const address = parseAddress('10.1.2.3') as IpAddress
  const prefix = { address, length: 24 }
  const requests: Record<string, Request> = {
    'add address 10.1.2.3/24 to link eth0': addAddress(7, { prefix }),
    'remove address 10.1.2.3/24 from link eth0': removeAddress(7, prefix),
    'list addresses of link eth0': listAddresses(7),
    'list addresses of all links': listAddresses(0),
    'get link eth0': getLink(7),
    'change link eth0': changeLink(7, { up: true })[0] as Request,
    'delete link eth0': deleteLink(7),
    'change bridge port, link eth0': setPort(7, { hairpin: true }),
    'add VLAN 5 of link eth0': addVlan(7, { vid: 5 }),
    'list VLANs of link eth0': listVlans(7),
    'add neighbour 10.1.2.3 on link eth0': addNeighbour(7, { address }),
    'remove neighbour 10.1.2.3 from link eth0': removeNeighbour(7, address),
    'get neighbour 10.1.2.3 on link eth0': getNeighbour(7, address),
    'replace FDB entry 02:00:00:00:00:01 of link eth0': replaceFdb(7, { mac: '02:00:00:00:00:01' }),
    'list FDB of link eth0': listFdb(7),
    'add route 10.1.2.3/24 via 10.1.2.3 by link eth0': addRoute({ to: prefix, via: address, link: 7 }, 'append'),
    'remove route 10.1.2.3/24 by link eth0': removeRoute({ to: prefix, link: 7 }),
    'get IPv4 settings of link eth0': getNetconf(4, 7),
    'set token bucket on link eth0': setTokenBucket(7, { rate: 1, burst: 1, limit: 1 }),
    'add ingress qdisc to link eth0': addIngress(7),
    'delete root qdisc of link eth0': deleteQdisc(7, 'root'),
    'get root qdisc of link eth0': getQdisc(7, 'root'),
    'redirect what arrives by link eth0 to link eth0': redirectArriving(7, 7),
  }
  for (const [words, request] of Object.entries(requests)) {
    fakeKernel(([sent]) => [error(sent?.sequence ?? 0, 19)])
    const socket = new NetlinkSocket(NETLINK_ROUTE)
    socket.linkNames.learn({ index: 7, name: 'eth0' })
    t.throws(() => socket.request(request), { message: `${words}: ENODEV` })
  }
})

t.test('an answer that never comes is ETIMEDOUT', async (t) => {
  fakeKernel(() => [])
  t.throws(() => new NetlinkSocket(NETLINK_ROUTE).request(numbered(5)), {
    message: 'do 5: ETIMEDOUT',
    code: 'ETIMEDOUT',
  })
})

t.test('get() asks again with a larger buffer when the reply was cut', async (t) => {
  const { datagrams } = fakeKernel(([sent]) => [message(24, 0, sent?.sequence ?? 0, Buffer.alloc(100_000, 9))])
  t.equal(new NetlinkSocket(NETLINK_ROUTE).get(ask, value), 9)
  t.equal(datagrams.length, 2)
})

t.test('find() returns undefined for the errnos that mean absence, and throws any other', async (t) => {
  let errno = 0
  fakeKernel(([sent]) => [
    errno === 0 ? message(24, 0, sent?.sequence ?? 0, Buffer.from([9, 0, 0, 0])) : error(sent?.sequence ?? 0, errno),
  ])
  const find = () => new NetlinkSocket(NETLINK_ROUTE).find(ask, value, [ENOENT, ENODEV])
  t.equal(find(), 9)
  for (errno of [ENOENT, ENODEV]) t.equal(find(), undefined)
  errno = 1
  t.throws(find, { message: 'list things: EPERM' })
})

t.test('dump() collects parts however they are split, and leaves out what is undefined', async (t) => {
  fakeKernel(([sent]) => {
    const s = sent?.sequence ?? 0
    return [part(s, 1), Buffer.concat([part(s, 2), part(s, 3)]), Buffer.concat([part(s, 4), done(s)])]
  })
  const odd = (m: Message) => (value(m) % 2 === 1 ? value(m) : undefined)
  t.same(new NetlinkSocket(NETLINK_ROUTE).dump(ask, odd), [1, 3])
})

t.test('dump() begins again when it was interrupted, overrun or cut', async (t) => {
  const { datagrams } = fakeKernel(([sent], attempt) => {
    const s = sent?.sequence ?? 0
    if (attempt === 1) return [part(s, 1, MULTI | INTERRUPTED), done(s)]
    if (attempt === 2) return [part(s, 1), ENOBUFS, done(s)]
    if (attempt === 3) return [message(24, MULTI, s, Buffer.alloc(500_000, 7)), done(s)]
    return [part(s - 1, 8), part(s, 2), done(s)]
  })
  t.same(new NetlinkSocket(NETLINK_ROUTE).dump(ask, value), [2], 'and nothing of the earlier attempts remains')
  t.equal(datagrams.length, 4)
})

t.test('dump() gives up after ten interruptions', async (t) => {
  const { datagrams } = fakeKernel(([sent]) => [
    part(sent?.sequence ?? 0, 1, MULTI | INTERRUPTED),
    done(sent?.sequence ?? 0),
  ])
  t.throws(() => new NetlinkSocket(NETLINK_ROUTE).dump(ask, value), { code: 'EINTR' })
  t.equal(datagrams.length, 10)
})

t.test('dump() throws the error that ends it', async (t) => {
  fakeKernel(([sent]) => [part(sent?.sequence ?? 0, 1), done(sent?.sequence ?? 0, -2)])
  t.throws(() => new NetlinkSocket(NETLINK_ROUTE).dump(ask, value), { message: 'list things: ENOENT' })
  fakeKernel(([sent]) => [error(sent?.sequence ?? 0, 1)])
  t.throws(() => new NetlinkSocket(NETLINK_ROUTE).dump(ask, value), { message: 'list things: EPERM' })
})

t.test('batch() acknowledges only the last of a chunk and maps refusals to requests', async (t) => {
  const { datagrams } = fakeKernel((sent) =>
    sent.flatMap(({ sequence, body, flags }) => {
      if (body === '03' || body === 'c8') return [error(sequence, 17)]
      return (flags & 4) === 0 ? [] : [error(sequence, 0)]
    }),
  )
  const requests = Array.from({ length: 201 }, (_, i) => numbered(i))
  const failures = new NetlinkSocket(NETLINK_ROUTE).batch(requests)
  t.same(
    failures.map(({ index, error }) => [index, error.message]),
    [
      [3, 'do 3: EEXIST'],
      [200, 'do 200: EEXIST'],
    ],
  )
  t.same(
    datagrams.map((sent) => [sent.length, sent.filter(({ flags }) => (flags & 4) !== 0).length]),
    [
      [128, 1],
      [73, 1],
    ],
  )
})

t.test('transaction() goes out whole, and a refused beginning speaks for all', async (t) => {
  const all = [1, 2, 3, 4].map(numbered)
  const { datagrams } = fakeKernel((sent) => [error(sent[1]?.sequence ?? 0, 2), error(sent[2]?.sequence ?? 0, 0)])
  const socket = new NetlinkSocket(NETLINK_ROUTE)
  t.match(socket.transaction(all, 2), [{ index: 1, error: { message: 'do 2: ENOENT' } }])
  t.same(
    datagrams[0]?.map(({ flags }) => flags & 4),
    [0, 0, 4, 0],
  )
  fakeKernel((sent) => [error(sent[0]?.sequence ?? 0, 1)])
  t.match(socket.transaction(all, 2), [{ index: 0, error: { message: 'do 1: EPERM' } }])
})

t.test('requestEcho() returns the echo, and undefined where there was none', async (t) => {
  fakeKernel(([sent]) => [part(sent?.sequence ?? 0, 6, 0), error(sent?.sequence ?? 0, 0)])
  t.equal(new NetlinkSocket(NETLINK_ROUTE).requestEcho(ask, value), 6)
  fakeKernel(([sent]) => [error(sent?.sequence ?? 0, 0)])
  t.equal(new NetlinkSocket(NETLINK_ROUTE).requestEcho(ask, value), undefined)
  fakeKernel(([sent]) => [error(sent?.sequence ?? 0, 17)])
  t.throws(() => new NetlinkSocket(NETLINK_ROUTE).requestEcho(ask, value), { code: 'EEXIST' })
})
