import t from 'tap'
import { bytesOfTable } from './source.js'

const encode = (text: string) => new Uint8Array(Buffer.from(text))

t.test('bytesOfTable holds the whole table, whatever stands around it', async (t) => {
  // The engine's strict decoder, played by Node.
  Object.assign(globalThis, { door: { decode: (bytes: Uint8Array) => Buffer.from(bytes).toString() } })
  const found = (text: string) => {
    const part = bytesOfTable({ bytes: encode(text), raw: JSON.parse(text) })
    return part === undefined ? undefined : Buffer.from(part).toString()
  }
  t.equal(found('{"name":"a","nodes":[1,2],"prevResult":{}}'), '"nodes":[1,2],')
  t.equal(found('{"name":"a", "nodes": [1,2]}'), '"nodes": [1,2]}')
  t.equal(
    found('{"nodes":["prevResult"],"prevResult":{"a":["prevResult"]}}'),
    '"nodes":["prevResult"],"prevResult":{"a":[',
    'more, where a name repeats',
  )
  t.equal(found('{"nodes":[1],"nodes":[2]}'), undefined, 'and nothing where it cannot be told')
  t.equal(found('{"Nodes":[1]}'), undefined)
  t.equal(found('{"nodes":["\u00e9"]}'), undefined)
})
