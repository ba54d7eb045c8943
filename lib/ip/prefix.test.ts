import IPCIDR from 'ip-cidr'
import t from 'tap'
import { randomAddress, repeat } from '../testing/random-address.js'
import { equalAddresses, formatAddress, type IpAddress, parseAddress } from './address.js'
import {
  broadcastOf,
  containsAddress,
  equalPrefixes,
  formatPrefix,
  hasHostBits,
  hostPrefix,
  lastOf,
  maskOf,
  networkOf,
  overlaps,
  type Prefix,
  parsePrefix,
} from './prefix.js'

const prefix = (text: string): Prefix => {
  const parsed = parsePrefix(text)
  if (parsed === undefined) throw new Error(`${text} is no prefix`)
  return parsed
}
const ip = (text: string) => parseAddress(text) as IpAddress

function randomPrefix(family?: 4 | 6): Prefix {
  const address = randomAddress(family)
  return { address, length: Math.floor(Math.random() * (address.family === 4 ? 33 : 129)) }
}

t.test('parsePrefix() keeps host bits and reads lengths as Go does', async (t) => {
  t.equal(formatPrefix(prefix('10.1.2.3/24')), '10.1.2.3/24')
  t.equal(formatPrefix(prefix('10.1.2.3/024')), '10.1.2.3/24')
  t.equal(formatPrefix(prefix('FD00::1/64')), 'fd00::1/64')
  t.equal(formatPrefix(prefix('::/0')), '::/0')
  t.equal(formatPrefix(prefix('::ffff:10.1.2.0/120')), '10.1.2.0/24')
  for (const text of [
    ...['', '/', '10.1.2.3', '10.1.2.3/', '10.1.2.3/33', '::/129', '10.1.2.3/-1', '10.1.2.3/+8', '10.1.2.3/ 8'],
    ...['10.1.2.3/8 ', '10.1.2.3/8/8', '10.1.2/24', '10.1.2.3/0x8', '/24', '::ffff:10.1.2.0/24', '10.1.2.3/1e1'],
  ]) {
    t.equal(parsePrefix(text), undefined, JSON.stringify(text))
  }
})

t.test('networkOf(), lastOf(), containsAddress() and hasHostBits() agree with ip-cidr', async (t) => {
  repeat(3000, () => {
    const ours = randomPrefix()
    const text = formatPrefix(ours)
    const judge = new IPCIDR(text)
    const read = (judged: unknown) => ip(String(judged))
    if (!equalAddresses(networkOf(ours), read(judge.start()))) t.fail(`network of ${text}: judge ${judge.start()}`)
    if (!equalAddresses(lastOf(ours), read(judge.end()))) t.fail(`last of ${text}: judge ${judge.end()}`)
    if (hasHostBits(ours) === equalAddresses(ours.address, read(judge.start()))) t.fail(`host bits of ${text}`)
    const other = randomAddress(ours.address.family)
    // Half of them close by, or next to nothing would be inside.
    if (Math.random() < 0.5) other.bytes.set(ours.address.bytes.subarray(0, ours.length >> 3))
    if (containsAddress(ours, other) !== judge.contains(formatAddress(other))) {
      t.fail(`${formatAddress(other)} in ${text}`)
    }
  })
})

t.test('overlaps() is whether one holds the other', async (t) => {
  repeat(3000, () => {
    const a = randomPrefix()
    const b = randomPrefix(a.address.family)
    if (Math.random() < 0.5) b.address.bytes.set(a.address.bytes.subarray(0, a.length >> 3))
    const judgeA = new IPCIDR(formatPrefix(a))
    const judgeB = new IPCIDR(formatPrefix(b))
    const judged = judgeA.contains(String(judgeB.start())) || judgeB.contains(String(judgeA.start()))
    if (overlaps(a, b) !== judged) t.fail(`${formatPrefix(a)} and ${formatPrefix(b)}`)
  })
  t.notOk(overlaps(prefix('0.0.0.0/0'), prefix('::/0')), 'families do not overlap')
})

t.test('broadcastOf() is of IPv4 networks that have one', async (t) => {
  const broadcast = (text: string) => {
    const address = broadcastOf(prefix(text))
    return address && formatAddress(address)
  }
  t.equal(broadcast('10.1.2.3/24'), '10.1.2.255')
  t.equal(broadcast('10.1.2.3/30'), '10.1.2.3')
  t.equal(broadcast('10.1.2.3/31'), undefined)
  t.equal(broadcast('10.1.2.3/32'), undefined)
  t.equal(broadcast('fd00::/64'), undefined)
})

t.test('containsAddress() is false across families', async (t) => {
  t.notOk(containsAddress(prefix('0.0.0.0/0'), ip('::')))
  t.ok(containsAddress(prefix('10.0.0.0/8'), ip('10.255.255.255')))
  t.notOk(containsAddress(prefix('10.0.0.0/9'), ip('10.128.0.0')))
})

t.test('maskOf() and hostPrefix() know the families', async (t) => {
  t.equal(formatAddress(maskOf(4, 22)), '255.255.252.0')
  t.equal(formatAddress(maskOf(4, 0)), '0.0.0.0')
  t.equal(formatAddress(maskOf(6, 65)), 'ffff:ffff:ffff:ffff:8000::')
  t.equal(formatPrefix(hostPrefix(ip('10.0.0.1'))), '10.0.0.1/32')
  t.equal(formatPrefix(hostPrefix(ip('fd00::1'))), 'fd00::1/128')
  t.ok(equalPrefixes(prefix('10.0.0.1/24'), prefix('10.0.0.1/24')))
  t.notOk(equalPrefixes(prefix('10.0.0.1/24'), prefix('10.0.0.0/24')))
})
