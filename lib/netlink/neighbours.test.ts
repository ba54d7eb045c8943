import t from 'tap'
import { type IpAddress, parseAddress } from '../ip/address.js'
import { matchesRecorded, messagesOf } from '../testing/netlink.js'
import { appendFdb, getFdb, listFdb, readFdb, removeFdb, replaceFdb } from './fdb.js'
import { NLM_F_CREATE, NLM_F_EXCL, type Request } from './message.js'
import {
  addNeighbour,
  getNeighbour,
  listNeighbours,
  readNeighbour,
  removeNeighbour,
  replaceNeighbour,
  resolveNeighbour,
} from './neighbours.js'

const HEADER = 12
const ip = (text: string) => parseAddress(text) as IpAddress
const mac = '0a:58:0a:f4:02:00'
/** What bridge means by `permanent`. */
const NOARP_PERMANENT = 0xc0
const added = (request: Request): Request => ({ ...request, flags: NLM_F_CREATE | NLM_F_EXCL })

t.test('neighbours are replaced, removed, asked for and listed as ip neigh does', async (t) => {
  matchesRecorded(
    t,
    'ip neigh replace 10.244.2.0 lladdr 0a:58:0a:f4:02:00 dev vx nud permanent',
    '300000001c000505e93c016b00000000 020000000500000080000000080001000af402000a0002000a580af402000000',
    // ip leaves the type unspecified; we say unicast, as flannel does.
    {
      ...replaceNeighbour(5, { address: ip('10.244.2.0'), mac }),
      write(writer) {
        replaceNeighbour(5, { address: ip('10.244.2.0'), mac }).write(writer)
        writer.bytes[11] = 0
      },
    },
    HEADER,
  )
  matchesRecorded(
    t,
    'ip neigh add 10.244.2.0 lladdr 0a:58:0a:f4:02:00 dev vx nud permanent',
    '300000001c000506e93c016b00000000 020000000500000080000000080001000af402000a0002000a580af402000000',
    {
      ...addNeighbour(5, { address: ip('10.244.2.0'), mac }),
      write(writer) {
        addNeighbour(5, { address: ip('10.244.2.0'), mac }).write(writer)
        writer.bytes[11] = 0
      },
    },
    HEADER,
  )
  // As recorded but for the state (80), which the kernel does not look at.
  matchesRecorded(
    t,
    'ip neigh del 10.244.2.0 dev vx',
    '240000001d0005000000000000000000 0200000005000000 0000 00 00 080001000af40200',
    removeNeighbour(5, ip('10.244.2.0')),
    HEADER,
  )
  // As recorded but for the state (80), which the kernel does not look at.
  matchesRecorded(
    t,
    'ip neigh add 10.244.2.0 dev vx use',
    '240000001c000506543c006b00000000 0200000005000000 0000 01 00 080001000af40200',
    added(resolveNeighbour(5, ip('10.244.2.0'))),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip neigh get 10.244.2.0 dev vx',
    '240000001e000100e83c016b00000000 020000000500000000000000080001000af40200',
    getNeighbour(5, ip('10.244.2.0')),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip neigh show dev vx',
    '240000001e000103e93c016b00000000 0000000000000000000000000800080005000000',
    listNeighbours({ linkIndex: 5 }),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip -4 neigh show dev vx',
    '240000001e000103ea3c016b00000000 0200000000000000000000000800080005000000',
    listNeighbours({ linkIndex: 5, family: 4 }),
    HEADER,
  )
})

t.test('FDB entries are what bridge fdb sends', async (t) => {
  const entry = { mac, to: ip('10.9.0.7'), self: true, state: NOARP_PERMANENT }
  matchesRecorded(
    t,
    'bridge fdb replace 0a:58:0a:f4:02:00 dev vx dst 10.9.0.7 self permanent',
    '300000001c000505ea3c016b00000000 0700000005000000c00002000a0002000a580af402000000080001000a090007',
    replaceFdb(5, entry),
    HEADER,
  )
  matchesRecorded(
    t,
    'bridge fdb replace 0a:58:0a:f4:02:00 dev vx dst fd00::7 port 4789 vni 9 self permanent',
    `
      4c0000001c000505ea3c016b00000000
      0700000005000000c00002000a0002000a580af40200000014000100fd0000000000000000000000000000070600060012b5
      00000800070009000000
    `,
    replaceFdb(5, { ...entry, to: ip('fd00::7'), port: 4789, vni: 9 }),
    HEADER,
  )
  const zero = { mac: '00:00:00:00:00:00', to: ip('10.9.0.8'), self: true, state: NOARP_PERMANENT }
  matchesRecorded(
    t,
    'bridge fdb append 00:00:00:00:00:00 dev vx dst 10.9.0.8 self permanent',
    '300000001c00050cea3c016b00000000 0700000005000000c00002000a0002000000000000000000080001000a090008',
    appendFdb(5, zero),
    HEADER,
  )
  matchesRecorded(
    t,
    'bridge fdb add 0a:58:0a:f4:02:00 dev v0 master static',
    '280000001c000506ea3c016b00000000 0700000004000000420004000a0002000a580af402000000',
    added(replaceFdb(4, { mac, state: 0x42 })),
    HEADER,
  )
  matchesRecorded(
    t,
    'bridge fdb get 0a:58:0a:f4:02:00 dev vx self',
    '280000001e000100ea3c016b00000000 0700000005000000000002000a0002000a580af402000000',
    getFdb(5, { mac, self: true }),
    HEADER,
  )
  matchesRecorded(
    t,
    'bridge fdb show dev vx',
    '1c0000001e000103ea3c016b00000000 070000000500000000000000',
    listFdb(5),
    HEADER,
  )
})

t.test('removeFdb() names table, hardware address and destination', async (t) => {
  // As recorded but for the state (c0 at offset 24), which the kernel does not look at: `bridge fdb del`.
  matchesRecorded(
    t,
    'bridge fdb del 0a:58:0a:f4:02:00 dev vx dst 10.9.0.7 self',
    '300000001d0005000000000000000000 0700000005000000 0000 02 00 0a0002000a580af402000000 080001000a090007',
    removeFdb(5, { mac, to: ip('10.9.0.7'), self: true }),
    HEADER,
  )
})

// ip neigh show dev vx
const NEIGHBOURS = `
  4c0000001c002200e93c016b28090000020000000500000080000001080001000af402000a0002000a580af4020000000800040000000000
  1400030000000000000000000000000000000000580000001c002200e93c016b280900000a000000050000000200000114000100fd000002
  0000000000000000000000000a0002000a580af4020000000800040000000000140003000000000000000000000000000100000014000000
  03000200e93c016b2809000000000000
`
// bridge fdb show dev vx
const FDB = `
  440000001c000200ea3c016ba30900000700000005000000c00002010a0002000a580af402000000080001000a0900071400030000000000
  010000000100000000000000
`

t.test('readNeighbour() reads what ip neigh prints', async (t) => {
  t.match(messagesOf(NEIGHBOURS).map(readNeighbour), [
    { linkIndex: 5, address: ip('10.244.2.0'), mac, state: 'permanent', proxy: false },
    { linkIndex: 5, address: ip('fd00:2::'), mac, state: 'reachable', router: false },
  ])
})

t.test('readFdb() reads what bridge fdb prints', async (t) => {
  t.match(messagesOf(FDB).map(readFdb), [
    { linkIndex: 5, mac, to: ip('10.9.0.7'), self: true, master: false, state: NOARP_PERMANENT },
  ])
})
