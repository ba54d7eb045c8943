/** The conflist's ranges against this node's pod CIDRs. */

import t from 'tap'
import { judgeRanges, rangesOf } from './ranges.js'

const NODE = { node: 'n1', podCIDRs: ['10.244.1.0/24', 'fd10:1::/64'] }
const FOUR = { node: 'n1', podCIDRs: ['10.244.1.0/24'] }

const ROWS: readonly [what: string, ipam: unknown, node: typeof NODE, trouble: RegExp | undefined, forAll?: boolean][] =
  [
    [
      'the pod CIDRs themselves',
      { ranges: [[{ subnet: '10.244.1.0/24' }], [{ subnet: 'fd10:1::/64' }]] },
      NODE,
      undefined,
    ],
    ['a part of one', { subnet: '10.244.1.128/25' }, NODE, undefined],
    [
      'another subnet',
      { subnet: '10.244.9.0/24' },
      NODE,
      /no route to pods of 10.244.9.0\/24: the range is not .* of "n1" \(10.244.1.0\/24, fd10:1::\/64\)/,
      true,
    ],
    [
      'an IPv6 range without an IPv6 pod CIDR',
      { ranges: [[{ subnet: '10.244.1.0/24' }], [{ subnet: 'fd10:1::/64' }]] },
      FOUR,
      /fd10:1::\/64/,
      false,
    ],
    [
      'no range of any family',
      { ranges: [[{ subnet: '10.244.9.0/24' }], [{ subnet: 'fd10:1::/64' }]] },
      FOUR,
      /10.244.9.0\/24, fd10:1::\/64: the ranges are not/,
      true,
    ],
    ['all nodes’ pods as one range', { subnet: '10.244.0.0/16' }, FOUR, /10.244.0.0\/16/, false],
    [
      'a part of them by its bounds',
      { subnet: '10.244.0.0/16', rangeStart: '10.244.1.10', rangeEnd: '10.244.1.99' },
      FOUR,
      undefined,
    ],
    [
      'bounds that reach out',
      { ranges: [[{ subnet: '10.244.0.0/16', rangeStart: '10.244.1.10', rangeEnd: '10.244.2.99' }]] },
      FOUR,
      /10.244.0.0\/16/,
      false,
    ],
    ['no range at all', { type: 'dhcp' }, FOUR, undefined],
    ['what cannot be read', { ranges: [[{ subnet: 7 }, null], 'x'], subnet: 'y' }, FOUR, undefined],
    ['no IPAM', undefined, FOUR, undefined],
  ]

t.test('a range must lie inside a pod CIDR of this node', async (t) => {
  for (const [what, ipam, node, trouble, forAll] of ROWS) {
    const found = judgeRanges(rangesOf(ipam), node)
    if (trouble === undefined) t.equal(found, undefined, what)
    else {
      t.match(found?.reason, trouble, what)
      t.equal(found?.forAll, forAll, `${what}: ${forAll === true ? 'no pod' : 'some pods'}`)
    }
  }
})
