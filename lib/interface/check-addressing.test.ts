import t from 'tap'
import { parsePrefix } from '../ip/prefix.js'
import type { Netlink } from '../netlink/netlink.js'
import { checkRoutes } from './check-addressing.js'

t.test('CHECK finds the one route that is missing among thousands, and compares no two of the others', async (t) => {
  const looks = (count: number) => {
    let looks = 0
    const destinations = Array.from({ length: count }, (_, at) => `10.${at >> 8}.${at & 255}.0/24`)
    const present = destinations.map((text) => {
      const prefix = parsePrefix(text)
      return {
        family: 4,
        get to() {
          looks++
          return prefix
        },
      }
    })
    const container = { routes: { list: () => present } } as unknown as Netlink
    const missing: string[] = []
    const wanted = [...destinations.reverse(), '10.99.0.0/16'].map((dst) => ({ dst }))
    checkRoutes(container, wanted, true, (difference) => missing.push(difference))
    t.same(missing, ['route 10.99.0.0/16 is missing'])
    return looks
  }
  // Each with each would be sixteen times as many.
  t.ok(looks(4000) < 8 * looks(1000))
})
