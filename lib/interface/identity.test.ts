import t from 'tap'
import { hostLinkName, keyInAlias } from '../attachment/link-identity.js'
import { hostLinkAlias, hostLinkMac, readAlias } from './identity.js'

const KEY = '26026bd18b7cde68'

t.test('hostLinkName() follows from the key, then from its other half', async (t) => {
  t.equal(hostLinkName(KEY), 'veth26026bd1')
  t.equal(hostLinkName(KEY, 1), 'veth8b7cde68')
})

t.test('hostLinkMac() is unicast, local, and above what a bridge would take', async (t) => {
  t.equal(hostLinkMac(KEY), 'fe:26:02:6b:d1:8b')
})

t.test('readAlias() reads what hostLinkAlias() wrote, and nothing else', async (t) => {
  t.same(readAlias(`${KEY} net/c1 eth0 web/front`), { key: KEY, network: 'net', containerId: 'c1', ifName: 'eth0' })
  t.same(readAlias(`${KEY} net/c1 eth0`)?.ifName, 'eth0')
  for (const other of [
    undefined,
    '',
    'uplink of rack 3',
    `${KEY}`,
    `${KEY} net/c1`,
    `${KEY.toUpperCase()} net/c1 eth0`,
  ]) {
    t.equal(readAlias(other), undefined, other ?? 'none')
  }
})

t.test('keyInAlias() needs no more than the key', async (t) => {
  t.equal(keyInAlias(`${KEY} cut`), KEY)
  t.equal(keyInAlias('0123456789abcdeg x'), undefined)
})

t.test('an alias is visible ASCII, and the interface is read back from it as it was', async (t) => {
  for (const ifName of ['eth0', 'eth0.100', 'ü\u202e\x7f', 'a"b', '網路']) {
    const alias = hostLinkAlias(KEY, 'net', 'c1', ifName, new Map([['K8S_POD_NAME', 'web\u202e\x1b']]))
    t.match(alias, /^[ -~]+$/)
    t.equal(readAlias(alias)?.ifName, ifName)
  }
  t.equal(readAlias(`${KEY} net/c1 %e7%b6`), undefined, 'what was cut within an escape is nothing')
})
