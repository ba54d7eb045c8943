/** Against what tc 6.1 sends, recorded from its sendmsg(2): what follows the netlink header. */

import t from 'tap'
import { unhex } from '../../testing/netlink.js'
import { readerOf } from '../codec/reader.js'
import { Writer } from '../codec/writer.js'
import type { Request } from '../message.js'
import { addIngress, readQdisc, setTokenBucket } from './qdisc.js'
import { redirectArriving } from './redirect.js'

function body(request: Request): string {
  const writer = new Writer()
  request.write(writer)
  return Buffer.from(writer.copy()).toString('hex')
}

t.test('setTokenBucket() sends what tc sends, but for its rate tables', async (t) => {
  // tc: cell_log 3 and TCA_TBF_RTAB of 1 KiB, which kernels since 3.11 ignore
  t.equal(
    body(setTokenBucket(3, { rate: 1e6, burst: 100000, limit: 125000 })),
    '000000000300000000000100ffffffff000000000800010074626600' +
      '34000280' +
      '280001000001' +
      '0000ffff000040420f0000000000000000000000000048e8010084d7170000000000' +
      '08000600a0860100',
    'tc qdisc add dev v0 root handle 1: tbf rate 8mbit burst 100000 latency 25ms',
  )
  t.equal(
    body(setTokenBucket(3, { rate: 1e10, burst: 1e8, limit: 350000000 })),
    '000000000300000000000100ffffffff000000000800010074626600' +
      '40000280' +
      '280001000001' +
      '0000ffff0000ffffffff0000000000000000000000008093dc145a62020000000000' +
      '0c00040000e40b5402000000' +
      '0800060000e1f505',
    'a rate of more than 32 bits',
  )
})

t.test('readQdisc() reads a token bucket back', async (t) => {
  const bytes = unhex(body(setTokenBucket(3, { rate: 1e6, burst: 100000, limit: 125000 })))
  const message = { type: 36, flags: 0, reader: readerOf(bytes), start: 0, end: bytes.length }
  t.same(readQdisc(message), { kind: 'tbf', bucket: { rate: 1e6, burst: 100000, limit: 125000 } })
})

t.test('addIngress() and redirectArriving() send what tc sends', async (t) => {
  t.equal(
    body(addIngress(3)),
    '00000000030000000000fffff1ffffff000000000c000100696e677265737300',
    'tc qdisc add dev v0 handle ffff: ingress',
  )
  t.equal(
    body(redirectArriving(3, 2)),
    '0000000003000000000000000000ffff00030100080001007533320068000200' +
      '080001000100010038000700340001000b0001006d69727265640000240002802000020000000000000000000400000000000000000000000100000002000000' +
      '240005000100010000000000000000000000000000000000000000000000000000000000',
    'tc filter add dev v0 parent ffff: protocol all prio 1 u32 match u8 0 0 flowid 1:1 action mirred egress redirect dev v1',
  )
})
