/** Results of interface plugins that leave something out, or name it otherwise: host ports lead to their containers too. */

import t from 'tap'
import { chained } from '../testing/chained.js'
import { call, type Json } from '../testing/cni.js'
import { needs } from '../testing/netns.js'
import { ask, serve } from '../testing/peer.js'

const skip = needs('root')

const SHAPES: Readonly<Record<string, (entry: Json) => Json>> = {
  'without a sandbox': ({ sandbox: _, ...entry }) => entry,
  'with another name': (entry) => (entry.sandbox === undefined ? entry : { ...entry, name: 'net7' }),
}

t.test('a host port leads to the container of any result', { skip }, async (t) => {
  const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }]
  const { host, container, add, del } = chained(t, { type: 'portmap', runtimeConfig: { portMappings } })
  await serve(container, 'pod', 80)
  const { prevResult } = add.config
  for (const [what, shape] of Object.entries(SHAPES)) {
    const config = { ...add.config, prevResult: { ...prevResult, interfaces: prevResult.interfaces.map(shape) } }
    const added = call({ ...add, host, config })
    t.equal(added.status, 0, added.stdout)
    t.equal(added.stderr, '', what)
    for (const address of ['192.0.2.1', '2001:db8::1']) t.match(ask(host, address, 8080), /^pod sees/, what)
    t.equal(call({ ...add, host, config, command: 'CHECK' }).status, 0, what)
    t.equal(call({ ...del, host, config }).status, 0)
  }
})

t.test('where no address of the result is the container’s, ADD says that no host port leads there', { skip }, (t) => {
  const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }]
  const { host, add } = chained(t, { type: 'portmap', runtimeConfig: { portMappings } })
  const config = { ...add.config, prevResult: { ...add.config.prevResult, ips: [] } }
  const added = call({ ...add, host, config })
  t.equal(added.status, 0, added.stdout)
  t.match(added.stderr, /no host port leads to this container: prevResult has no address/)
  t.end()
})
