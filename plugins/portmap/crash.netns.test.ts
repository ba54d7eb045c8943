/**
 * portmap killed before any of its system calls, or where one fails: the next DEL or GC leaves no mapping, and others'
 * mappings alone.
 */

import t from 'tap'
import { chained } from '../../lib/testing/chained.js'
import type { Json } from '../../lib/testing/cni.js'
import { RULESET, type Sweep, shellOf, sweepAll } from '../../lib/testing/sweep.js'

const portMappings = [
  { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
  { hostPort: 5353, containerPort: 53, protocol: 'udp' },
]
const PORTMAP = { type: 'portmap', runtimeConfig: { portMappings } }
const OTHERS = { runtimeConfig: { portMappings: portMappings.map((one) => ({ ...one, hostPort: one.hostPort + 1 })) } }

/** The same ports on two addresses of the host, which share a chain of conditions. */
const conditional = (hostIP: string) => ({
  conditionsV4: ['-i', 'up0'],
  runtimeConfig: { portMappings: portMappings.map((one) => ({ ...one, hostIP })) },
})

interface Scene {
  readonly plugin: Json
  /** Of a pod that lives beside. */
  readonly others?: Json
}

const ALONE: Scene = { plugin: PORTMAP }
const BESIDE: Scene = { plugin: PORTMAP, others: OTHERS }
const CONDITIONS: Scene = { plugin: { ...PORTMAP, ...conditional('192.0.2.1') }, others: conditional('192.0.2.2') }

/** Mappings, the way to them by 127.0.0.1, and connections that lead to the container. */
const LOOK = `${RULESET}
  grep -H . /proc/sys/net/ipv4/conf/cni0/route_localnet
  { conntrack -L -f ipv4 -p udp; conntrack -L -f ipv6 -p udp; } 2>/dev/null | grep -oE 'src=(10.1.0.2|fd01::2) .*sport=53 '`

/** A datagram of each family through the mapping, which the kernel remembers. */
const SEND = "bash -c 'echo >/dev/udp/192.0.2.1/5353; echo >/dev/udp/2001:db8::1/5353'"

type Follower = 'del' | 'gc'

function adding({ plugin, others }: Scene, follower: Follower) {
  return () => {
    const { host, container, stateDir, add, del, gc, addNeighbour } = chained(t, plugin)
    if (others !== undefined) addNeighbour(others)
    const next = { del, gc }[follower]
    const prepare = others !== undefined ? shellOf(del) : `${shellOf(del)}; rm -rf ${stateDir}`
    return { host, container, directories: [stateDir], prepare, victim: add, next, look: LOOK }
  }
}

function removing({ plugin, others }: Scene, victim: Follower | 'check', follower: Follower, more: Json = {}) {
  return () => {
    const { host, container, stateDir, add, del, gc, check, addNeighbour } = chained(t, plugin)
    if (others !== undefined) addNeighbour(others)
    const calls = { del: { ...del, ...more }, gc, check }
    const prepare = `${shellOf(del)}; ${shellOf(add)}; ${SEND}`
    const directories = [stateDir]
    return { host, container, directories, prepare, victim: calls[victim], next: calls[follower], look: LOOK }
  }
}

/** Those that cannot be forgotten stay until they time out, and stderr says so. */
const OLD_CONNECTIONS = { bestEffort: true, mayStay: /^host: src=/ }

const sweeps: Sweep[] = [
  { claim: 'portmap: ADD of the first ports, then DEL', scene: adding(ALONE, 'del'), atLeast: 80 },
  { claim: 'portmap: ADD beside mapped ports, then DEL', scene: adding(BESIDE, 'del'), atLeast: 80 },
  { claim: 'portmap: ADD beside mapped ports, then GC', scene: adding(BESIDE, 'gc'), atLeast: 80 },
  { claim: 'portmap: DEL of the last ports, then DEL', scene: removing(ALONE, 'del', 'del'), atLeast: 60, exact: true },
  {
    claim: 'portmap: DEL beside mapped ports, then DEL',
    scene: removing(BESIDE, 'del', 'del'),
    atLeast: 60,
    exact: true,
  },
  {
    claim: 'portmap: DEL without namespace or previous result, then GC',
    scene: removing(BESIDE, 'del', 'gc', { netns: '' }),
    atLeast: 60,
    exact: true,
  },
  { claim: 'portmap: ADD under conditions of others, then DEL', scene: adding(CONDITIONS, 'del'), atLeast: 80 },
  {
    claim: 'portmap: DEL under conditions of others, then DEL',
    scene: removing(CONDITIONS, 'del', 'del'),
    atLeast: 60,
    exact: true,
  },
  { claim: 'portmap: GC, then GC', scene: removing(BESIDE, 'gc', 'gc'), atLeast: 60, exact: true },
  { claim: 'portmap: ADD of the first ports, then DEL', scene: adding(ALONE, 'del'), fault: 'errno', atLeast: 30 },
  { claim: 'portmap: ADD beside mapped ports, then DEL', scene: adding(BESIDE, 'del'), fault: 'errno', atLeast: 30 },
  { claim: 'portmap: CHECK, then DEL', scene: removing(BESIDE, 'check', 'del'), fault: 'errno', atLeast: 30 },
  {
    claim: 'portmap: DEL beside mapped ports, then DEL',
    scene: removing(BESIDE, 'del', 'del'),
    fault: 'errno',
    atLeast: 30,
    exact: true,
    ...OLD_CONNECTIONS,
  },
  {
    claim: 'portmap: GC, then GC',
    scene: removing(BESIDE, 'gc', 'gc'),
    fault: 'errno',
    atLeast: 30,
    exact: true,
    ...OLD_CONNECTIONS,
  },
]
sweepAll(sweeps)
