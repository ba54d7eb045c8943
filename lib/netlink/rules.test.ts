import t from 'tap'
import { type Prefix, parsePrefix } from '../ip/prefix.js'
import { matchesRecorded, messagesOf } from '../testing/netlink.js'
import { addRule, listRules, readRule, removeRule } from './rules.js'

const HEADER = 12
const prefix = (text: string) => parsePrefix(text) as Prefix

t.test('rules are what ip rule sends', async (t) => {
  const rule = { family: 4, from: prefix('10.1.2.5/32'), table: 1000, priority: 500, mark: 5, markMask: 0xff } as const
  matchesRecorded(
    t,
    'ip rule add from 10.1.2.5 table 1000 priority 500 fwmark 5/255 iif v0 protocol 77',
    `
      5400000020000506e93c016b00000000
      020020000000000100000000080002000a01020508000f00e803000008000600f401000008000a000500000008001000ff00
      00000700030076300000050015004d000000
    `,
    addRule({ ...rule, iif: 'v0', protocol: 77 }),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip rule del priority 500',
    '2400000021000500e93c016b00000000 02000000000000000000000008000600f4010000',
    removeRule({ family: 4, priority: 500 }),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip -4 rule list',
    '1c00000022000103e93c016b00000000 020000000000000000000000',
    listRules(4),
    HEADER,
  )
})

// ip -4 rule list
const RULES = `
  3400000020000200e93c016be109000002000000ff0000010000000008000f00ff00000008000e00ffffffff05001500020000005c000000
  20000200e93c016be109000002002000fc0000010000000008000f00e803000008000e00ffffffff050015004d0000000700030076300000
  08000600f401000008000a000500000008001000ff000000080002000a0102053c00000020000200e93c016be109000002000000fe000001
  0000000008000f00fe00000008000e00ffffffff050015000200000008000600fe7f00003c00000020000200e93c016be109000002000000
  fd0000010000000008000f00fd00000008000e00ffffffff050015000200000008000600ff7f00001400000003000200e93c016be1090000
  00000000
`

t.test('readRule() reads what ip rule prints', async (t) => {
  const common = { family: 4, action: 'table', from: undefined, to: undefined, invert: false }
  t.match(messagesOf(RULES).map(readRule), [
    { ...common, priority: 0, table: 255 },
    {
      ...common,
      priority: 500,
      table: 1000,
      from: prefix('10.1.2.5/32'),
      mark: 5,
      markMask: 0xff,
      iif: 'v0',
      protocol: 77,
    },
    { ...common, priority: 32766, table: 254 },
    { ...common, priority: 32767, table: 253 },
  ])
})
