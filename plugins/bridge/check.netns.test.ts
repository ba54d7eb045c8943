import { closeSync, openSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Attachment, call, type Json } from '../../lib/testing/cni.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { network } from '../../lib/testing/pod-network.js'

const skip = needs('root')

t.test('CHECK takes every path of the container for the container, and no other', { skip }, async (t) => {
  const host = Netns.create(t, 'node')
  const container = Netns.create(t, 'pod', { loopback: false })
  const other = Netns.create(t, 'other', { loopback: false })
  const list = network(t)
  const one = new Attachment(host, list, container)
  one.add()
  const loopback = { cniVersion: '1.1.0', name: 'lo', type: 'loopback' }
  const lo = new Attachment(host, loopback, container)
  lo.add()

  const directory = t.testdir({})
  const link = join(directory, 'link')
  symlinkSync(container.path, link)
  const mounted = join(directory, 'mounted')
  closeSync(openSync(mounted, 'w'))
  const process = container.start(['sleep', '60'])

  const { status } = host.try(['mount', '--bind', container.path, mounted])
  t.equal(status, 0)
  t.teardown(() => host.try(['umount', mounted]))

  const check = (netns: string, config: Json, prevResult: Json) =>
    call({ command: 'CHECK', host, netns, config: { ...config, prevResult } })
  for (const path of [container.path, link, mounted, `/proc/${process.pid}/ns/net`]) {
    t.equal(check(path, list, one.result).stdout, '', `bridge: ${path}`)
    t.equal(check(path, loopback, lo.result).stdout, '', `loopback: ${path}`)
  }
  container.run('ip', 'link', 'set', 'lo', 'down')
  t.match(check(link, loopback, lo.result).json, { code: 100, details: /lo lacks ::1/ })
  t.match(check(other.path, list, one.result).json, { code: 100, details: /prevResult has no interface eth0 in/ })
  const gone = {
    ...one.result,
    interfaces: one.result.interfaces.map((entry: Json) => ({
      ...entry,
      ...(entry.sandbox ? { sandbox: '/run/netns/none' } : {}),
    })),
  }
  t.match(check(container.path, list, gone).json, { code: 100 }, 'a path of nothing is no path of the container')
})
