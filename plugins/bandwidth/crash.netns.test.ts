/**
 * bandwidth killed before any of its system calls, or where one fails: the next DEL or GC leaves no ifb; the host end's
 * qdiscs go with it.
 */

import t from 'tap'
import { type Chained, chained } from '../../lib/testing/chained.js'
import { qdiscsOf, type Sweep, shellOf, sweepAll } from '../../lib/testing/sweep.js'

const BANDWIDTH = { type: 'bandwidth', ingressRate: 8e6, egressRate: 4e6 }

type Call = 'add' | 'del' | 'gc' | 'check'

function scene(victim: Call, follower: Call) {
  return () => {
    const place = chained(t, BANDWIDTH)
    place.addNeighbour()
    const { host, container, stateDir, veth } = place
    // An ifb's address would come when the kernel finds the time.
    host.run('sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1')
    const bare = `${shellOf(place.del)}; tc qdisc del dev ${veth} root; tc qdisc del dev ${veth} ingress`
    const prepare = victim === 'add' ? bare : `${bare}; ${shellOf(place.add)}`
    const calls: Pick<Chained, Call> = place
    const [first, next] = [calls[victim], calls[follower]]
    return { host, container, directories: [stateDir], prepare, victim: first, next, look: qdiscsOf(veth) }
  }
}

const sweeps: Sweep[] = [
  { claim: 'bandwidth: ADD, then DEL', scene: scene('add', 'del'), atLeast: 40 },
  { claim: 'bandwidth: ADD, then GC', scene: scene('add', 'gc'), atLeast: 40 },
  { claim: 'bandwidth: ADD, then ADD', scene: scene('add', 'add'), atLeast: 40, exact: true },
  { claim: 'bandwidth: DEL, then DEL', scene: scene('del', 'del'), atLeast: 30, exact: true },
  { claim: 'bandwidth: GC, then GC', scene: scene('gc', 'gc'), atLeast: 30, exact: true },
  { claim: 'bandwidth: ADD, then DEL', scene: scene('add', 'del'), fault: 'errno', atLeast: 30 },
  { claim: 'bandwidth: CHECK, then DEL', scene: scene('check', 'del'), fault: 'errno', atLeast: 30 },
  { claim: 'bandwidth: DEL, then DEL', scene: scene('del', 'del'), fault: 'errno', atLeast: 30, exact: true },
  { claim: 'bandwidth: GC, then GC', scene: scene('gc', 'gc'), fault: 'errno', atLeast: 30, exact: true },
]
sweepAll(sweeps)
