/** ptp killed before any of its system calls, or where one fails: the next DEL or GC leaves nothing. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { call, expectSuccess } from '../../lib/testing/cni.js'
import { Netns } from '../../lib/testing/netns.js'
import { RULESET, type Sweep, shellOf, sweepAll } from '../../lib/testing/sweep.js'

type Victim = 'add' | 'del' | 'gc' | 'check'

function scene(victim: Victim, follower: Victim) {
  return () => {
    const directory = mkdtempSync(join(tmpdir(), 'flatnet-crash-'))
    t.teardown(() => rmSync(directory, { recursive: true, force: true }))
    const host = Netns.create(t, 'host')
    const container = Netns.create(t, 'pod', { loopback: false })
    host.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
    const [dataDir, stateDir] = [join(directory, 'data'), join(directory, 'state')]
    const ipam = { type: 'host-local', dataDir, ranges: [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd01::/64' }]] }
    const config = { cniVersion: '1.1.0', name: 'net', type: 'ptp', ipMasq: true, stateDir, ipam }
    const add = { command: 'ADD', config, netns: container } as const
    const del = { ...add, command: 'DEL' } as const
    const gc = { command: 'GC', config: { ...config, 'cni.dev/valid-attachments': [] } } as const
    const prevResult = expectSuccess('ADD', call({ ...add, host })).json
    const check = { ...add, command: 'CHECK', config: { ...config, prevResult } } as const
    // Each ADD leases the same address.
    const bare = `${shellOf(del)}; printf 10.1.0.1 >${dataDir}/net/last_reserved_ip.0; printf fd01::1 >${dataDir}/net/last_reserved_ip.1`
    const prepare = victim === 'add' ? bare : `${bare}; ${shellOf(add)}`
    const calls = { add, del, gc, check }
    return {
      host,
      container,
      directories: [dataDir, stateDir],
      prepare,
      victim: calls[victim],
      next: calls[follower],
      look: RULESET,
    }
  }
}

// The names of a store that is in use are replaced.
const mayStay = /\/catalogue$/
const sweeps: Sweep[] = [
  { claim: 'ptp: ADD, then DEL', scene: scene('add', 'del'), atLeast: 120, mayStay },
  { claim: 'ptp: ADD, then GC', scene: scene('add', 'gc'), atLeast: 120, mayStay },
  { claim: 'ptp: DEL, then DEL', scene: scene('del', 'del'), atLeast: 60, exact: true, mayStay },
  { claim: 'ptp: GC, then GC', scene: scene('gc', 'gc'), atLeast: 60, exact: true, mayStay },
  { claim: 'ptp: ADD, then DEL', scene: scene('add', 'del'), fault: 'errno', atLeast: 150, leased: true, mayStay },
  { claim: 'ptp: CHECK, then DEL', scene: scene('check', 'del'), fault: 'errno', atLeast: 80, leased: true, mayStay },
  {
    claim: 'ptp: DEL, then DEL',
    scene: scene('del', 'del'),
    fault: 'errno',
    atLeast: 80,
    exact: true,
    leased: true,
    mayStay,
  },
]
sweepAll(sweeps)
