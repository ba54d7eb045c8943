import t from 'tap'
import { type IpAddress, parseAddress } from '../ip/address.js'
import { boundMac, isBound } from './mac.js'

const ip = (text: string) => parseAddress(text) as IpAddress

t.test('boundMac() says the first IPv4 address, after 0a:58', async (t) => {
  t.equal(boundMac([ip('10.244.1.5')]), '0a:58:0a:f4:01:05')
  t.equal(boundMac([ip('fd00::5'), ip('192.0.2.255'), ip('192.0.2.1')]), '0a:58:c0:00:02:ff')
  t.equal(boundMac([ip('fd00::5')]), undefined, 'IPv6 has too many addresses for that')
  t.equal(boundMac([]), undefined)
})

t.test('isBound() holds for an address that the MAC was made of', async (t) => {
  t.equal(isBound(ip('10.244.1.5'), '0a:58:0a:f4:01:05'), true)
  t.equal(isBound(ip('10.244.1.6'), '0a:58:0a:f4:01:05'), false)
  t.equal(isBound(ip('fd00::5'), '0a:58:0a:f4:01:05'), false)
  t.equal(isBound(ip('10.244.1.5'), '02:00:00:00:00:11'), false)
})
