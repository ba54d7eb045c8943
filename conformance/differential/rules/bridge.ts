/** Of bridge. */

import {
  after,
  all,
  any,
  having,
  of,
  onlyOursSucceeds,
  type Rule,
  refuses,
  refusesWith,
  succeeds,
  where,
} from './rule.js'

export const BRIDGE: readonly Rule[] = [
  {
    name: 'a bridge of somebody else takes router advertisements as before',
    reason: 'it may be the uplink, whose own address comes from them',
    covers: all(
      having(
        'before',
        'a bridge that is up',
        'a bridge that is down',
        'a bridge with its address',
        'a bridge with another address',
        'a bridge with an IPv6 network of its own',
      ),
      where(/^(ADD|DEL) host sysctl net\/ipv6\/conf\/BRIDGE\/accept_ra$/, /^1$/, /^0$/),
    ),
  },
  {
    name: 'a port hears no router advertisements anyway',
    reason: 'frames that come in by it are the bridge’s; the reference turns them off',
    covers: where(/^(ADD|DEL) host sysctl net\/ipv6\/conf\/veth\d*\/accept_ra$/, /^1$/, /^0$/),
  },
  {
    name: 'a previous result is kept',
    reason: 'another interface plugin ran before; the reference drops what it made',
    covers: all(of('bridge'), having('prevResult', 'of another plugin'), where(/^ADD result\.(interfaces|ips|routes)/)),
  },
  {
    name: 'another attachment’s default route stays in use',
    reason: 'a newer one goes behind it; in the reference the newest attachment takes all traffic',
    covers: all(having('before', 'a default route in the container'), where(/^PROBE packet, masquerade/, /^nothing$/)),
  },
  {
    name: 'an IPv4 route with host bits is code 7',
    reason: 'it is the configuration that is wrong; the reference says 999, from the kernel',
    covers: all(of('bridge'), having('routes', 'host bits'), where(/^ADD error code$/, /^7$/, /^999$/)),
  },
  {
    name: 'DEL goes on with two addresses of a family',
    reason: 'the reference’s DEL fails: iptables does not delete a chain that the second rule still uses',
    covers: all(
      having('ipMasq', 'true', 'iptables'),
      any(
        having('addresses', 'two IPv4 sets', 'two IPv6 sets', 'one subnet in two sets', 'three sets'),
        having('runtime.ipRanges', 'IPv4', 'IPv6'),
      ),
      onlyOursSucceeds('DEL'),
    ),
  },
  {
    name: 'results before 1.1.0 have no members of 1.1.0',
    reason: 'routes had dst and gw only; the kernel has them with all that was asked for',
    covers: where(/^ADD result\.routes\.\d\.(mtu|advmss|priority|table|scope)$/, null, /./),
  },
  {
    name: 'routes have their MTU and MSS',
    reason: 'the reference ignores them',
    covers: all(having('routes', 'MTU and MSS'), where(/^ADD container route .*\.metrics/, /./, null)),
  },
  {
    name: 'CHECK succeeds at layer 2',
    reason: 'the reference asks an IPAM plugin without a name, and always fails',
    covers: all(having('addresses', 'layer 2'), onlyOursSucceeds('CHECK')),
  },
  {
    name: 'CHECK names keys that have no effect',
    reason: 'there is no gateway without IPAM; the reference’s CHECK fails there for another reason, with 999',
    covers: all(where(/^CHECK error code$/, /^100$/, /^999$/), ({ call, seen }) =>
      /has no effect without "ipam"/.test(seen.ours.get(`${call} words`) ?? ''),
    ),
  },
  {
    name: 'a MAC that another container on the bridge has is refused',
    reason: 'both would get each other’s frames; the reference gives it to both',
    covers: all(after('OTHER', 'OTHERDEL'), ({ seen }) =>
      /MAC address \S+ is already in use/.test(seen.ours.get('OTHER words') ?? ''),
    ),
  },
  {
    name: 'CHECK finds routes in tables of their own',
    reason: 'the reference looks into the main table only, and always fails',
    covers: all(having('routes', 'table'), onlyOursSucceeds('CHECK')),
  },
  {
    name: 'an attachment that is there is code 101',
    reason: 'the reference says 999 for everything',
    covers: all(of('bridge', 'portmap', 'bandwidth', 'firewall'), where(/^ADD error code$/, /^101$/, /^999$/)),
  },
  succeeds(
    'two gateways of one family',
    'each range has its own; the reference wants forceAddress, and then the last one wins',
    any(having('addresses', 'two IPv4 sets'), having('runtime.ipRanges', 'IPv4')),
  ),
  {
    name: 'two gateways of one family stay',
    reason: 'forceAddress is for addresses of others; in the reference the last gateway removes the first',
    covers: all(
      having('main.forceAddress', 'true'),
      any(having('addresses', 'two IPv4 sets'), having('runtime.ipRanges', 'IPv4')),
      where(/^(ADD|DEL) host (address|route) .*(BRIDGE|10\.1\.0)/, /there/, null),
    ),
  },
  refuses(
    'a route’s numbers are numbers of the kernel',
    'the reference hands on what fits in no 32 bits, and the kernel does something else',
    having('routes', 'negative priority', 'table beyond 32 bits', 'scope beyond 8 bits'),
  ),
  refusesWith(
    6,
    'a previous result is read',
    'bridge extends it; the reference does not look at it',
    all(
      of('bridge'),
      having(
        'prevResult',
        '"x"',
        '{"ips":"x"}',
        '{"interfaces":[{"name":5}]}',
        '{"cniVersion":"9.9.9"}',
        '{"ips":[{"version":"4","address":"10.66.0.9"}]}',
        '{"routes":[{"dst":"nowhere"}]}',
      ),
    ),
  ),
  succeeds(
    'a route of link scope has no next hop',
    'the reference gives it the gateway of the address, which the kernel refuses',
    having('routes', 'scope link'),
  ),
  succeeds(
    'a default route without next hop is one',
    'the reference does not see it, adds its own, and fails at the second',
    having('routes', 'default without next hop'),
  ),
  refuses(
    'an entry of a trunk names VLANs',
    'the reference passes over an empty one',
    having('main.vlanTrunk', '[{}]'),
  ),
  refuses('an MTU is not negative', 'the reference takes it for the default', having('main.mtu', '-1')),
  succeeds('JSON has one kind of number', '1500.0 and 1e3 are 1500 and 1000', having('main.mtu', '1500.0', '1e3')),
]
