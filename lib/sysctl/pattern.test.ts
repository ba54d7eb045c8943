import t from 'tap'
import { compilePattern } from './pattern.js'

const KEYS = [
  'net.ipv4.conf.IFNAME.arp_notify',
  'net.ipv4.conf.IFNAME.rp_filter2',
  'net.ipv4.conf.eth0.arp_notify',
  'net.ipv6.conf.all.disable_ipv6',
  'net/ipv4/conf/IFNAME/arp_notify',
  'xnet.ipv4.conf.IFNAME.arp_notify',
  'net.core.somaxconn',
  'net.ipv4.conf.IFNAME.',
  '',
  '-',
  ']',
]

const PATTERNS = [
  '^net\\.ipv4\\.conf\\.IFNAME\\.[a-z_]*$',
  'net.ipv4',
  '^net\\.(ipv4|ipv6)\\.conf\\.(?:all|IFNAME)\\.[^.]+$',
  '[^a-z_.]',
  'conf\\.(all|eth\\d+)\\.\\w+$',
  '^(net\\.)+core\\.so?max(conn)??$',
  '^$',
  '$',
  'a|',
  '()*x',
  '(a*)*b',
  '^(|x)net',
  '[]-]',
  '[a\\]-]$',
  '[+--]',
  '[+-\\-]',
  '[\\d-]$',
  '\\D\\W\\S',
  '\\.\\.',
  'x^net',
  '}',
]

for (const pattern of PATTERNS) {
  t.test(`${pattern} matches what it matches elsewhere`, async (t) => {
    const matches = compilePattern(pattern)
    const other = new RegExp(pattern === '[]-]' ? '[\\]-]' : pattern)
    for (const key of KEYS) t.equal(matches(key), other.test(key), JSON.stringify(key))
  })
}

t.test('what is not supported, or is not valid, is refused by its name', async (t) => {
  const reasons: Record<string, RegExp> = {
    'a{2}': /"\{" is not supported/,
    '(?i)net': /"\(\?" is supported as "\(\?:" alone/,
    '\\bnet': /"\\b" is not supported/,
    '\\pL': /"\\p" is not supported/,
    '[[:alpha:]]': /"\[:" is not supported/,
    '[z-a]': /range "z-a" is empty/,
    '[a-\\d]': /"\\d" cannot end a range/,
    '[a-\\z]': /"\\z" cannot end a range/,
    '[a-\\': /ends too early/,
    '*net': /"\*" with nothing to repeat/,
    'a**': /"\*" behind a repetition/,
    '(net': /no "\)" follows/,
    'net)': /no "\(" precedes/,
    '[a-z': /ends too early/,
    'net\\': /ends too early/,
    [`${'a'.repeat(1001)}`]: /more than 1000 characters/,
  }
  for (const [pattern, reason] of Object.entries(reasons)) t.throws(() => compilePattern(pattern), reason, pattern)
})

t.test('a pattern that takes others exponential time takes linear time', async (t) => {
  const begin = performance.now()
  t.notOk(compilePattern('^(a*)*(a|a)*(a|aa)+$')(`${'a'.repeat(20_000)}b`))
  t.ok(performance.now() - begin < 5000)
})
