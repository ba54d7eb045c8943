import t from 'tap'
import { difference, isEmpty, matches, showDifference } from './snapshot.js'

t.test('a star stands for any text, at the ends and inside', async (t) => {
  const table: [pattern: string, line: string, matches: boolean][] = [
    ['host link cni0 *', 'host link cni0 bridge up', true],
    ['host link cni0 *', 'host link cni1 bridge up', false],
    ['file */lock *', 'file /var/lib/x/lock 644 0', true],
    ['*', '', true],
    ['a*a', 'a', false],
    ['a*b*c', 'a1b2c', true],
    ['a*b*c', 'a1c2b', false],
    ['exact', 'exact', true],
    ['exact', 'exactly', false],
  ]
  for (const [pattern, line, expected] of table) t.equal(matches(pattern, line), expected, `${pattern} ~ ${line}`)
})

t.test('a difference is what went and what came, without what is excepted', async (t) => {
  const before = ['host link lo', 'host route a', 'host route b']
  const after = ['file /x', 'host link lo', 'host route b', 'host route c']
  const found = difference(before, after)
  t.strictSame(found, { gone: ['host route a'], come: ['file /x', 'host route c'] })
  t.equal(showDifference(found), '- host route a\n+ file /x\n+ host route c')
  t.ok(isEmpty(difference(before, after, ['host route *', 'file *'])))
})

t.test('a line that is there once more or less is a difference', async (t) => {
  t.strictSame(difference(['r'], ['r', 'r']), { gone: [], come: ['r'] })
  t.strictSame(difference(['r', 'r', 'r'], ['r']), { gone: ['r', 'r'], come: [] })
})
