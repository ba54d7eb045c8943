import t from 'tap'
import { validAttachments } from './attachments.js'
import { keeps } from './request.js'

const KEY = 'cni.dev/valid-attachments'

t.test('validAttachments() takes null and [] as "everything is stale", absence as "unknown"', async (t) => {
  t.same(validAttachments({ [KEY]: null }), [])
  t.same(validAttachments({ [KEY]: [] }), [])
  t.equal(validAttachments({}), undefined)
})

t.test('validAttachments() falls back to the former key; the current one wins', async (t) => {
  const a = { containerID: 'a', ifname: 'eth0' }
  const b = { containerID: 'b', ifname: 'eth0' }
  t.same(validAttachments({ 'cni.dev/attachments': [a] }), [{ containerId: 'a', ifName: 'eth0' }])
  t.same(validAttachments({ 'cni.dev/attachments': [a], [KEY]: [b] }), [{ containerId: 'b', ifName: 'eth0' }])
})

t.test('validAttachments() refuses a malformed list', async (t) => {
  for (const list of [
    'x',
    {},
    [{}],
    [{ containerID: 'a' }],
    [{ ifname: 'eth0' }],
    [{ containerID: 1, ifname: 'eth0' }],
    [null],
  ]) {
    t.throws(() => validAttachments({ [KEY]: list }), { code: 7 }, JSON.stringify(list))
  }
})

t.test('keeps() matches exact pairs only', async (t) => {
  const keep = keeps([{ containerId: 'c1', ifName: 'eth0' }])
  t.ok(keep({ containerId: 'c1', ifName: 'eth0' }))
  t.notOk(keep({ containerId: 'c1', ifName: 'eth1' }))
  t.notOk(keep({ containerId: 'c10', ifName: 'eth0' }))
})
