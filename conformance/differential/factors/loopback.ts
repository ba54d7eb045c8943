/** loopback: no keys of its own, but a namespace to look at. */

import type { Scenario } from '../factor.js'
import { unset } from '../factor.js'
import {
  before,
  CNI_ARGS,
  CNI_PATH,
  CONTAINER_ID,
  calls,
  emptyDraft,
  IF_NAME,
  NAME,
  NETNS,
  PREV_RESULT,
  pluginOf,
  SPELLING,
  version,
} from './common.js'

export const LOOPBACK: Scenario = {
  name: 'loopback',
  factors: [
    version(),
    {
      name: 'before',
      values: [
        unset,
        before('lo is up', 'good', 'inside ip link set lo up'),
        before('a second loopback address', 'edge', 'inside ip addr add 127.0.0.2/8 dev lo'),
        before(
          'no IPv6',
          'edge',
          'inside sh -c "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 >/proc/sys/net/ipv6/conf/lo/disable_ipv6"',
        ),
        before('a service has an address on lo', 'bad', 'inside ip addr add 10.9.9.9/32 dev lo', 101),
        before('a service has an IPv6 address on lo', 'bad', 'inside ip addr add fd09::9/128 dev lo', 101),
      ],
    },
    calls(
      ['ADD', 'CHECK', 'DEL'],
      ['ADD', 'AGAIN', 'CHECK', 'DEL', 'DEL twice'],
      ['ADD', 'DEL gone'],
      ['ADD', 'DEL netnsless'],
      ['STATUS', 'DEL', 'ADD', 'DEL'],
    ),
    PREV_RESULT,
    NAME,
    CONTAINER_ID,
    IF_NAME,
    NETNS,
    CNI_PATH,
    CNI_ARGS,
    SPELLING,
  ],
  together: [],
  forbids: () => false,
  draft: emptyDraft,
  plugins: (draft) => [pluginOf('loopback', draft.main, draft)],
}
