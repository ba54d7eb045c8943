import t from 'tap'
import { messagesOf } from '../testing/netlink.js'
import { NetlinkError, readExtendedAck } from './error.js'

// ip route add 10.244.3.0/24 via 99.1.2.7 dev br0
const BAD_GATEWAY = `
  6800000002000002e93c016bf00900009bffffff3400000018000506e93c016b0000000002180000fe03000100000000080001000af40300
  08000500630102070800040002000000200001004e657874686f702068617320696e76616c6964206761746577617900
`
// ip link add vx2 type vxlan id 1 local 10.9.0.1 dstport 8472
const SAME_VNI = `
  ac00000002000002e93c016b0e0a0000efffffff5c00000010000506e93c016b000000000000000000000000000000000000000008000300
  76783200340012000900010076786c616e000000240002000800010001000000080004000a090001050007000100000006000f0021180000
  39000100412056584c414e206465766963652077697468207468652073706563696669656420564e4920616c726561647920657869737473
  00000000
`

t.test("readExtendedAck() reads the kernel's words behind an error that echoes the whole request", async (t) => {
  const words = (recorded: string) => {
    const [message] = messagesOf(recorded)
    if (message === undefined) throw new Error('no message')
    const { reader, start, end } = message
    return readExtendedAck(reader, start + 4 + reader.view.getUint32(start + 4, true), end)
  }
  t.match(words(BAD_GATEWAY), { message: 'Nexthop has invalid gateway' })
  t.match(words(SAME_VNI), { message: 'A VXLAN device with the specified VNI already exists' })
})

t.test('NetlinkError reads as a path from request to reason', async (t) => {
  const error = new NetlinkError('create link cni0', 17, { message: 'said so', offset: 36 })
  t.equal(error.message, 'create link cni0: EEXIST (kernel: "said so")')
  t.match(error, { name: 'NetlinkError', code: 'EEXIST', errno: 17, kernelMessage: 'said so', offset: 36 })
  t.equal(new NetlinkError('get link x', 19).message, 'get link x: ENODEV')
  t.equal(new NetlinkError('x', 22, { missing: 3 }).message, 'x: EINVAL (kernel: "attribute 3 is missing")')
})
