/** tuning killed before any of its system calls, or where one fails: the next DEL or GC puts back what the link had. */

import t from 'tap'
import { type Chained, chained } from '../../lib/testing/chained.js'
import { type Sweep, shellOf, sweepAll } from '../../lib/testing/sweep.js'

const TUNING = {
  type: 'tuning',
  sysctl: { 'net.ipv4.conf.IFNAME.log_martians': '1' },
  mac: '02:11:22:33:44:55',
  mtu: 1400,
  promisc: true,
  allmulti: true,
  txQLen: 77,
}

type Call = 'add' | 'del' | 'gc' | 'check'

function scene(victim: Call, follower: Call) {
  return () => {
    const place = chained(t, TUNING)
    place.addNeighbour({ mac: undefined })
    const { host, container, stateDir } = place
    const bare = shellOf(place.del)
    const prepare = victim === 'add' ? bare : `${bare}; ${shellOf(place.add)}`
    const calls: Pick<Chained, Call> = place
    const [first, next] = [calls[victim], calls[follower]]
    const look = `nsenter --net=${container.path} sh -c 'ip -o link show eth0 | sed "s/ qdisc.*qlen / qlen /"; sysctl net.ipv4.conf.eth0.log_martians'`
    return { host, container, directories: [stateDir], prepare, victim: first, next, look }
  }
}

const sweeps: Sweep[] = [
  { claim: 'tuning: ADD, then DEL', scene: scene('add', 'del'), atLeast: 30, exact: true },
  { claim: 'tuning: ADD, then GC', scene: scene('add', 'gc'), atLeast: 30, exact: true },
  { claim: 'tuning: ADD, then ADD', scene: scene('add', 'add'), atLeast: 30, exact: true },
  { claim: 'tuning: DEL, then DEL', scene: scene('del', 'del'), atLeast: 20, exact: true },
  { claim: 'tuning: GC, then GC', scene: scene('gc', 'gc'), atLeast: 20, exact: true },
  { claim: 'tuning: ADD, then DEL', scene: scene('add', 'del'), fault: 'errno', atLeast: 30 },
  { claim: 'tuning: CHECK, then DEL', scene: scene('check', 'del'), fault: 'errno', atLeast: 20 },
  { claim: 'tuning: DEL, then DEL', scene: scene('del', 'del'), fault: 'errno', atLeast: 20, exact: true },
  { claim: 'tuning: GC, then GC', scene: scene('gc', 'gc'), fault: 'errno', atLeast: 20, exact: true },
]
sweepAll(sweeps)
