import t from 'tap'
import { hasShape, type Shape } from './shape.js'

const SHAPE: Shape = { name: 'string', ports: [{ port: 'number', 'address?': 'string' }], 'up?': 'boolean' }

for (const [value, is] of [
  [{ name: 'a', ports: [] }, true],
  [{ name: 'a', ports: [{ port: 1 }, { port: 2, address: '::1' }], up: false, more: 1 }, true],
  [{ name: 'a' }, false],
  [{ name: 1, ports: [] }, false],
  [{ name: 'a', ports: {} }, false],
  [{ name: 'a', ports: [{ port: '1' }] }, false],
  [{ name: 'a', ports: [null] }, false],
  [{ name: 'a', ports: [], up: null }, false],
  [[], false],
  [null, false],
  ['a', false],
] as const) {
  t.equal(hasShape(value, SHAPE), is, JSON.stringify(value))
}
