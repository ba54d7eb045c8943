/**
 * A container's first attachment goes, and its DEL is killed on the way of the ports to the second one: the DEL that
 * follows brings them there, whole.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Netns } from '../../lib/testing/netns.js'
import { RULESET, shellOf, sweepAll } from '../../lib/testing/sweep.js'

const portMappings = [
  { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
  { hostPort: 5353, containerPort: 53, protocol: 'udp', hostIP: '192.0.2.1' },
]

function scene() {
  const directory = mkdtempSync(join(tmpdir(), 'flatnet-takeover-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const [host, container] = [Netns.create(t, 'host'), Netns.create(t, 'pod')]
  const stateDir = join(directory, 'state')
  const call = (command: 'ADD' | 'DEL', n: 1 | 2) => {
    const ips = [`10.1.${n}.2/24`, `fd01:${n}::2/64`].map((address) => ({ address, interface: 0 }))
    const prevResult = { cniVersion: '1.1.0', interfaces: [{ name: `eth${n}`, sandbox: container.path }], ips }
    const common = { cniVersion: '1.1.0', name: `net${n}`, type: 'portmap', stateDir }
    const config = { ...common, prevResult, runtimeConfig: { portMappings } }
    return { command, config, netns: container, containerId: 'c1', ifName: `eth${n}` } as const
  }
  const prepare = [call('DEL', 1), call('DEL', 2), call('ADD', 1), call('ADD', 2)].map(shellOf).join('; ')
  const [victim, next] = [call('DEL', 1), call('DEL', 1)]
  return { host, container, directories: [stateDir], prepare, victim, next, look: RULESET, sample: 20 }
}

sweepAll([{ claim: 'portmap: DEL of the attachment that has the ports, then DEL', scene, atLeast: 60, exact: true }])
