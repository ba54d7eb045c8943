import t from 'tap'
import { parseArgs } from './args.js'

t.test('the last of equal keys counts, keys differ in case, and a value may hold an equals sign', async (t) => {
  const pairs = parseArgs('A=1;a=2;A=3;;B=x=y;')
  t.strictSame(
    [...pairs],
    [
      ['A', '3'],
      ['a', '2'],
      ['B', 'x=y'],
    ],
  )
})

t.test(
  'what is no pair, and an IgnoreUnknown that is no boolean, is code 4 where the plugin reads CNI_ARGS',
  async (t) => {
    for (const text of ['novalue', '=x', 'IgnoreUnknown=yes', 'IgnoreUnknown=']) {
      t.throws(() => parseArgs(text), { code: 4, message: /CNI_ARGS/ }, text)
      t.doesNotThrow(() => parseArgs(text, true), text)
    }
    for (const flag of ['1', '0', 'true', 'True', 'FALSE']) t.equal(parseArgs(`IgnoreUnknown=${flag}`).size, 1, flag)
  },
)
