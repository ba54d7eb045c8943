import { BlockList, isIPv4, isIPv6, SocketAddress } from 'node:net'
import t from 'tap'
import { randomAddress, repeat } from '../testing/random-address.js'
import {
  addToAddress,
  compareAddresses,
  distance,
  equalAddresses,
  formatAddress,
  type IpAddress,
  ipv4FromNumber,
  ipv4ToNumber,
  isLinkLocal,
  isLoopback,
  isMulticast,
  isUnspecified,
  nextAddress,
  parseAddress,
  previousAddress,
} from './address.js'

const ip = (text: string): IpAddress => {
  const address = parseAddress(text)
  if (address === undefined) throw new Error(`${text} is no address`)
  return address
}

t.test('parseAddress() reads what Go reads', async (t) => {
  const cases: Record<string, string> = {
    '0.0.0.0': '0.0.0.0',
    '10.1.2.3': '10.1.2.3',
    '255.255.255.255': '255.255.255.255',
    '::': '::',
    '::1': '::1',
    '1::': '1::',
    'FE80::1': 'fe80::1',
    '2001:db8:0:0:1:0:0:1': '2001:db8::1:0:0:1',
    '2001:0db8::0001': '2001:db8::1',
    '1:2:3:4:5:6:7::': '1:2:3:4:5:6:7:0',
    '::2:3:4:5:6:7:8': '0:2:3:4:5:6:7:8',
    '1:2:3:4:5:6:7:8': '1:2:3:4:5:6:7:8',
    '1:0:0:2:0:0:0:3': '1:0:0:2::3',
    '::ffff:1.2.3.4': '1.2.3.4',
    '::FFFF:0102:0304': '1.2.3.4',
    '64:ff9b::1.2.3.4': '64:ff9b::102:304',
    '1:2:3:4:5:6:1.2.3.4': '1:2:3:4:5:6:102:304',
    '::1.2.3.4': '::102:304',
  }
  for (const [text, formatted] of Object.entries(cases)) t.equal(formatAddress(ip(text)), formatted, text)
})

t.test('parseAddress() refuses what Go refuses', async (t) => {
  for (const text of [
    ...['', ' ', '1', '1.2.3', '1.2.3.', '.1.2.3', '1..2.3', '1.2.3.4.5', '256.1.1.1', '01.2.3.4', '1.2.3.04'],
    ...['00.0.0.0', '1.2.3.4 ', ' 1.2.3.4', '1.2.3.-4', '+1.2.3.4', '0x1.2.3.4', '1.2.3.4/24', '1e1.2.3.4', '١.2.3.4'],
    ...[':', ':::', '1::2::3', ':1', '1:', '12345::', 'g::', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', 'fe80::1%eth0'],
    ...['1:2:3:4:5:6:7:8::', '::1:2:3:4:5:6:7:8', '1:2:3:4::5:6:7:8', '::1.2.3', '::1.2.3.256', '::01.2.3.4'],
    ...['1:2:3:4:5:6:7:1.2.3.4', '1.2.3.4::', '::1.2.3.4:5', '[::1]', '::1 ', '1:2:3:4:5:1.2.3.4'],
  ]) {
    t.equal(parseAddress(text), undefined, JSON.stringify(text))
  }
})

t.test('parseAddress() accepts exactly what node:net accepts, and formats alike', async (t) => {
  const alphabet = '0123456789abcdefF.:::.. %/'
  let accepted = 0
  for (let i = 0; i < 20000; i++) {
    // A valid text with up to two characters changed: most of what is nearly an address.
    let text = formatAddress(randomAddress())
    for (let n = i % 3; n > 0; n--) {
      const at = Math.floor(Math.random() * text.length)
      const replacement = alphabet.charAt(Math.floor(Math.random() * alphabet.length))
      text = text.slice(0, at) + replacement + text.slice(at + (i % 2))
    }
    const valid = isIPv4(text) || (isIPv6(text) && !text.includes('%'))
    if ((parseAddress(text) !== undefined) !== valid) t.fail(`${text}: node says ${valid}`)
    if (!valid) continue
    accepted++
    const family = isIPv4(text) ? 'ipv4' : 'ipv6'
    const judged = new SocketAddress({ address: text, family }).address
    const ours = formatAddress(ip(text))
    if (ours !== judged && !judged.startsWith('::')) t.fail(`${text}: ${ours}, node says ${judged}`)
  }
  t.ok(accepted > 5000, `${accepted} were addresses`)
})

t.test('formatAddress() is read back to the same bytes', async (t) => {
  repeat(5000, () => {
    const address = randomAddress()
    if (!equalAddresses(ip(formatAddress(address)), address)) t.fail(formatAddress(address))
  })
})

t.test('compareAddresses() orders by family, then by value', async (t) => {
  const sorted = ['0.0.0.1', '9.0.0.0', '10.0.0.0', '200.0.0.0', '::', '::1', '1::', 'ff02::1']
  const shuffled = [...sorted].reverse().map(ip).sort(compareAddresses).map(formatAddress)
  t.same(shuffled, sorted)
})

t.test('addToAddress() carries, borrows and wraps', async (t) => {
  const sums: [string, number | bigint, string][] = [
    ['10.0.0.255', 1, '10.0.1.0'],
    ['10.0.1.0', -1, '10.0.0.255'],
    ['127.255.255.255', 1, '128.0.0.0'],
    ['255.255.255.255', 1, '0.0.0.0'],
    ['0.0.0.0', -1, '255.255.255.255'],
    ['1.2.3.4', 2n ** 32n + 1n, '1.2.3.5'],
    ['1.2.3.4', -1n, '1.2.3.3'],
    ['::ffff', 1, '::1:0'],
    ['2001:db8::', -1, '2001:db7:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 1, '::'],
    ['::', -1n, 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['::', Number.MAX_SAFE_INTEGER, '::1f:ffff:ffff:ffff'],
    ['fd00::', 2n ** 64n, 'fd00:0:0:1::'],
  ]
  for (const [from, n, to] of sums) t.equal(formatAddress(addToAddress(ip(from), n)), to, `${from} + ${n}`)
})

t.test('addToAddress() and distance() agree with 128-bit integers', async (t) => {
  const value = ({ bytes }: IpAddress) => bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
  repeat(5000, () => {
    const a = randomAddress()
    const size = a.family === 4 ? 2n ** 32n : 2n ** 128n
    const n = Math.floor((Math.random() - 0.5) * 2 ** (Math.random() * 53))
    const b = addToAddress(a, n)
    if (value(b) !== (((value(a) + BigInt(n)) % size) + size) % size) t.fail(`${formatAddress(a)} + ${n}`)
    if (!equalAddresses(b, addToAddress(a, BigInt(n)))) t.fail(`bigint: ${formatAddress(a)} + ${n}`)
    const apart = value(b) - value(a)
    const exact = apart >= -(2n ** 53n - 1n) && apart <= 2n ** 53n - 1n
    if (distance(a, b) !== (exact ? Number(apart) : apart > 0n ? Infinity : -Infinity))
      t.fail(`${formatAddress(a)} ${n}`)
    if (!equalAddresses(previousAddress(nextAddress(a)), a)) t.fail(formatAddress(a))
  })
  t.equal(distance(ip('::'), ip('ffff::')), Infinity)
  t.equal(distance(ip('ffff::'), ip('::')), -Infinity)
  t.equal(distance(ip('1::ffff:ffff:ffff:ffff'), ip('1:0:0:1::')), 1, 'a borrow across a long run')
  t.throws(() => distance(ip('::'), ip('0.0.0.0')), RangeError)
})

t.test('ipv4ToNumber() and ipv4FromNumber() are unsigned', async (t) => {
  t.equal(ipv4ToNumber(ip('255.255.255.254')), 4294967294)
  t.equal(formatAddress(ipv4FromNumber(4294967294)), '255.255.255.254')
  t.equal(formatAddress(ipv4FromNumber(-1)), '255.255.255.255')
})

t.test('addresses are classified as node:net places them', async (t) => {
  const judge = (subnets: [string, number, 'ipv4' | 'ipv6'][]) => {
    const list = new BlockList()
    for (const [net, length, family] of subnets) list.addSubnet(net, length, family)
    return (a: IpAddress) => list.check(formatAddress(a), a.family === 4 ? 'ipv4' : 'ipv6')
  }
  const judges: [(a: IpAddress) => boolean, (a: IpAddress) => boolean][] = [
    [
      isMulticast,
      judge([
        ['224.0.0.0', 4, 'ipv4'],
        ['ff00::', 8, 'ipv6'],
      ]),
    ],
    [
      isLoopback,
      judge([
        ['127.0.0.0', 8, 'ipv4'],
        ['::1', 128, 'ipv6'],
      ]),
    ],
    [
      isLinkLocal,
      judge([
        ['169.254.0.0', 16, 'ipv4'],
        ['fe80::', 10, 'ipv6'],
      ]),
    ],
    [
      isUnspecified,
      judge([
        ['0.0.0.0', 32, 'ipv4'],
        ['::', 128, 'ipv6'],
      ]),
    ],
  ]
  const edges = [
    '0.0.0.0',
    '126.255.255.255',
    '127.0.0.1',
    '128.0.0.0',
    '169.253.255.255',
    '169.254.1.1',
    '169.255.0.0',
  ]
  edges.push('223.255.255.255', '224.0.0.1', '239.255.255.255', '240.0.0.0', '::', '::1', '::2', '1::1')
  edges.push('fe7f::', 'fe80::1', 'febf::1', 'fec0::', 'feff::', 'ff00::', 'ff02::1')
  for (const text of edges) for (const [ours, theirs] of judges) t.equal(ours(ip(text)), theirs(ip(text)), text)
})
