/** firewall killed before any of its system calls, or where one fails: the next DEL or GC leaves no rule of the container's. */

import t from 'tap'
import { chained } from '../../lib/testing/chained.js'
import { RULESET, type Sweep, shellOf, sweepAll } from '../../lib/testing/sweep.js'

const FIREWALL = { type: 'firewall', ingressPolicy: 'isolated' }

type Call = 'add' | 'del' | 'gc' | 'check'

/** Both iptables drop what is forwarded, and so does a chain of somebody's own. */
function scene(victim: Call, follower: Call, beside: boolean) {
  return () => {
    const place = chained(t, FIREWALL)
    const { host, container, stateDir } = place
    const rules = `${stateDir}.nft`
    host.run('iptables', '-P', 'FORWARD', 'DROP')
    host.run('ip6tables', '-P', 'FORWARD', 'DROP')
    host.run('nft', 'table inet mine { chain onward { type filter hook forward priority 10; policy drop; }; }')
    if (beside) place.addNeighbour()
    // Chains stay as iptables users know them, so the first ADD of a node is that of a fresh ruleset.
    const fresh = `{ echo flush ruleset; nft -s list ruleset; } >${rules}`
    host.run('sh', '-c', fresh)
    const bare = beside ? shellOf(place.del) : `${shellOf(place.del)}; nft -f ${rules}; rm -rf ${stateDir}`
    const prepare = victim === 'add' ? bare : `${bare}; ${shellOf(place.add)}`
    const [first, next] = [place[victim], place[follower]]
    return { host, container, directories: [stateDir], prepare, victim: first, next, look: RULESET }
  }
}

const sweeps: Sweep[] = [
  { claim: 'firewall: first ADD of a node, then DEL', scene: scene('add', 'del', false), atLeast: 80 },
  { claim: 'firewall: ADD beside another pod, then DEL', scene: scene('add', 'del', true), atLeast: 80 },
  { claim: 'firewall: ADD beside another pod, then GC', scene: scene('add', 'gc', true), atLeast: 80 },
  { claim: 'firewall: ADD, then ADD', scene: scene('add', 'add', true), atLeast: 80, exact: true },
  { claim: 'firewall: DEL, then DEL', scene: scene('del', 'del', true), atLeast: 50, exact: true },
  { claim: 'firewall: DEL of the last pod, then DEL', scene: scene('del', 'del', false), atLeast: 50, exact: true },
  { claim: 'firewall: GC, then GC', scene: scene('gc', 'gc', true), atLeast: 50, exact: true },
  { claim: 'firewall: first ADD of a node, then DEL', scene: scene('add', 'del', false), fault: 'errno', atLeast: 30 },
  {
    claim: 'firewall: ADD beside another pod, then DEL',
    scene: scene('add', 'del', true),
    fault: 'errno',
    atLeast: 30,
  },
  { claim: 'firewall: CHECK, then DEL', scene: scene('check', 'del', true), fault: 'errno', atLeast: 30 },
  { claim: 'firewall: DEL, then DEL', scene: scene('del', 'del', true), fault: 'errno', atLeast: 30, exact: true },
  { claim: 'firewall: GC, then GC', scene: scene('gc', 'gc', true), fault: 'errno', atLeast: 30, exact: true },
]
sweepAll(sweeps)
