/**
 * Against what nft 1.0.6 and iptables-nft 1.8.9 send, recorded from their sendmsg(2): message type and flags, then the
 * bytes after the netlink header.
 */

import t, { type Test as Tap } from 'tap'
import { unhex } from '../../testing/netlink.js'
import { readerOf } from '../codec/reader.js'
import { Writer } from '../codec/writer.js'
import type { Message, Request } from '../message.js'
import { addChain, isForwardChain, readChain } from './chain.js'
import { addElements, readElements } from './element.js'
import {
  bitwise,
  CT_STATUS,
  compare,
  counter,
  ct,
  destinationType,
  type Expression,
  immediate,
  LOCAL,
  lookup,
  masquerade,
  meta,
  nat,
  payload,
  verdict,
  xtMatch,
} from './expression.js'
import { batchBegin, batchEnd, familyAt } from './message.js'
import { addRule, readRule } from './rule.js'
import { addSet } from './set.js'
import { addTable, readTable } from './table.js'

const ACK_REQUEST = 0x5

/** The captured line: type, flags, body in hex. */
function sends(t: Tap, request: Request, recorded: string, about: string): void {
  const [type = '', flags = '', body = ''] = recorded.trim().split(' ')
  const writer = new Writer()
  request.write(writer)
  t.same(
    { type: request.type, flags: request.flags, body: Buffer.from(writer.copy()).toString('hex') },
    { type: Number.parseInt(type, 16), flags: Number.parseInt(flags, 16) & ~ACK_REQUEST, body },
    about,
  )
}

function message(body: string): Message {
  const reader = readerOf(unhex(body))
  return { type: 0, flags: 0, reader, start: 0, end: reader.bytes.length }
}

const masq = { family: 'inet', table: 'flatnet-masq' } as const
const portmap = { family: 'inet', table: 'flatnet-portmap' } as const
const ipv4 = [meta('family'), compare(new Uint8Array([2]))]
const u32 = (n: number) => new Uint8Array([n, 0, 0, 0])

t.test('addTable() sends a table with a comment as nft does', async (t) => {
  // nft leaves out NLM_F_CREATE, which the kernel does not ask for here
  const body = '0100000011000100666c61746e65742d6d61737100000000080002000000000010000600000a666c61746e6574203100'
  const request = addTable(masq, 'flatnet 1')
  sends(t, { ...request, flags: 0 }, `0a00 0001 ${body}`, 'table inet flatnet-masq { comment "flatnet 1" }')
  t.match(readTable(message(body)), { name: 'flatnet-masq', comment: 'flatnet 1' }, 'and readTable() reads it')
})

t.test('addChain() sends base and regular chains as nft does', async (t) => {
  sends(
    t,
    addChain({ ...masq, chain: 'net' }, { comment: 'podnet', shared: true }),
    '0a03 0401 0100000011000100666c61746e65742d6d61737100000000080003006e6574000d000c000007706f646e657400000000',
    'chain net { comment "podnet" }',
  )
  const prerouting = addChain(
    { ...portmap, chain: 'guard' },
    { base: { kind: 'filter', hook: 'prerouting', priority: -300, policy: 'accept' }, shared: true },
  )
  const writer = new Writer()
  prerouting.write(writer)
  const back = readChain(message(Buffer.from(writer.copy()).toString('hex')))
  t.match(back, { name: 'guard', base: { kind: 'filter', hook: 0, priority: -300, policy: 'accept' } })
  t.notOk(isForwardChain(back))
  const filter = readChain(
    message(
      '020000000b00010066696c74657200000c000300464f525741524400140004800800010000000002080002000000000008000500000000000b00070066696c7465720000',
    ),
  )
  t.ok(isForwardChain(filter), 'iptables -P FORWARD DROP makes a forward chain')
  t.match(filter, { family: 'ip', table: 'filter', name: 'FORWARD', base: { policy: 'drop' } })
})

t.test('addSet() declares sets, maps and maps of verdicts as nft does', async (t) => {
  const id = '08000a0000000001'
  sends(
    t,
    addSet({ ...masq, set: 'nodes4' }, { key: ['ipv4_addr'], intervals: true }, { shared: true }),
    `0a09 0401 0100000011000100666c61746e65742d6d617371000000000b0002006e6f646573340000080003000000000408000400000000070800050000000004${id}0a000d000004020000000000`,
    'set nodes4 { type ipv4_addr; flags interval; }',
  )
  sends(
    t,
    addSet({ ...portmap, set: 'localnet' }, { key: ['ifname'] }, { shared: true }),
    `0a09 0401 0100000014000100666c61746e65742d706f72746d6170000d0002006c6f63616c6e65740000000008000300000000000800040000000029${'0800050000000010'}${id}0a000d000004010000000000`,
    'set localnet { type ifname; }',
  )
  // nft adds user data (what the parts are called) behind the id, which only nft reads
  sends(
    t,
    addSet(
      { ...portmap, set: 'specific6' },
      { key: ['ipv6_addr', 'inet_proto', 'inet_service'], value: ['ipv6_addr', 'inet_service'] },
      { shared: true },
    ),
    `0a09 0401 0100000014000100666c61746e65742d706f72746d6170000e0002007370656369666963360000000800030000000008080004000000830d0800050000000018080006000000020d0800070000000014${id}`,
    'map specific6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }',
  )
  sends(
    t,
    addSet({ ...portmap, set: 'gate4' }, { key: ['inet_proto', 'inet_service'], value: 'verdict' }, { shared: true }),
    `0a09 0401 0100000014000100666c61746e65742d706f72746d6170000a00020067617465340000000800030000000008080004000000030d080005000000000808000600ffffff000800070000000000${id}`,
    'map gate4 { type inet_proto . inet_service : verdict; }',
  )
})

t.test('addElements() sends keys, values, verdicts, comments and intervals as nft does', async (t) => {
  // nft numbers the set (its id) where both are of one transaction
  sends(
    t,
    addElements(
      { ...masq, set: 'pods4' },
      [
        {
          key: new Uint8Array([10, 1, 2, 3]),
          verdict: { kind: 'goto', chain: 'net' },
          comment: '0123456789abcdef podnet',
        },
      ],
      { shared: true },
    ),
    '0a0c 0401 0100000011000100666c61746e65742d6d617371000000000a000200706f6473340000004c000380480001800c000180080001000a010203180002801400028008000100fffffffc080002006e6574001e00060000183031323334353637383961626364656620706f646e6574000000',
    'pods4 { 10.1.2.3 comment "0123456789abcdef podnet" : goto net }',
  )
  sends(
    t,
    addElements(
      { ...portmap, set: 'any4' },
      [
        {
          key: new Uint8Array([6, 0, 0, 0, 0x1f, 0x90, 0, 0]),
          value: new Uint8Array([10, 1, 2, 3, 0, 80, 0, 0]),
          comment: '0123456789abcdef',
        },
      ],
      { shared: true },
    ),
    '0a0c 0401 0100000014000100666c61746e65742d706f72746d61700009000200616e79340000000040' +
      '0003803c000180100001800c000100060000001f900000100002800c0001000a01020300500000170006000011303132333435363738396162636465660000',
    'any4 { tcp . 8080 comment "0123456789abcdef" : 10.1.2.3 . 80 }',
  )
  const body =
    '0100000011000100666c61746e65742d6d617371000000000b0002006e6f646573340000' +
    '54000380100001800c000180080001000a0707071800028008000300000000010c000180080001000a070708' +
    '100003800c000180080001000a0900001800048008000300000000010c000180080001000a0a0000'
  t.same(
    readElements(message(body)).map(({ key, end }) => [[...key].join('.'), end]),
    [
      ['10.7.7.7', false],
      ['10.7.7.8', true],
      ['10.9.0.0', false],
      ['10.10.0.0', true],
    ],
    'readElements() reads nodes4 { 10.9.0.0/16, 10.7.7.7 }',
  )
  const writer = new Writer()
  addElements({ ...masq, set: 'pods4' }, [
    { key: new Uint8Array([10, 1, 2, 3]), verdict: { kind: 'goto', chain: 'net' }, comment: 'a b' },
  ]).write(writer)
  t.match(readElements(message(Buffer.from(writer.copy()).toString('hex'))), [
    { verdict: { kind: 'goto', chain: 'net' }, comment: 'a b', end: false },
  ])
})

/** A rule of nft, whose lookups name their set by number too where it is of the same transaction. */
function rule(t: Tap, chain: string, about: string, recorded: string, ...expressions: Expression[]): void {
  const table = chain === 'net' ? masq : portmap
  sends(t, addRule({ ...table, chain }, expressions), `0a06 0c01 ${recorded}`, about)
}

t.test('addRule() sends expressions as nft does', async (t) => {
  rule(
    t,
    'net',
    'ip daddr 10.1.2.0/24 return',
    '0100000011000100666c61746e65742d6d61737100000000080002006e657400e400048024000180090001006d6574610000000014000280080002000000000f08000100000000012c00018008000100636d700020000280080001000000000108000200000000000c0003800500010002000000340001800c0001007061796c6f6164002400028008000100000000010800020000000001080003000000001008000400000000032c00018008000100636d700020000280080001000000000108000200000000000c000380070001000a010200300001800e000100696d6d6564696174650000001c0002800800010000000000100002800c00028008000100fffffffb',
    ...ipv4,
    payload('network', 16, 3),
    compare(new Uint8Array([10, 1, 2])),
    verdict({ kind: 'return' }),
  )
  rule(
    t,
    'net',
    'ip daddr 224.0.0.0/4 return',
    '0100000011000100666c61746e65742d6d61737100000000080002006e6574002801048024000180090001006d6574610000000014000280080002000000000f08000100000000012c00018008000100636d700020000280080001000000000108000200000000000c0003800500010002000000340001800c0001007061796c6f616400240002800800010000000001080002000000000108000300000000100800040000000004440001800c0001006269747769736500340002800800010000000001080002000000000108000300000000040c00048008000100f00000000c00058008000100000000002c00018008000100636d700020000280080001000000000108000200000000000c00038008000100e0000000300001800e000100696d6d6564696174650000001c0002800800010000000000100002800c00028008000100fffffffb',
    ...ipv4,
    payload('network', 16, 4),
    bitwise(new Uint8Array([240, 0, 0, 0])),
    compare(new Uint8Array([224, 0, 0, 0])),
    verdict({ kind: 'return' }),
  )
  rule(
    t,
    'net',
    'masquerade fully-random',
    '0100000011000100666c61746e65742d6d61737100000000080002006e657400200004801c000180090001006d617371000000000c0002800800010000000010',
    masquerade({ fullyRandom: true }),
  )
  rule(
    t,
    'net',
    'ip saddr 10.0.0.0/8 snat ip to 192.0.2.1 fully-random',
    '0100000011000100666c61746e65742d6d61737100000000080002006e6574001001048024000180090001006d6574610000000014000280080002000000000f08000100000000012c00018008000100636d700020000280080001000000000108000200000000000c0003800500010002000000340001800c0001007061796c6f6164002400028008000100000000010800020000000001080003000000000c08000400000000012c00018008000100636d700020000280080001000000000108000200000000000c000380050001000a0000002c0001800e000100696d6d6564696174650000001800028008000100000000010c00028008000100c000020130000180080001006e617400240002800800010000000000080002000000000208000300000000010800070000000010',
    ...ipv4,
    payload('network', 12, 1),
    compare(new Uint8Array([10])),
    immediate(new Uint8Array([192, 0, 2, 1])),
    nat('snat', { family: 4, address: 0, fullyRandom: true }),
  )
  rule(
    t,
    'prerouting',
    'fib daddr type local jump hostports',
    '0100000014000100666c61746e65742d706f72746d6170000f000200707265726f7574696e670000980004802800018008000100666962001c0002800800030000000002080002000000000308000100000000012c00018008000100636d700020000280080001000000000108000200000000000c0003800800010002000000400001800e000100696d6d6564696174650000002c0002800800010000000000200002801c00028008000100fffffffd0e000200686f7374706f727473000000',
    destinationType(),
    compare(u32(LOCAL)),
    verdict({ kind: 'jump', chain: 'hostports' }),
  )
  rule(
    t,
    'postrouting',
    'ct status dnat jump back',
    '0100000014000100666c61746e65742d706f72746d61700010000200706f7374726f7574696e6700d00004802000018007000100637400001400028008000200000000020800010000000001440001800c0001006269747769736500340002800800010000000001080002000000000108000300000000040c00048008000100200000000c00058008000100000000002c00018008000100636d700020000280080001000000000108000200000000010c00038008000100000000003c0001800e000100696d6d6564696174650000002800028008000100000000001c0002801800028008000100fffffffd090002006261636b00000000',
    ct('status'),
    bitwise(u32(CT_STATUS.dnat)),
    compare(u32(0), { not: true }),
    verdict({ kind: 'jump', chain: 'back' }),
  )
  rule(
    t,
    'hostports',
    'dnat ip to meta l4proto . th dport map @any4',
    '0100000014000100666c61746e65742d706f72746d6170000e000200686f7374706f727473000000c400048024000180090001006d657461000000001400028008000200000000100800010000000001340001800c0001007061796c6f616400240002800800010000000009080002000000000208000300000000020800040000000002380001800b0001006c6f6f6b75700000280002800800020000000001080003000000000109000100616e793400000000080004000000000230000180080001006e617400240002800800010000000001080002000000000208000300000000010800050000000009'
      // without the set's number and what it adds to the lengths around it
      .replace('616e79340000000008000400000000', '616e793400000000')
      .replace('616e79340000000002', '616e793400000000')
      .replace('c4000480', 'bc000480')
      .replace('380001800b0001006c6f6f6b757000002800', '300001800b0001006c6f6f6b757000002000'),
    meta('l4protocol'),
    payload('transport', 2, 2, 1),
    lookup('any4', { into: 0 }),
    nat('dnat', { family: 4, address: 0, port: 1 }),
  )
})

t.test(
  'addRule() sends a rule that is iptables-nft -d 10.1.2.3 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
  async (t) => {
    const info = new Uint8Array(168)
    new DataView(info.buffer).setUint16(146, 1, true)
    new DataView(info.buffer).setUint16(150, 6, true)
    const recorded =
      '020000000b00010066696c746572000010000200434e492d464f52574152440098010480340001800c0001007061796c6f6164002400028008000100000000010800020000000001080003000000001008000400000000042c00018008000100636d700020000280080001000000000108000200000000000c000380080001000a010203d80001800a0001006d61746368000000c80002800e000100636f6e6e747261636b0000000800020000000003ac000300' +
      '00'.repeat(146) +
      '010000000600000000000000000000000000000000002c0001800c000100636f756e746572001c0002800c00010000000000000000000c0002000000000000000000300001800e000100696d6d6564696174650000001c0002800800010000000000100002800c00028008000100000000011400058008000100000000000800020000000000'
    const writer = new Writer()
    addRule({ family: 'ip', table: 'filter', chain: 'CNI-FORWARD' }, [
      payload('network', 16, 4),
      compare(new Uint8Array([10, 1, 2, 3])),
      xtMatch('conntrack', 3, info),
      counter(),
      verdict({ kind: 'accept' }),
    ]).write(writer)
    // iptables asks for compatibility (NFTA_RULE_COMPAT, of no protocol) behind the expressions
    t.equal(
      Buffer.from(writer.copy()).toString('hex'),
      recorded.slice(0, -'1400058008000100000000000800020000000000'.length),
    )
    t.match(readRule(message(recorded)), { table: 'filter', chain: 'CNI-FORWARD', comment: '' })
  },
)

t.test('batchBegin() and batchEnd() frame a transaction as libnftnl does', async (t) => {
  sends(t, batchBegin(undefined), '0010 0001 0000000a', 'begin')
  sends(t, batchBegin(7), '0010 0001 0000000a0800010000000007', 'begin with a generation')
  sends(t, batchEnd(), '0011 0001 0000000a', 'end')
})

t.test('familyAt() names families, and none that we do not know', async (t) => {
  t.equal(familyAt(new Uint8Array([10]), 0), 'ip6')
  t.equal(familyAt(new Uint8Array([5]), 0), undefined)
})
