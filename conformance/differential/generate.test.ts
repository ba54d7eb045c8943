import t from 'tap'
import { toText } from './factor.js'
import { type Case, generate } from './generate.js'
import { anyRow, coverPairs } from './pairwise.js'
import { randomOf } from './random.js'
import { scenariosFor } from './scenarios.js'

const KERNEL = { vlans: true }

t.test(
  'coverPairs() has every two values of two factors that may meet, in fewer rows than all combinations',
  async (t) => {
    const sizes = [3, 4, 2, 5, 3]
    const forbids = ([a, b]: readonly (number | undefined)[]) => a === 0 && b === 1
    const { rows, met, possible } = coverPairs({ sizes, forbids }, randomOf(7))
    const pairs = new Set(
      rows.flatMap((row) => row.flatMap((x, a) => row.slice(a + 1).map((y, n) => `${a}.${x} ${a + 1 + n}.${y}`))),
    )
    const all = sizes.flatMap((m, a) => sizes.slice(a + 1).map((n) => m * n)).reduce((sum, n) => sum + n, 0)
    t.equal(pairs.size, all - 1, 'all but the forbidden one')
    t.equal(met, all - 1)
    t.equal(possible, all - 1)
    t.ok(rows.length <= 30, `${rows.length} rows`)
    t.notOk(rows.some(forbids))
    t.equal(coverPairs({ sizes, forbids }, randomOf(7), 5).rows.length, 5, 'or as many as are wanted')
  },
)

t.test('anyRow() keeps what is given', async (t) => {
  const table = { sizes: [3, 3, 3], forbids: () => false }
  t.equal(anyRow(table, randomOf(1), [undefined, 2, undefined])?.[1], 2)
  t.equal(anyRow({ ...table, forbids: () => true }, randomOf(1), [undefined, 2, undefined]), undefined)
})

const texts = (cases: readonly Case[]) => cases.map(({ title, plugins }) => `${title} ${JSON.stringify(plugins)}`)

t.test('generate() makes the same of the same seed, and something else of another', async (t) => {
  const of = (seed: number) => texts(generate(scenariosFor(KERNEL), randomOf(seed), { recent: true, count: 60 }).cases)
  t.same(of(1), of(1))
  t.notSame(of(1), of(2))
  t.ok(of(1).length >= 55, `${of(1).length} configurations`)
})

t.test('generate() has every value of every key at least once, and at most one that is wrong', async (t) => {
  const scenarios = scenariosFor(KERNEL)
  const { cases, met, possible } = generate(scenarios, randomOf(3), { recent: true })
  t.ok(cases.length >= 300, `${cases.length} configurations`)
  t.equal(met, possible, 'every pair')
  for (const { name, factors } of scenarios) {
    const seen = new Set(cases.filter(({ scenario }) => scenario === name).flatMap(({ values }) => [...values]))
    const missing = factors.flatMap((one) => one.values.filter(({ id }) => !seen.has(`${one.name}=${id}`)))
    t.same(
      missing.map(({ id }) => id),
      [],
      name,
    )
    for (const factor of factors) {
      t.equal(new Set(factor.values.map(({ id }) => id)).size, factor.values.length, `values of ${factor.name} differ`)
    }
  }
})

t.test('toText() writes numbers as they were meant', async (t) => {
  t.equal(toText({ mtu: '\u00001e3\u0000' }), '{"mtu":1e3}')
})
