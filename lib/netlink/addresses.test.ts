import t from 'tap'
import { type IpAddress, parseAddress } from '../ip/address.js'
import { type Prefix, parsePrefix } from '../ip/prefix.js'
import { matchesRecorded, messagesOf } from '../testing/netlink.js'
import { addAddress, listAddresses, readAddress, removeAddress } from './addresses.js'

const HEADER = 8
const ip = (text: string) => parseAddress(text) as IpAddress
const prefix = (text: string) => parsePrefix(text) as Prefix

t.test('addAddress() is what ip addr sends', async (t) => {
  matchesRecorded(
    t,
    'ip addr add 10.1.9.1/24 brd 10.1.9.255 dev br0',
    '3000000014000506e73c016b00000000 0218000002000000080002000a010901080004000a0109ff080001000a010901',
    addAddress(2, { prefix: prefix('10.1.9.1/24'), broadcast: ip('10.1.9.255') }, { exclusive: true }),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip addr replace 10.1.9.1/24 dev br0 scope link label br0:x metric 7',
    `
      3c00000014000505e73c016b00000000
      021800fd02000000080002000a0109010a0003006272303a780000000800090007000000080001000a010901
    `,
    addAddress(2, { prefix: prefix('10.1.9.1/24'), scope: 'link', label: 'br0:x', metric: 7 }),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip addr add fd00:9::1/64 dev br0 nodad noprefixroute',
    `
      4800000014000506e73c016b00000000
      0a4000000200000014000200fd000009000000000000000000000001080008000202000014000100fd000009000000000000
      000000000001
    `,
    addAddress(2, { prefix: prefix('fd00:9::1/64'), noDad: true, noPrefixRoute: true }, { exclusive: true }),
    HEADER,
  )
  const peer = { prefix: prefix('10.1.9.1/32'), peer: ip('10.1.9.2') }
  matchesRecorded(
    t,
    'ip addr add 10.1.9.1 peer 10.1.9.2/32 dev br0',
    '2800000014000506e73c016b00000000 0220000002000000080002000a010901080001000a010902',
    addAddress(2, peer, { exclusive: true }),
    HEADER,
  )
})

t.test('removeAddress() and listAddresses() are what ip addr sends', async (t) => {
  matchesRecorded(
    t,
    'ip addr del 10.1.2.1/24 dev br0',
    '2800000015000500e73c016b00000000 0218000002000000080002000a010201080001000a010201',
    removeAddress(2, prefix('10.1.2.1/24')),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip -4 addr show dev br0',
    '1800000016000103e83c016b00000000 0200000002000000',
    listAddresses(2, 4),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip -6 addr show dev br0',
    '1800000016000103e83c016b00000000 0a00000002000000',
    listAddresses(2, 6),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip addr show dev br0',
    '1800000016000103e83c016b00000000 0000000002000000',
    listAddresses(2),
    HEADER,
  )
})

// ip addr show dev br0
const ADDRESSES = `
  4c00000014002200e83c016bdf0700000218800002000000080001000a010201080002000a01020108000300627230000800080080000000
  14000600ffffffffffffffffb30b0400b30b04004800000014002200e83c016bdf0700000a4082000200000014000100fd00000100000000
  000000000000000114000600ffffffffffffffffb30b0400b30b040008000800820000005000000014002200e83c016bdf0700000a40c0fd
  0200000014000100fe80000000000000a84c6bfffe31fb7f14000600ffffffffffffffffb30b0400b30b040008000800c000000005000b00
  03000000
`

t.test('readAddress() reads what ip addr prints', async (t) => {
  const common = { linkIndex: 2, permanent: true, dadFailed: false, deprecated: false, peer: undefined }
  t.match(messagesOf(ADDRESSES).map(readAddress), [
    { ...common, prefix: prefix('10.1.2.1/24'), scope: 'universe', noDad: false, tentative: false, label: 'br0' },
    { ...common, prefix: prefix('fd00:1::1/64'), scope: 'universe', noDad: true, tentative: false },
    { ...common, prefix: prefix('fe80::a84c:6bff:fe31:fb7f/64'), scope: 'link', noDad: false, tentative: true },
  ])
})
