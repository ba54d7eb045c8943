import t from 'tap'
import { matchesRecorded, messagesOf } from '../testing/netlink.js'
import { getNetconf, readNetconf } from './netconf.js'

t.test('getNetconf() is what ip netconf sends', async (t) => {
  const HEADER = 4
  matchesRecorded(
    t,
    'ip -4 netconf show dev br0',
    '1c00000052000500 0000000000000000 02000000 0800010002000000',
    getNetconf(4, 2),
    HEADER,
  )
  matchesRecorded(
    t,
    'ip -6 netconf show dev br0',
    '1c00000052000500 0000000000000000 0a000000 0800010002000000',
    getNetconf(6, 2),
    HEADER,
  )
})

t.test('readNetconf() reads what the kernel answers', async (t) => {
  const [message] = messagesOf(`
    4c00000050000000 000000003f1c0000 02000000 0800010002000000 0800020000000000 0800030000000000
    0800040000000000 0800080000000000 0800050000000000 0800060000000000
  `)
  t.same(message && readNetconf(message), { link: 2, forwarding: 0 })
})
