import t from 'tap'
import { formatAddress, parseAddress } from './address.js'
import { addressOfMac, formatMac, macOfAddress, parseMac } from './mac.js'

const normal = (text: string, sizes?: number[]) => {
  const bytes = parseMac(text, sizes)
  return bytes && formatMac(bytes)
}

t.test('parseMac() reads the three ways to write one', async (t) => {
  t.equal(normal('0A:58:0a:01:02:Ff'), '0a:58:0a:01:02:ff')
  t.equal(normal('0A-58-0a-01-02-Ff'), '0a:58:0a:01:02:ff')
  t.equal(normal('0A58.0a01.02Ff'), '0a:58:0a:01:02:ff')
})

t.test('parseMac() takes other lengths when asked', async (t) => {
  t.equal(normal('02:00:5e:10:00:00:00:01'), undefined)
  t.equal(normal('02:00:5e:10:00:00:00:01', [6, 8, 20]), '02:00:5e:10:00:00:00:01')
  t.equal(normal('0200.5e10.0000.0001', [8]), '02:00:5e:10:00:00:00:01')
  t.equal(normal('0a:58:0a:01:02:ff', [8]), undefined)
  const infiniband = '00:00:00:00:fe:80:00:00:00:00:00:00:02:00:5e:10:00:00:00:01'
  t.equal(normal(infiniband, [20]), infiniband)
})

t.test('parseMac() refuses everything else', async (t) => {
  for (const text of [
    ...['', '0a', '0a:58:0a:01:02', '0a:58:0a:01:02:ff:', '0a:58:0a:01:02:f', ':0a:58:0a:01:02:ff', '0a580a0102ff'],
    ...[
      '0a:58-0a:01:02:ff',
      '0g:58:0a:01:02:ff',
      '0a:58:0a:01:02: f',
      '0a58:0a01:02ff',
      '0a58.0a01.02f',
      '0a58.0a01-02ff',
    ],
    ...['0a.58.0a.01.02.ff', 'a:58:0a:01:02:ff0', '0a:58:0a:01:02:ff '],
  ]) {
    t.equal(parseMac(text), undefined, JSON.stringify(text))
  }
})

t.test('addressOfMac() reads what macOfAddress() wrote, and nothing else', async (t) => {
  for (const text of ['0.0.0.0', '10.244.1.5', '255.255.255.255']) {
    const mac = macOfAddress(parseAddress(text)?.bytes as Uint8Array)
    const address = addressOfMac(mac)
    t.equal(address && formatAddress(address), text, mac)
  }
  for (const other of ['0a:59:0a:f4:01:05', '02:58:0a:f4:01:05', '0a:58:0a:f4:01', 'nonsense', '']) {
    t.equal(addressOfMac(other), undefined, other)
  }
})
