import t from 'tap'
import { type IpAddress, parseAddress } from '../../ip/address.js'
import { unhex } from '../../testing/netlink.js'
import { attributes, type Decoded } from './attributes.js'
import { findAttribute, readerOf } from './reader.js'
import {
  bareText,
  bool8,
  bool32,
  bytes,
  flag,
  ip,
  list,
  mac,
  nested,
  numberedList,
  s32,
  text,
  u8,
  u16,
  u16be,
  u32,
  u32be,
  u64,
  u64be,
} from './types.js'
import { Writer } from './writer.js'

// One attribute of each payload: name, type, value, and its bytes as netlink(7) and RFC 3549 lay them out.
const CASES = [
  ['u8', u8, 7, '0500 0100 07 000000'],
  ['bool8', bool8, true, '0500 0100 01 000000'],
  ['u16', u16, 0x1234, '0600 0100 3412 0000'],
  ['u16be', u16be, 8472, '0600 0100 2118 0000'],
  ['u32', u32, 0xfffffffe, '0800 0100 feffffff'],
  ['bool32', bool32, true, '0800 0100 01000000'],
  ['u32be', u32be, 0x01020304, '0800 0100 01020304'],
  ['s32', s32, -2, '0800 0100 feffffff'],
  ['u64', u64, 2 ** 40 + 5, '0c00 0100 0500000000010000'],
  ['u64be', u64be, 2 ** 40 + 5, '0c00 0100 0000010000000005'],
  ['flag', flag, true, '0400 0100'],
  ['bytes', bytes, unhex('0102030405'), '0900 0100 0102030405 000000'],
  ['text', text, 'eth0', '0900 0100 65746830 00 000000'],
  ['bareText', bareText, 'veth', '0800 0100 76657468'],
  ['empty bareText', bareText, '', '0400 0100'],
  ['IPv4', ip, parseAddress('10.1.2.3') as IpAddress, '0800 0100 0a010203'],
  ['IPv6', ip, parseAddress('fd00::1') as IpAddress, '1400 0100 fd000000000000000000000000000001'],
  ['mac', mac, '0a:58:0a:01:02:03', '0a00 0100 0a580a010203 0000'],
  ['nested', nested(attributes({ x: [2, u16] })), { x: 1 }, '0c00 0180 0600 0200 0100 0000'],
  ['unmarked', attributes({ x: [2, u16] }), { x: 1 }, '0c00 0100 0600 0200 0100 0000'],
  ['list', list(3, u8), [1, 2], '1400 0180 0500 0300 01000000 0500 0300 02000000'],
  ['numberedList', numberedList(u8), [8, 9], '1400 0180 0500 0100 08000000 0500 0200 09000000'],
] as const

for (const [name, type, value, hex] of CASES) {
  t.test(`attributes() writes and reads ${name}`, async (t) => {
    const set = attributes({ it: [1, type as never] })
    t.same(Buffer.from(set.encode({ it: value as never })).toString('hex'), hex.replaceAll(' ', ''))
    t.same(set.decode(unhex(hex)), { it: value })
  })
}

t.test('attributes() keeps absent and zero apart', async (t) => {
  const set = attributes({ a: [1, u32], b: [2, bool8], c: [3, flag] })
  t.equal(set.encode({}).length, 0)
  t.equal(set.encode({ a: undefined }).length, 0)
  t.equal(set.encode({ a: 0, b: false }).length, 16)
  t.same(set.decode(unhex('0800 0100 00000000')), { a: 0 })
  const typed: Decoded<typeof set> = { a: 1 }
  // @ts-expect-error a flag that is not set is not sent
  const refused: Decoded<typeof set> = { c: false }
  t.ok(typed && refused)
})

t.test('attributes() skips what it does not know and takes the last of several', async (t) => {
  const set = attributes({ a: [1, u8] })
  t.same(set.decode(unhex('0700 0900 010203 00  0500 0100 05 000000  0500 01c0 06 000000')), { a: 6 })
})

t.test('attributes() accepts a last attribute without its padding', async (t) => {
  t.same(attributes({ a: [1, u8] }).decode(unhex('0500 0100 05')), { a: 5 })
})

t.test('attributes() refuses a wrong length by number, name and size', async (t) => {
  const set = attributes({ port: [15, u16be] })
  t.throws(() => set.decode(unhex('0800 0f00 01020304')), {
    name: 'DecodeError',
    message: 'attribute 15 (port): 4 bytes, expected 2',
  })
  t.throws(() => set.decode(unhex('0300 0f00')), { message: 'attribute 15: length 3, 4 bytes left' })
  t.throws(() => set.decode(unhex('0c00 0f00 0102')), { message: 'attribute 15: length 12, 6 bytes left' })
})

t.test('attributes() decodes any bytes or throws DecodeError', async (t) => {
  const inner = attributes({ a: [1, u32], b: [2, text], c: [3, mac] })
  const set = attributes({ a: [1, u8], b: [2, inner], c: [3, list(1, inner)], d: [4, bytes], e: [5, ip] })
  for (let i = 0; i < 20000; i++) {
    const noise = Uint8Array.from({ length: Math.random() * 40 }, (_, at) => Math.random() * (at % 2 === 0 ? 12 : 2))
    try {
      set.decode(noise)
    } catch (error) {
      if ((error as Error).name !== 'DecodeError') t.fail(`${Buffer.from(noise).toString('hex')}: ${error}`)
    }
  }
})

t.test('text that is cut, unterminated or not UTF-8 still reads', async (t) => {
  const set = attributes({ name: [1, text] })
  t.same(set.decode(unhex('0800 0100 65746830')), { name: 'eth0' })
  t.same(set.decode(unhex('0900 0100 6574 00 3030 000000')), { name: 'et' })
})

t.test('findAttribute() finds the first, or nothing', async (t) => {
  const reader = readerOf(unhex('0500 0100 05 000000 0500 0280 06 000000'))
  t.same(findAttribute(reader, 0, 16, 2), [12, 13])
  t.equal(findAttribute(reader, 0, 16, 3), undefined)
})

t.test('Writer grows and clears its padding when it is used again', async (t) => {
  const writer = new Writer()
  writer.put(new Uint8Array(10000).fill(255))
  t.equal(writer.copy().length, 10000)
  writer.length = 0
  const at = writer.open(1)
  writer.u8(1)
  writer.close(at)
  t.same(Buffer.from(writer.copy()).toString('hex'), '0500010001000000')
  writer.length = 0
  const big = writer.open(1)
  writer.zeros(65532)
  t.throws(() => writer.close(big), RangeError)
})
