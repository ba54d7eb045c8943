import t from 'tap'
import { type IpAddress, parseAddress } from '../../lib/ip/address.js'
import { isBound, macOf } from './mac.js'

const ip = (text: string) => parseAddress(text) as IpAddress

t.test('macOf() says the first IPv4 address, after 0a:58', async (t) => {
  t.equal(macOf([ip('10.244.1.5')]), '0a:58:0a:f4:01:05')
  t.equal(macOf([ip('fd00::5'), ip('192.0.2.255'), ip('192.0.2.1')]), '0a:58:c0:00:02:ff')
  t.equal(macOf([ip('fd00::5')]), undefined, 'IPv6 has too many addresses for that')
  t.equal(macOf([]), undefined)
})

t.test('isBound() holds for an address that the MAC was made of', async (t) => {
  t.equal(isBound(ip('10.244.1.5'), '0a:58:0a:f4:01:05'), true)
  t.equal(isBound(ip('10.244.1.6'), '0a:58:0a:f4:01:05'), false)
  t.equal(isBound(ip('fd00::5'), '0a:58:0a:f4:01:05'), false)
  t.equal(isBound(ip('10.244.1.5'), '02:00:00:00:00:11'), false)
})
