import t from 'tap'
import { parseAddress } from './address.js'
import { containsAddress, formatPrefix, parsePrefix } from './prefix.js'
import { PrefixMap } from './prefix-map.js'

const prefix = (text: string) => parsePrefix(text) as NonNullable<ReturnType<typeof parsePrefix>>
const address = (text: string) => parseAddress(text) as NonNullable<ReturnType<typeof parseAddress>>

t.test('the longest prefix that holds an address is found, of its family', async (t) => {
  const map = new PrefixMap<string>()
  for (const text of ['0.0.0.0/0', '10.0.0.0/8', '10.9.0.0/16', '10.9.1.3/32', 'fd00::/8', 'fd09::1/128']) {
    map.set(prefix(text), text)
  }
  const found = (text: string, atMost?: number) => map.find(address(text), atMost)?.value
  t.equal(found('10.9.1.3'), '10.9.1.3/32')
  t.equal(found('10.9.1.4'), '10.9.0.0/16')
  t.equal(found('10.9.1.3', 31), '10.9.0.0/16', 'of at most so many bits')
  t.equal(found('192.0.2.1'), '0.0.0.0/0')
  t.equal(found('fd09::1'), 'fd09::1/128')
  t.equal(found('2001:db8::1'), undefined)
  t.equal(map.get(prefix('10.0.0.0/8')), '10.0.0.0/8')
  t.equal(map.get(prefix('10.0.0.0/9')), undefined)
})

t.test('it finds what a search through all of them finds', async (t) => {
  let seed = 1
  const random = (below: number) => {
    seed = (seed * 48271) % 2147483647
    return seed % below
  }
  for (let round = 0; round < 50; round++) {
    const map = new PrefixMap<string>()
    const all = Array.from({ length: 20 }, () => prefix(`10.${random(4)}.${random(4)}.0/${random(33)}`))
    for (const one of all) map.set(one, formatPrefix(one))
    const wanted = address(`10.${random(4)}.${random(4)}.${random(256)}`)
    const longest = Math.max(-1, ...all.filter((one) => containsAddress(one, wanted)).map(({ length }) => length))
    t.equal(map.find(wanted)?.prefix.length ?? -1, longest)
  }
})
