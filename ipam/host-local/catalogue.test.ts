import { createHash } from 'node:crypto'
import t from 'tap'
import { parseAddress } from '../../lib/ip/address.js'
import { buildCatalogue, searchCatalogue } from './catalogue.js'

const digestOf = (text: string) => new Uint8Array(createHash('sha256').update(text).digest())
const BOOT = digestOf('boot')

/** What a search finds for a holder of so many leases among those of others. */
function found(leases: number): number | undefined {
  const catalogue = buildCatalogue()
  const add = (holder: string, high: number, low: number) =>
    catalogue.add(digestOf(holder), { family: 4, bytes: new Uint8Array([10, high, low >> 8, low & 255]) })
  for (let at = 0; at < 100; at++) add(`other${at}`, 200, at)
  const mine = digestOf('mine')
  for (let at = 0; at < leases; at++) {
    catalogue.add(mine, { family: 4, bytes: new Uint8Array([10, at >> 16, (at >> 8) & 255, at & 255]) })
  }
  const file = catalogue.finish(BOOT)
  return searchCatalogue((offset, length) => file.subarray(offset, offset + length), [mine], BOOT)?.length
}

t.test('a catalogue finds all leases of a holder, or says that it cannot', async (t) => {
  for (const leases of [0, 1, 3000]) t.equal(found(leases), leases)
  t.ok([undefined, 60_000].includes(found(60_000)), 'never a part of them')
})

t.test('a damaged catalogue is not trusted', async (t) => {
  const catalogue = buildCatalogue()
  catalogue.add(digestOf('mine'), parseAddress('10.0.0.1') as never)
  const file = catalogue.finish(BOOT)
  new DataView(file.buffer).setUint32(20, 0xffffffff, true) // where the only bucket ends
  const read = (offset: number, length: number) => file.subarray(offset, offset + length)
  t.equal(searchCatalogue(read, [digestOf('mine')], BOOT), undefined)
  t.equal(searchCatalogue(read, [digestOf('mine')], digestOf('another boot')), undefined)
})
