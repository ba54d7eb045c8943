import t from 'tap'
import type { Case } from './case.js'
import { readDescriptor } from './descriptor.js'
import { equal, merge } from './json.js'
import { hasFailed, type Outcome, outcomeOf } from './outcome.js'
import { plan } from './plan.js'
import { page, summary, tapLines } from './report.js'
import { waiverFor } from './waivers.js'

const bridge = readDescriptor({ type: 'b', kind: 'interface', config: {}, delegates: 'ipam' })
const chained = readDescriptor({ type: 'c', kind: 'chained', config: {} })
const versions = ['0.4.0', '1.0.0', '1.1.0']
const one: Case = { id: 'X-01', section: 'S', level: 'MUST', duty: ['P'], claim: 'It holds', run: () => undefined }
const none = { missing: new Map(), root: true }

function points(over: Partial<Case>, plugin = bridge, circumstances = none as Parameters<typeof plan>[2]) {
  return plan([{ ...one, ...over }], [{ plugin, versions }], circumstances)
}

t.test('a requirement binds whom its duty says', async (t) => {
  t.equal(points({}).length, 1)
  t.equal(points({ duty: ['DL'] }).length, 1)
  t.equal(points({ duty: ['DL'] }, chained).length, 0)
  t.equal(points({ duty: ['CH', 'IPAM'] }, chained).length, 1)
  t.equal(points({ needs: { capabilities: ['mac'] } }).length, 0)
})

t.test('a case is run at the newest version it speaks of, or at each', async (t) => {
  const at = (over: Partial<Case>) => points(over).map(({ version, skipped }) => skipped ?? version)
  t.strictSame(at({}), ['1.1.0'])
  t.strictSame(at({ needs: { until: '1.0.0' } }), ['1.0.0'])
  t.strictSame(at({ versions: 'each', needs: { since: '1.0.0' } }), ['1.0.0', '1.1.0'])
  t.match(at({ needs: { until: '0.2.0' } }), [/no version/])
})

t.test('what the kernel lacks skips a case, and says so', async (t) => {
  const missing = new Map([['vxlan' as const, 'Unknown device type']])
  const [point] = points({ needs: { kernel: ['vxlan'] } }, bridge, { missing, root: true })
  t.equal(point?.skipped, 'kernel lacks vxlan: Unknown device type')
})

t.test('a descriptor with a member that is unknown, bad or missing is refused by name', async (t) => {
  t.throws(() => readDescriptor({ type: 'x', kind: 'chained' }), /config is missing/)
  t.throws(() => readDescriptor({ type: 'x', kind: 'tunnel', config: {} }), /bad kind/)
  t.throws(() => readDescriptor({ type: 'x', kind: 'chained', config: {}, leavs: [] }), /unknown member leavs/)
  t.throws(() => readDescriptor({ type: 'x/y', kind: 'chained', config: {} }), /bad type/)
})

function outcome(
  verdict: 'pass' | 'fail' | 'skipped',
  level: Case['level'] = 'MUST',
  waivers = [] as never[],
): Outcome {
  const point = { case: { ...one, level }, candidate: { plugin: bridge, versions }, version: '1.1.0' }
  return outcomeOf(point, { verdict, milliseconds: 1, ...(verdict === 'pass' ? {} : { reason: 'why\nand' }) }, waivers)
}

t.test('only a MUST fails a run, where it is strict a SHOULD too, and a waiver takes it back', async (t) => {
  t.ok(hasFailed([outcome('pass'), outcome('fail')], false))
  t.notOk(hasFailed([outcome('fail', 'SHOULD')], false))
  t.ok(hasFailed([outcome('fail', 'SHOULD')], true))
  t.notOk(hasFailed([outcome('fail', 'DF'), outcome('skipped')], true))
  const waivers = [{ id: 'X-01', plugins: ['b'], reason: 'known' }]
  t.equal(waiverFor(waivers, 'X-01.more', 'b')?.reason, 'known')
  t.equal(waiverFor(waivers, 'X-01', 'c'), undefined)
  const waived = outcome('fail', 'MUST', waivers as never[])
  t.equal(waived.verdict, 'waived')
  t.notOk(hasFailed([waived], true))
})

t.test('a result is a line of TAP, a row of the table, and a cell of the page', async (t) => {
  t.equal(tapLines(3, outcome('pass')), 'ok 3 - b 1.1.0 X-01 It holds')
  t.match(tapLines(4, outcome('fail')), /^not ok 4 .*\n {2}---\n {2}level: MUST\n {2}reason: \|\n {4}why\n {4}and\n/)
  t.match(tapLines(5, outcome('skipped')), /# SKIP why$/)
  const lines = summary([outcome('pass'), outcome('fail')], 2)
  t.match(lines.join('\n'), /1 requirements, 0 kept, in 2 s/)
  t.match(lines.at(-1), /fail +X-01 +MUST +b +It holds/)
  const facts = { bin: '<bin>', date: 'd', kernel: 'k', seconds: 1, plugins: { b: versions }, untested: {} }
  const html = page({ ...facts, outcomes: [outcome('fail')] })
  t.match(html, /&lt;bin&gt;/)
  t.match(html, /class="c fail"/)
})

t.test('undefined takes a member away when objects are merged, and __proto__ is a key like any other', async (t) => {
  t.strictSame(merge({ a: { b: 1, c: 2 }, d: [1] }, { a: { b: undefined }, d: [2] }), { a: { c: 2 }, d: [2] })
  const odd = merge({}, JSON.parse('{"__proto__":{"x":1}}'))
  t.ok(Object.hasOwn(odd, '__proto__'))
  t.ok(equal({ a: 1, b: [2] }, { b: [2], a: 1 }))
  t.notOk(equal({ a: 1 }, { a: 1, b: undefined }))
})
