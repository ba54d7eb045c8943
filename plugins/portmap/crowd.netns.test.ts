/** Pods with host ports that come and go at once: `make netns FLATNET_LONG=1 ARGS=portmap/crowd` for twenty rounds. */

import t from 'tap'
import type { Answer, Json } from '../../lib/testing/cni.js'
import { LONG } from '../../lib/testing/long.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { callAsync } from '../../lib/testing/parallel.js'
import { filesBelow, network } from '../../lib/testing/pod-network.js'

const PODS = 50
const ROUNDS = LONG ? 20 : 2

t.test(`${PODS} pods with host ports come and go at once, ${ROUNDS} times`, { skip: needs('root') }, async (t) => {
  const host = Netns.create(t, 'node')
  const subnets = ['10.1.2.0/24', 'fd12::/64']
  const bridge = network(t, { subnets, config: { ipMasq: true, macspoofchk: true } })
  const failures: string[] = []
  const pods = Array.from({ length: PODS }, (_, at) => {
    const netns = Netns.create(t, `p${at}`, { loopback: false })
    const portMappings = [
      { hostPort: 8000 + at, containerPort: 80, protocol: 'tcp' },
      { hostPort: 8000 + at, containerPort: 53, protocol: 'udp' },
    ]
    const { cniVersion, name, stateDir } = bridge
    const mapped = { cniVersion, name, stateDir, type: 'portmap', runtimeConfig: { portMappings } }
    const call = async (command: 'ADD' | 'DEL', config: Json): Promise<Answer> => {
      const answer = await callAsync({ command, host, config, netns, containerId: `c${at}` })
      if (answer.status !== 0) failures.push(`${command} ${config.type} c${at}: ${answer.stdout} ${answer.stderr}`)
      return answer
    }
    let prevResult: Json
    return {
      async add() {
        prevResult = (await call('ADD', bridge)).json
        await call('ADD', { ...mapped, prevResult })
      },
      async del() {
        await call('DEL', { ...mapped, prevResult })
        await call('DEL', bridge)
      },
    }
  })
  const objects = (): Json[] =>
    JSON.parse(host.run('nft', '-j', 'list', 'ruleset')).nftables.filter((one: Json) => one.metainfo === undefined)
  const mapped = () => JSON.stringify(objects()).split(/\["(?:tcp|udp)",80\d\d\]/).length - 1

  for (let round = 1; round <= ROUNDS; round++) {
    await Promise.all(pods.map((pod) => pod.add()))
    t.equal(mapped(), PODS * 2 * 2 * 2, `round ${round}: two ports of two families each, in two maps`)
    // From here on each at its own pace: some come while others go.
    await Promise.all(
      pods.map(async (pod) => {
        await pod.del()
        await pod.add()
        await pod.del()
      }),
    )
    t.same(objects(), [], `round ${round}: nothing is left in nftables`)
    t.same(
      filesBelow(bridge.stateDir).filter((name) => name !== 'lock'),
      [],
      `round ${round}: nor a record`,
    )
    t.same(host.ip('link', 'show', 'type', 'veth'), [], `round ${round}: nor a link`)
  }
  t.same(failures, [], 'no call fails')
})
