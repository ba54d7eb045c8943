import t from 'tap'
import { parseAddress } from '../ip/address.js'
import { parseMac } from '../ip/mac.js'
import { announcement } from './announcement.js'
import { internetChecksum } from './checksum.js'

const MAC = parseMac('1a:dd:c1:4e:16:8b') as Uint8Array

function frame(address: string): string {
  return Buffer.from(announcement(MAC, parseAddress(address) as never)).toString('hex')
}

function hex(text: string): string {
  return text.replaceAll(/\s/g, '')
}

t.test('announcement() of IPv4 is a gratuitous ARP request', async (t) => {
  const expected = `
    ffffffffffff 1addc14e168b 0806
    0001 0800 06 04 0001
    1addc14e168b 0a4d000a
    000000000000 0a4d000a`
  t.equal(frame('10.77.0.10'), hex(expected))
})

t.test('announcement() of IPv6 is an unsolicited neighbour advertisement with the override flag', async (t) => {
  const expected = `
    333300000001 1addc14e168b 86dd
    60000000 0020 3a ff
    fd770000000000000000000000000004
    ff020000000000000000000000000001
    88 00 CCCC 20000000
    fd770000000000000000000000000004
    02 01 1addc14e168b`
  const bytes = frame('fd77::4')
  const sent = bytes.slice(112, 116)
  t.equal(bytes, hex(expected.replace('CCCC', sent)))
})

t.test('an IPv6 announcement has a checksum that sums to zero with its pseudo-header', async (t) => {
  const bytes = announcement(MAC, parseAddress('fd77::4') as never)
  const pseudo = new Uint8Array([0, 0, 0, 32, 0, 0, 0, 58])
  t.equal(internetChecksum(bytes.subarray(22, 54), pseudo, bytes.subarray(54)), 0)
})

t.test('internetChecksum() of the example in RFC 1071 section 3', async (t) => {
  t.equal(internetChecksum(new Uint8Array([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])), 0x220d)
})
