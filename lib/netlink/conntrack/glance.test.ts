/** Lines as `cat /proc/net/nf_conntrack` shows them on Linux 6.18. */

import t from 'tap'
import { mentions } from './glance.js'

const UDP = 17
const TCP = 6
const SCTP = 132
const TEXT = `ipv4     2 udp      17 29 src=192.0.2.1 dst=192.0.2.1 sport=51613 dport=53 [UNREPLIED] src=192.0.2.1 dst=192.0.2.1 sport=53 dport=51613 mark=0 zone=0 use=2
ipv6     10 udp      17 29 src=2001:0db8:0000:0000:0000:0000:0000:0001 dst=2001:0db8:0000:0000:0000:0000:0000:0001 sport=38508 dport=5353 [UNREPLIED] src=2001:0db8:0000:0000:0000:0000:0000:0001 dst=2001:0db8:0000:0000:0000:0000:0000:0001 sport=5353 dport=38508 mark=0 zone=0 use=2
ipv4     2 tcp      6 431999 ESTABLISHED src=192.0.2.1 dst=192.0.2.9 sport=40000 dport=443 src=192.0.2.9 dst=192.0.2.1 sport=443 dport=40000 [ASSURED] mark=0 zone=0 use=2
`

t.test('mentions() finds a line by family, protocol and port', async (t) => {
  t.ok(mentions(TEXT, 4, UDP, 53))
  t.ok(mentions(TEXT, 6, UDP, 5353))
  t.ok(mentions(TEXT, 4, TCP, 443))
  t.ok(mentions(TEXT, 4, UDP, 51613), 'of the reply, too')
})

t.test('mentions() passes by other families, protocols and ports', async (t) => {
  t.notOk(mentions(TEXT, 6, UDP, 53))
  t.notOk(mentions(TEXT, 4, TCP, 53))
  t.notOk(mentions(TEXT, 4, SCTP, 53))
  t.notOk(mentions(TEXT, 4, UDP, 5))
  t.notOk(mentions(TEXT, 4, UDP, 5353))
  t.notOk(mentions('', 4, UDP, 53))
})
