/** Plugins that break what is about results: their shape, their conversion, what came before, and the routes. */

import { after, answer, type Mutant, reading, refuse, through, where } from './mutant.js'

/** What is done in the container after an ADD whose result has a text. */
function afterAdd(text: string, then: string): string {
  return after(`case $s$out in 0*'${text}'*) ${then} ;; esac`)
}

export const RESULTS: readonly Mutant[] = [
  {
    name: 'answers in another version than it was asked in',
    plugin: 'host-local',
    breaks: 'RES-01',
    also: { 'VER-05': 'wants the result in the version asked for, too' },
    version: '0.3.0',
    script: afterAdd('"cniVersion":"0.3.0"', `out='{"cniVersion":"0.3.1"'\${out#*0.3.0?}`),
  },
  {
    name: 'files the routes of an old result beside its addresses',
    plugin: 'host-local',
    breaks: 'RES-02',
    script: answer('/"ip4"/s/}$/,"routes":[]}/'),
  },
  {
    name: 'leaves the family out of old addresses',
    plugin: 'host-local',
    breaks: 'RES-03',
    version: '0.4.0',
    script: answer('/^{"cniVersion":"0[.][34]/s/"version":"[46]",*//g'),
  },
  {
    name: 'gives the family of new addresses',
    plugin: 'host-local',
    breaks: 'RES-04',
    script: answer('/^{"cniVersion":"1/s/{"address":/{"version":"4","address":/'),
  },
  {
    name: 'shows the MTU in old results',
    plugin: 'bridge',
    breaks: 'RES-05',
    version: '1.0.0',
    script: answer('/^{"cniVersion":"\\(0[.][34]\\|1[.]0\\)/s/"sandbox"/"mtu":1500,"sandbox"/'),
  },
  {
    name: 'lists a link that it has not made',
    plugin: 'loopback',
    breaks: 'RES-06',
    script: answer('s/}],"ips"/},{"name":"ghost0"}],"ips"/'),
  },
  {
    name: 'has the container’s namespace by its name',
    plugin: 'loopback',
    breaks: 'RES-07',
    also: { 'ENV-21': 'wants the path of the namespace as it was given, too' },
    version: '0.3.1',
    script: answer('/^{"cniVersion":"0.3.1"/s,"sandbox":"/run/netns/,"sandbox":",'),
  },
  {
    name: 'gives the gateway with a prefix length',
    plugin: 'host-local',
    breaks: 'RES-08',
    script: answer('s,"gateway":"10.77.0.1","gateway":"10.77.0.1/24",'),
  },
  {
    name: 'gives destinations without a prefix length',
    plugin: 'host-local',
    breaks: 'RES-09',
    version: '0.3.1',
    script: answer('/"cniVersion":"0.3.1"/s,"dst":"0.0.0.0/0","dst":"0.0.0.0",'),
  },
  {
    name: 'adds a member to dns',
    plugin: 'bridge',
    breaks: 'RES-10',
    script: answer('/"a.example"[]],"options":."x"/s/"dns":{"/"dns":{"ttl":7,"/'),
  },
  {
    name: 'invents an address where there is none',
    plugin: 'bridge',
    breaks: 'RES-11',
    script: after(
      `case $s$out in *'"ips"'*|*'"ip4"'*|*'"code"'*|1*) ;; *) out=\${out%?}',"ips":[{"address":"192.0.2.9/24"}]}' ;; esac`,
    ),
  },
  {
    name: 'turns the order of addresses',
    plugin: 'bridge',
    breaks: 'CNV-01',
    script: answer('/"ips":.*"10.88.0.9.24".*"fd00:88::9/s/"10[.]88[.]0[.]9.24"/"fd00:88::9\\/64"/'),
  },
  {
    name: 'mixes the oldest shape with lists',
    plugin: 'bridge',
    breaks: 'CNV-02',
    script: answer('/"10.88.0.9.24"/s/,"ip4"/,"ips":[],"ip4"/'),
  },
  {
    name: 'files a route of IPv4 under IPv6',
    plugin: 'bridge',
    breaks: 'CNV-03',
    script: answer('/"ip6"/s|"dst":"2001:db8::/64"|"dst":"192.0.2.0/24"|'),
  },
  {
    name: 'succeeds without an address where one is compulsory',
    plugin: 'bridge',
    breaks: 'CNV-04',
    script: where(
      '"cniVersion":"0.2.0"',
      `out=$(printf %s "$in" | good); s=$?
  case $s$in in 1*'"type":"suite-ipam"'*) echo '{"cniVersion":"0.2.0","dns":{}}'; exit 0 ;; esac
  printf '%s\\n' "$out"; exit $s`,
      'ADD',
    ),
  },
  {
    name: 'takes the family from the order of the addresses',
    plugin: 'bridge',
    breaks: 'CNV-05',
    script: answer('/"10.88.0.9.24"/s/"version":"6"/"version":"4"/'),
  },
  {
    name: 'drops an interface index of 0',
    plugin: 'portmap',
    breaks: 'CNV-06',
    script: answer('s/,"interface":0//g'),
  },
  {
    name: 'drops members that are 0',
    plugin: 'portmap',
    breaks: 'PRV-01',
    script: answer('s/,"table":0//g'),
  },
  {
    name: 'gives the host’s end another MAC in the result than in the kernel',
    plugin: 'portmap',
    breaks: 'PRV-02',
    script: where(
      '"portMappings":[{"hostPort":8080,',
      through('s/"mac":"02:00:00:68:00:01"/"mac":"02:00:00:00:00:01"/'),
      'ADD',
    ),
  },
  {
    name: 'loses a prevResult',
    plugin: 'bridge',
    breaks: 'PRV-03',
    script: where('"127.0.0.2/8"', `printf %s "$in" | sed 's/"prevResult":/"lost":/' | good; exit`, 'ADD'),
  },
  {
    name: 'wants a version in prevResult',
    plugin: 'portmap',
    breaks: 'PRV-05',
    script: where('"prevResult":{"interfaces":[{"name":"suite0"', refuse(6), 'ADD'),
  },
  {
    name: 'has a code of its own for a prevResult of an unknown version',
    plugin: 'portmap',
    breaks: 'PRV-06',
    script: where('"prevResult":{"cniVersion":"9.9.9"', refuse(999), 'ADD'),
  },
  {
    name: 'passes an index beyond the interfaces on',
    plugin: 'portmap',
    breaks: 'PRV-07',
    script: where(
      '"interfaces":[],"ips":[{"address":"10.88.0.2/24","interface":5}]',
      `printf %s "$in" | sed 's/"interface":5/"interface":0/;s/"interfaces":..,/"interfaces":[{"name":"x"}],/' | good; exit`,
      'ADD|CHECK',
    ),
  },
  {
    name: 'drops members it does not know',
    plugin: 'portmap',
    breaks: 'PRV-08',
    script: answer('s/,"org.example.strange":{"a":.1,null.}//g'),
  },
  {
    name: 'sorts the domains of dns',
    plugin: 'bridge',
    breaks: 'DNS-01',
    script: answer('s/"b.example","a.example"/"a.example","b.example"/'),
  },
  {
    name: 'leaves out an empty dns before 0.4.0',
    plugin: 'host-local',
    breaks: 'DNS-02',
    version: '0.3.1',
    script: answer('/^{"cniVersion":"0[.]3/s/,"dns":{}//'),
  },
  {
    name: 'has a code of its own for a bad nameserver',
    plugin: 'host-local',
    breaks: 'DNS-03',
    script: where('not an address', refuse(999), 'ADD'),
  },
  {
    name: 'shows an MTU that the link has not',
    plugin: 'loopback',
    breaks: 'IFC-01',
    script: answer('s/"mtu":65536/"mtu":1500/'),
  },
  {
    name: 'shows the path of a socket relative to its own directory',
    plugin: 'loopback',
    breaks: 'IFC-02',
    script: answer('/"cniVersion":"1.1.0"/s/"name":"lo"/"name":"lo","socketPath":"vhost.sock"/'),
  },
  {
    name: 'drops the socket of an earlier interface',
    plugin: 'portmap',
    breaks: 'IFC-03',
    script: answer('s/,"socketPath":"[^"]*"//'),
  },
  {
    name: 'has an empty MAC for a link without one',
    plugin: 'loopback',
    breaks: 'IFC-04',
    also: { 'RES-06': 'compares the MACs of the links, too' },
    script: answer('s/"mac":"00:00:00:00:00:00"/"mac":""/'),
  },
  {
    name: 'leaves out a route where there is no gateway',
    plugin: 'bridge',
    breaks: 'RTE-01',
    script: afterAdd('"routes":[{"dst":"10.99.0.0/16"}]', 'inside ip route del 10.99.0.0/16'),
  },
  {
    name: 'does not set the MTU of a route',
    plugin: 'bridge',
    breaks: 'RTE-02',
    script: afterAdd('"mtu":1400', 'inside ip route replace 10.99.0.0/16 via 10.88.0.1'),
  },
  {
    name: 'takes the priority of a route for a remark',
    plugin: 'bridge',
    breaks: 'RTE-03',
    script: afterAdd(
      '"priority":77',
      'inside ip route del 10.99.0.0/16; inside ip route add 10.99.0.0/16 via 10.88.0.1',
    ),
  },
  {
    name: 'sets a route with a table in the main table, too',
    plugin: 'bridge',
    breaks: 'RTE-04',
    script: afterAdd('"table":99', 'inside ip route add 10.99.0.0/16 via 10.88.0.1'),
  },
  {
    name: 'gives a route of link scope a gateway',
    plugin: 'bridge',
    breaks: 'RTE-05',
    script: afterAdd('"scope":253', 'inside ip route replace 10.98.0.0/16 via 10.88.0.1'),
  },
  {
    name: 'leaves a link where the next hop cannot be reached',
    plugin: 'bridge',
    breaks: 'RTE-06',
    script: after(`case $s$out in 1*'192.0.2.1'*) ip link add litter0 type bridge 2>/dev/null ;; esac`),
  },
  {
    name: 'takes the default route over',
    plugin: 'bridge',
    breaks: 'RTE-07',
    script: afterAdd('"10.89.0.1"', 'inside ip route del default via 10.88.0.1'),
  },
  {
    name: 'gives back the prefix of a destination with host bits',
    plugin: 'bridge',
    breaks: 'RTE-08',
    script: answer('s,fd99:0:0:1::1/48,fd99::/48,'),
  },
  {
    name: 'checks against the interfaces of prevResult alone',
    plugin: 'portmap',
    breaks: 'PRV-09',
    script: reading('CHECK', `  case $in in *'"interfaces":'*) ;; *) ${refuse(7)} ;; esac`),
  },
  {
    name: 'limits the link that prevResult lists, whoever has it',
    plugin: 'bandwidth',
    breaks: 'PRV-10',
    script: after(`case $s$out in 1*) inside ip link show "$CNI_IFNAME" >/dev/null 2>&1 ||
    tc qdisc replace dev suite-h1 root tbf rate 7mbit burst 10k latency 1ms 2>/dev/null ;; esac`),
  },
]
