/** Of host-local, alone and below bridge. */

import { after, all, having, not, of, type Rule, refuses, refusesWith, succeeds, where } from './rule.js'

export const ADDRESSES: readonly Rule[] = [
  refuses(
    'dataDir is an absolute path',
    'it would depend on where the runtime was started',
    having('dataDir', '"relative"'),
  ),
  refuses('a gateway is of its range’s family', 'a route by it could not be', having('gateway', 'of the other family')),
  refuses(
    'rangeStart is not behind the default rangeEnd',
    'the reference turns the range around, and gives addresses away that nobody configured',
    having('rangeEnd', 'rangeStart behind the default end'),
  ),
  succeeds(
    'an IPv4 subnet that is written as IPv6 is one',
    'the reference cannot compare it with itself',
    having('addresses', 'subnet ::ffff:10.1.0.0/120'),
  ),
  succeeds(
    'args.cni.ips count more than CNI_ARGS',
    'as the conventions have it; the reference adds them up, and refuses two addresses of one set',
    having('requested addresses', 'args and CNI_ARGS'),
  ),
  succeeds(
    'who holds a lease keeps it',
    'an ADD after a crash finds its own lease; the reference refuses it until DEL',
    having('store', 'ours already', 'ours already, old form'),
  ),
  refusesWith(
    101,
    'one lease a set',
    'another address is asked for than the attachment has; the reference gives it a second one of the same set',
    all(
      having('store', 'ours already', 'ours already, old form'),
      not(having('requested addresses', 'unset', '[]', 'none', 'null')),
    ),
  ),
  succeeds(
    'host-local does nothing in a namespace',
    'so it may be any; the reference stores a lease, prints the result, and fails afterwards',
    all(of('host-local'), having('CNI_NETNS', '"/proc/self/ns/net"')),
  ),
  {
    name: 'an address that cannot be had is code 103',
    reason: 'the reference says 999 for everything',
    covers: all(
      not(having('requested addresses', 'unset', '[]', 'none', 'null')),
      where(/^ADD error code$/, /^103$/, /^999$/),
    ),
  },
  {
    name: 'an address that another container has is code 103',
    reason: 'the reference says 999 for everything',
    covers: all(after('OTHER'), where(/^ADD error code$/, /^103$/, /^999$/)),
  },
  {
    name: 'a range without another address is code 102',
    reason: 'the reference says 999 for everything',
    covers: all(
      after('OTHER'),
      having('addresses', 'a small subnet', 'a small IPv6 subnet'),
      where(/^ADD error code$/, /^102$/, /^999$/),
    ),
  },
  {
    name: 'a damaged lease is not one',
    reason: 'an empty file is of a call that was killed; in the reference the address is lost for good',
    covers: all(
      having('store', 'a damaged lease'),
      where(/ lease | result\.ips| container (address|route) | neighbour /),
    ),
  },
]
