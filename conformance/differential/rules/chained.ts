/** Of portmap, bandwidth and firewall behind bridge. */

import { all, any, having, not, of, onlyOursSucceeds, outcome, type Rule, refuses, succeeds, where } from './rule.js'

const IS_ALONE = not(having('chain', 'behind bridge'))

export const CHAINED: readonly Rule[] = [
  {
    name: 'a container calls its own host port',
    reason:
      'where bridge-nf-call-iptables is 1 the answer needs the port’s hairpin mode, which the reference leaves off',
    covers: all(
      of('portmap'),
      any(
        where(/^(ADD|DEL) host link veth\d*\.linkinfo\.info_slave_data\.hairpin$/, /^true$/, /^false$/),
        where(/^PROBE packet, port \d+ from the container/, /^sees /, /^nothing$/),
      ),
    ),
  },
  {
    name: 'route_localnet is on only as long as it is needed',
    reason: 'it lets 127/8 in from the link; the reference never turns it off, and on for IPv6 as well',
    covers: all(of('portmap'), where(/^(ADD|DEL) host sysctl net\/ipv4\/conf\/BRIDGE\/route_localnet$/, /^0$/, /^1$/)),
  },
  {
    name: 'masqAll counts with nftables, too',
    reason: 'the reference’s nftables backend does not know it',
    covers: all(
      of('portmap'),
      having('chained.masqAll', 'true'),
      having('backend', 'nftables', 'conditions of nftables'),
      where(/^PROBE packet, /, /^sees (10\.1\.0\.1|fd01::1)$/, /^sees /),
    ),
  },
  succeeds(
    'an empty backend is none',
    'as it is for ipMasqBackend of both',
    all(of('portmap'), having('backend', 'empty')),
  ),
  succeeds(
    'conditions of iptables are understood by nftables',
    'there is one backend, and it reads both ways of writing',
    having('backend', 'conditions of the other backend'),
  ),
  succeeds(
    'protocols in capitals, and twice the same mapping',
    'one meaning; the reference hands both on to programs that refuse them',
    having('portMappings', 'capitals', 'the same twice', 'SCTP'),
  ),
  refuses(
    'a host port leads to one port',
    'the reference has two rules, of which the second is never met',
    having('portMappings', 'one host port to two ports'),
  ),
  refuses(
    'an address of the host is an address',
    'the reference leaves the mapping out, or takes it for another, without a word',
    having('portMappings', 'address that is none', 'address with length'),
  ),
  refuses(
    'a port has 16 bits, and a mapping a protocol',
    'the reference hands it on to iptables or nft',
    having('portMappings', 'port beyond', 'container port beyond', 'no protocol', 'empty protocol', 'unknown protocol'),
  ),
  refuses('there are no chains of iptables', 'flatnet speaks nftables', having('backend', 'a chain that marks')),
  {
    name: 'no panic',
    reason: 'without a previous result the reference’s bandwidth ends with a stack trace and says nothing',
    covers: all(
      of('bandwidth'),
      IS_ALONE,
      any(
        where(/ status$/, /^[01]$/, /^2$/),
        where(/ error code$/, /^7$/, null),
        outcome(null, null),
        where(/ output$/),
      ),
    ),
  },
  {
    name: 'CHECK without a plugin before is a check, too',
    reason: 'nothing is asked for, so nothing can be missing',
    covers: all(IS_ALONE, onlyOursSucceeds('CHECK')),
  },
  {
    name: 'the ifb has a queue, and no address',
    reason: 'as the kernel makes one; the reference sets a length of 0, and gives it a link-local address',
    covers: all(
      of('bandwidth'),
      any(
        where(/^(ADD|DEL) host link bwp\.(txqlen|inet6_addr_gen_mode|ifalias)$/),
        where(/^(ADD|DEL) host (address|route) .*bwp/, null, /./),
      ),
    ),
  },
  {
    name: 'a packet is redirected once',
    reason: 'the library of the reference sends the same action twice',
    covers: all(of('bandwidth'), where(/^(ADD|DEL) host filter \d+\.options\.actions/)),
  },
  succeeds(
    'every plugin speaks every version',
    'the reference’s bandwidth begins at 0.3.0, its firewall at 0.4.0',
    any(
      all(of('bandwidth'), having('cniVersion', '0.1.0', '0.2.0', 'unset', '""', 'null')),
      all(of('firewall'), having('cniVersion', '0.1.0', '0.2.0', '0.3.0', '0.3.1', 'unset', '""', 'null')),
    ),
  ),
  {
    name: 'DEL in every version',
    reason: 'the reference’s bandwidth begins at 0.3.0, its firewall at 0.4.0',
    covers: all(of('bandwidth', 'firewall'), any(onlyOursSucceeds('DEL'), where(/ error code$/, undefined, /^1$/))),
  },
  succeeds(
    'a rate without a burst has one',
    'and a burst that is no burst, or smaller than a frame, is the default; the reference refuses or stalls',
    any(
      having('ingress', '8000000 null', '8000000 0', '8000000 2147483647', '18446744073709551615 16000'),
      having('egress', '8000000 null', '8000000 0', '8000000 2147483647', '18446744073709551615 16000'),
    ),
  ),
  {
    name: 'a burst is a frame at least',
    reason: 'a bucket that holds less than a frame passes none',
    covers: all(
      of('bandwidth'),
      any(
        having('ingress', '8000000 8', '8000000 2147483647', '1000000000 12000', '8 16000'),
        having('egress', '8000000 8', '8000000 2147483647', '1000000000 12000', '8 16000'),
      ),
      where(/^(ADD|DEL) host qdisc .*\.options\.(burst|lat|limit)/),
    ),
  },
  {
    name: 'a burst at 40 Gbit/s is rounded once',
    reason: 'the kernel counts bursts in ticks of 64 ns; the reference rounds to microseconds before',
    covers: all(
      any(having('ingress', '40000000000 8388608'), having('egress', '40000000000 8388608')),
      where(/^(ADD|DEL) host qdisc .*\.options\.(burst|lat)/),
    ),
  },
  {
    name: 'CHECK names a rate that lets next to nothing pass',
    reason: 'it is a mistake of the unit, and the container is cut off; the reference compares with the kernel alone',
    covers: all(
      of('bandwidth'),
      ({ key }) => key.startsWith('CHECK '),
      outcome(/^1$/, null),
      ({ call, seen }) => /practically cut off/.test(seen.ours.get(`${call} words`) ?? ''),
    ),
  },
  {
    name: 'the port is isolated, too',
    reason: 'frames between two ports of a bridge pass no packet filter where bridge-nf-call-iptables is 0',
    covers: all(
      of('firewall'),
      having('chained.ingressPolicy', '"isolated"'),
      where(/^(ADD|DEL) host link veth\d*\.linkinfo\.info_slave_data\.isolated$/, /^true$/, /^false$/),
    ),
  },
]
