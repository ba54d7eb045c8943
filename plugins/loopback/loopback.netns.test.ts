import t, { type Test } from 'tap'
import { Attachment, type Json } from '../../lib/testing/cni.js'
import { Netns, needs } from '../../lib/testing/netns.js'

const skip = needs('root')

function topology(t: Test, cniVersion = '1.1.0') {
  const host = Netns.create(t, 'node')
  const container = Netns.create(t, 'pod', { loopback: false })
  const list: Json = { cniVersion, name: 'lo', type: 'loopback' }
  return { host, container, attachment: new Attachment(host, list, container, { ifName: 'lo', args: 'none' }) }
}

function isUp(netns: Netns): boolean {
  return netns.ip('link', 'show', 'lo')[0].flags.includes('UP')
}

for (const version of ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']) {
  t.test(`${version}: ADD brings lo up, twice if asked; DEL takes it down, twice`, { skip }, async (t) => {
    const { container, attachment } = topology(t, version)
    const result = attachment.add()
    const addresses = version < '0.3.0' ? [result.ip4.ip, result.ip6.ip] : result.ips.map((ip: Json) => ip.address)
    t.same(addresses, ['127.0.0.1/8', '::1/128'])
    t.ok(isUp(container))
    attachment.add()
    if (version >= '0.4.0') attachment.check()
    attachment.del()
    attachment.del()
    t.notOk(isUp(container))
    attachment.del({ netns: '' })
    attachment.del({ netns: '/run/netns/no-such-thing' })
  })
}

t.test('a service address on lo is refused before anything is changed', { skip }, async (t) => {
  const { container, attachment } = topology(t)
  container.run('ip', 'addr', 'add', '10.9.9.9/32', 'dev', 'lo')
  t.match(attachment.tryAdd().json, { code: 101, msg: /non-loopback address "10.9.9.9"/ })
  t.notOk(isUp(container))
})

t.test('a previous result passes through', { skip }, async (t) => {
  const { host, container } = topology(t)
  const prevResult = { cniVersion: '1.1.0', interfaces: [{ name: 'eth0', sandbox: container.path }], x: 1 }
  const config = { cniVersion: '1.1.0', name: 'lo', type: 'loopback', prevResult }
  t.same(new Attachment(host, config, container).add(), prevResult)
})

t.test('CHECK says what lo lacks', { skip }, async (t) => {
  const { container, attachment } = topology(t)
  attachment.add()
  container.run('ip', 'addr', 'del', '127.0.0.1/8', 'dev', 'lo')
  t.match(attachment.tryCheck().json, { code: 100, details: 'lo lacks 127.0.0.1/8' })
  container.run('ip', 'link', 'set', 'lo', 'down')
  t.match(attachment.tryCheck().json, { code: 100, details: /lo is down/ })
})

t.test("the host's own namespace is refused, and left alone on DEL", { skip }, async (t) => {
  const { host } = topology(t)
  const attachment = new Attachment(host, { cniVersion: '1.1.0', name: 'lo', type: 'loopback' }, host, { ifName: 'lo' })
  t.match(attachment.tryAdd().json, { code: 4, msg: /failed to open netns/ })
  attachment.del()
  t.ok(isUp(host))
  const overridden = { ifName: 'lo', env: { CNI_NETNS_OVERRIDE: 'True' } }
  new Attachment(host, { cniVersion: '1.1.0', name: 'lo', type: 'loopback' }, host, overridden).add()
})
