import t from 'tap'
import type { Result } from '../cni/result.js'
import { formatAddress } from '../ip/address.js'
import { containerAddresses, everyAddress } from './previous.js'

const INTERFACES = [
  { name: 'cni0' },
  { name: 'eth0' },
  { name: 'net1', sandbox: '/run/netns/pod' },
  { name: 'eth0', sandbox: '/run/netns/pod' },
]
const [BRIDGE, BARE, OTHER, OWN] = [0, 1, 2, 3]

/** One address for each interface that is named, in this order. */
function result(...interfaces: (number | undefined)[]): Result {
  const ips = interfaces.map((at, n) => ({ address: `10.1.2.${n}/24`, ...(at === undefined ? {} : { interface: at }) }))
  return { interfaces: INTERFACES, ips }
}

for (const [what, interfaces, expected] of [
  ['the interface in its sandbox counts', [OWN], ['10.1.2.0']],
  ['no interface counts', [undefined], ['10.1.2.0']],
  ['an index without an interface counts', [9], ['10.1.2.0']],
  ['another name in a sandbox counts', [OTHER], ['10.1.2.0']],
  ['the name without a sandbox counts', [BARE], ['10.1.2.0']],
  ['an interface of the host does not', [BRIDGE], []],
  ['the surest is first', [BRIDGE, BARE, OTHER, OWN], ['10.1.2.3', '10.1.2.2', '10.1.2.1']],
] as const) {
  t.test(`an address of a container: ${what}`, (t) => {
    t.same(containerAddresses(result(...interfaces), 'eth0').map(formatAddress), expected)
    t.equal(everyAddress(result(...interfaces)).length, interfaces.length, 'of the whole result it is one in any case')
    t.end()
  })
}

t.test('a result without addresses has none', (t) => {
  t.same(containerAddresses({}, 'eth0'), [])
  t.same(everyAddress({}), [])
  t.end()
})
