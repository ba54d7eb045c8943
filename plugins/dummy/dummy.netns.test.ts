/** dummy, where the kernel has such links; elsewhere that its absence is said and leaves nothing. */

import t, { type Test } from 'tap'
import { Attachment, type Json } from '../../lib/testing/cni.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { filesBelow, network } from '../../lib/testing/pod-network.js'

const skip = needs('root')

function attachment(t: Test, config: Json = {}) {
  const host = Netns.create(t, 'node')
  const pod = Netns.create(t, 'pod', { loopback: false })
  const list = network(t, { config: { type: 'dummy', isDefaultGateway: undefined, ...config } })
  const has = host.try(['ip', 'link', 'add', 'd0', 'type', 'dummy']).status === 0
  return { host, pod, list, has, one: new Attachment(host, list, pod) }
}

t.test('ADD gives the container a dummy with the address, DEL removes that one alone', { skip }, async (t) => {
  const { pod, list, has, one } = attachment(t)
  if (!has) {
    t.match(one.tryAdd().json, { code: 105, msg: /failed to create dummy/, details: /modprobe dummy/ })
  } else {
    const { interfaces, ips } = one.add()
    t.match(interfaces, [{ name: 'eth0', sandbox: pod.path }])
    t.match(ips, [{ address: '10.1.2.2/24', interface: 0 }])
    t.match(pod.ip('addr', 'show', 'eth0'), [{ linkinfo: { info_kind: 'dummy' }, ifalias: /^[0-9a-f]{16} net\// }])
    pod.run('ip', 'link', 'add', 'mine', 'type', 'dummy')
    one.check()
    t.match(one.tryAdd().json, { code: 101 })
    one.del({ netns: '' })
    t.same(
      pod.ip('link', 'show', 'type', 'dummy').map(({ ifname }: Json) => ifname),
      ['mine'],
      'found by the record',
    )
  }
  t.same(filesBelow(list.stateDir), [], 'no record is left')
  t.same(
    filesBelow(list.ipam.dataDir).filter((name) => name.startsWith('10.')),
    [],
    'no lease is left',
  )
})
