import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { readDescriptor } from './descriptor.js'

const FOLDER = 'conformance/examples'

t.test('the examples of descriptors are descriptors, of about ten lines', async (t) => {
  for (const name of readdirSync(FOLDER)) {
    const text = readFileSync(`${FOLDER}/${name}`, 'utf8')
    t.equal(`${readDescriptor(JSON.parse(text)).type}.json`, name)
    t.ok(text.split('\n').length <= 12, name)
  }
})
