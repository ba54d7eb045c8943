import t from 'tap'
import { networkKey } from './network-key.js'

t.test('the first separator says what dots and slashes are', async (t) => {
  t.equal(networkKey('net.ipv4.conf.IFNAME.arp_notify', 'eth0'), 'net/ipv4/conf/eth0/arp_notify')
  t.equal(networkKey('net/ipv4/conf/IFNAME/arp_notify', 'eth0.100'), 'net/ipv4/conf/eth0.100/arp_notify')
  t.equal(networkKey('net.ipv4.conf.IFNAME.arp_notify', 'eth0.100'), 'net/ipv4/conf/eth0.100/arp_notify')
  t.equal(networkKey('net.ipv4.conf.eth0/100.arp_notify', 'x'), 'net/ipv4/conf/eth0.100/arp_notify')
  t.equal(networkKey('net/ipv4/conf/eth0.100/arp_notify', 'x'), 'net/ipv4/conf/eth0.100/arp_notify')
  t.equal(networkKey('net.IFNAME.IFNAME', '$&'), 'net/$&/IFNAME', 'the first alone, as it is')
})

t.test('what is not below net is none', async (t) => {
  const elsewhere = ['kernel.hostname', 'net', 'net.', 'net..core', '.net.core', '/net/core', 'net/../kernel/hostname']
  const tricks = ['net.//.kernel', 'net/./x', 'net.ipv4.', 'NET.core.x', '', 'net/a\0b', 'net.conf.IFNAME']
  for (const key of [...elsewhere, ...tricks]) t.equal(networkKey(key, '..'), undefined, JSON.stringify(key))
})
