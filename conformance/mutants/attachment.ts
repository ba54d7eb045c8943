/** Plugins that break what is about ADD, DEL and CHECK. */

import { after, failure, input, LITTER, type Mutant, reading, refuse, where } from './mutant.js'

/** Takes from an interface of the container every address but the first of each family. */
const FIRST_ADDRESSES = `for f in 4 6; do
    inside ip -o -$f addr show dev "$CNI_IFNAME" scope global | sed 1d | while read n l w a rest; do
      inside ip addr del "$a" dev "$CNI_IFNAME"
    done
  done`

export const ATTACHMENT: readonly Mutant[] = [
  {
    name: 'leaves the link down before 0.3.0',
    plugin: 'bridge',
    breaks: 'ADD-01',
    script: after(`case $out in *'"ip4"'*) inside ip link set "$CNI_IFNAME" down ;; esac`),
  },
  {
    name: 'removes a link of its name that is a veth within the container',
    plugin: 'bridge',
    breaks: 'ADD-02',
    script: `[ "$CNI_COMMAND" != ADD ] || ! inside ip -o link show type veth 2>/dev/null | grep -q "@$CNI_IFNAME:" ||
  inside ip link del "$CNI_IFNAME"`,
  },
  {
    name: 'answers a second ADD by another attachment',
    plugin: 'bridge',
    breaks: 'ADD-03',
    script: reading(
      'ADD',
      `  if inside ip -o link show dev "$CNI_IFNAME" type veth 2>/dev/null | grep -q '@if'; then
    printf %s "$in" | CNI_COMMAND=DEL good >/dev/null
  fi`,
    ),
  },
  {
    name: 'sets one address of each family',
    plugin: 'bridge',
    breaks: 'ADD-04',
    script: after(`[ $s -ne 0 ] || { ${FIRST_ADDRESSES}; }`),
  },
  {
    name: 'sets no routes of IPv6 before 0.3.0',
    plugin: 'bridge',
    breaks: 'ADD-05',
    script: after(`case $out in *'"ip6"'*) inside ip -6 route show | grep '^fd99' | while read d rest; do
    inside ip -6 route del "$d"
  done ;; esac`),
  },
  {
    name: 'has a wrong neighbour in the gateway’s place',
    plugin: 'bridge',
    breaks: 'ADD-06',
    also: {
      'ADD-03': 'asks whether the first attachment still has its gateway',
      'ADD-07': 'asks whether the other interface still has its gateway',
    },
    script: after(`case $out in *'"10.88.0.1"'*)
    inside ip neigh replace 10.88.0.1 lladdr 02:de:ad:00:00:01 nud permanent dev "$CNI_IFNAME"
  esac`),
  },
  {
    name: 'deletes every link of the container',
    plugin: 'bridge',
    breaks: 'ADD-07',
    script: `if [ "$CNI_COMMAND" = DEL ] && inside ip link show dev "$CNI_IFNAME" >/dev/null 2>&1; then
  for l in $(inside ip -o link show type veth | sed 's/^[0-9]*: \\([^:@]*\\).*/\\1/' | grep -vx "$CNI_IFNAME"); do
    inside ip link del "$l"
  done
fi`,
  },
  {
    name: 'files two networks under one name',
    plugin: 'host-local',
    breaks: 'ADD-08',
    script: input('s/"name":"other"/"name":"suite"/'),
  },
  {
    name: 'leaves a link after a bad MAC, which DEL does not know',
    plugin: 'bridge',
    breaks: 'ADD-10',
    also: { 'ADD-11': 'wants ADD to take away what DEL has to' },
    script: where('"mac":"zz:zz"', LITTER, 'ADD'),
  },
  {
    name: 'leaves a link after a bad MAC until DEL',
    plugin: 'bridge',
    breaks: 'ADD-11',
    script: `[ "$CNI_COMMAND" != DEL ] || ip link del litter0 2>/dev/null
${where('"mac":"zz:zz"', LITTER, 'ADD')}`,
  },
  {
    name: 'maps no ports at 0.2.0',
    plugin: 'portmap',
    breaks: 'ADD-12',
    script: where(
      '"cniVersion":"0.2.0"',
      `printf %s "$in" | sed 's/"portMappings":.{[^]]*]/"portMappings":[]/' | good; exit`,
      'ADD',
    ),
  },
  {
    name: 'has nothing to work on and is content',
    plugin: 'portmap',
    breaks: 'ADD-13',
    script: reading(
      'ADD',
      `  case $in in *'"prevResult"'*|*'"9.9.9"'*) ;; '{"cniVersion":"1.1.0","name":"suite",'*'}') echo '{"cniVersion":"1.1.0"}'; exit ;; esac`,
    ),
  },
  {
    name: 'takes only interfaces of containers over',
    plugin: 'bridge',
    breaks: 'ADD-14',
    script: after(`out=$(printf %s "$out" | sed 's/{"name":"tap-a"[^}]*},//')`),
  },
  {
    name: 'does nothing once STATUS has failed',
    plugin: 'bridge',
    breaks: 'ADD-15',
    script: `[ "$CNI_COMMAND" != ADD ] || [ "$(cat $memory)" = 64 ] || { ${refuse(50)}; }
${after('[ $s -eq 0 ] || echo 65 >$memory', 'STATUS')}`,
  },
  {
    name: 'leaves its rules at 0.3.0',
    plugin: 'portmap',
    breaks: 'DEL-01',
    also: { 'VER-05': 'wants what was before at each version, too' },
    script: where('"cniVersion":"0.3.0"', 'exit 0', 'DEL'),
  },
  {
    name: 'fails the third DEL',
    plugin: 'host-local',
    breaks: 'DEL-02',
    also: { 'RTM-24': 'repeats DEL ten times', 'RTM-40': 'repeats DEL five times' },
    script: `[ "$CNI_COMMAND" != ADD ] || echo 64 >$memory
${after(
  `[ $s -ne 0 ] || [ "$CNI_CONTAINERID" != c1 ] || {
    n=$(($(cat $memory) + 1)); echo $n >$memory
    [ $n -lt 67 ] || { out='{"cniVersion":"1.1.0","code":3,"msg":"gone"}'; s=1; }
  }`,
  'DEL',
)}`,
  },
  {
    name: 'wants an ADD before DEL',
    plugin: 'host-local',
    breaks: 'DEL-03',
    script: `[ "$CNI_COMMAND" != ADD ] || echo 65 >$memory
${after(`[ $s -ne 0 ] || [ "$(cat $memory)" != 64 ] || { out='{"cniVersion":"1.1.0","code":3,"msg":"unknown"}'; s=1; }`, 'DEL')}`,
  },
  {
    name: 'gives no address back where the link is gone',
    plugin: 'bridge',
    breaks: 'DEL-04',
    script: reading(
      'DEL',
      `  case $in in *'"prevResult":{"cniVersion"'*)
    ! inside true 2>/dev/null || inside ip link show dev "$CNI_IFNAME" >/dev/null 2>&1 || exit 0
  esac`,
    ),
  },
  {
    name: 'gives nothing back where the namespace is gone',
    plugin: 'host-local',
    breaks: 'DEL-05',
    also: { 'IPM-03': 'is the same of an IPAM plugin', 'RTM-35': 'has the namespace of before the reboot gone' },
    script: `[ "$CNI_COMMAND" != DEL ] || [ -z "$CNI_NETNS" ] || [ -e "$CNI_NETNS" ] || { cat >/dev/null; exit 0; }`,
  },
  {
    name: 'wants what is at the path to be a namespace on DEL',
    plugin: 'host-local',
    breaks: 'DEL-06',
    also: { 'RTM-40': 'unmounts the namespace between two DELs' },
    script: `[ "$CNI_COMMAND" != DEL ] || [ ! -f "$CNI_NETNS" ] || [ "$(stat -f -c %T "$CNI_NETNS")" = nsfs ] || { ${refuse(4, 'CNI_NETNS')}; }`,
  },
  {
    name: 'stumbles over an empty prevResult',
    plugin: 'portmap',
    breaks: 'DEL-07',
    script: where('"prevResult":{}', refuse(7), 'DEL'),
  },
  {
    name: 'wants an object for prevResult on DEL',
    plugin: 'host-local',
    breaks: 'DEL-08',
    script: where('"prevResult":"garbage"', refuse(6), 'DEL'),
  },
  {
    name: 'misses its lock file on DEL',
    plugin: 'host-local',
    breaks: 'DEL-09',
    script: `d=/var/lib/cni/networks/suite
[ "$CNI_COMMAND" != DEL ] || [ ! -d $d ] || [ -e $d/lock ] || { ${refuse(5)}; }`,
  },
  {
    name: 'undoes what the configuration of DEL says',
    plugin: 'portmap',
    breaks: 'DEL-10',
    also: { 'RTM-32': 'sends DEL without the capabilities of ADD, too' },
    script: reading('DEL', `  case $in in *'"runtimeConfig"'*) ;; *'"prevResult":{"cniVersion"'*) exit 0 ;; esac`),
  },
  {
    name: 'refuses a bridge that it has not made on DEL',
    plugin: 'bridge',
    breaks: 'DEL-11',
    script: where('"bridge":"renamed0"', refuse(7), 'DEL'),
  },
  {
    name: 'takes the beginning of a container ID for the whole',
    plugin: 'host-local',
    breaks: 'DEL-12',
    script: `if [ "$CNI_COMMAND" = DEL ] && [ "$CNI_CONTAINERID" = n ]; then
  id=$(cat /var/lib/cni/networks/suite/*.* 2>/dev/null | tr -d '\\r' | grep "^$CNI_CONTAINERID" | head -n 1)
  export CNI_CONTAINERID=$id
fi`,
  },
  {
    name: 'does not tell its delegate where the namespace is gone',
    plugin: 'bridge',
    breaks: 'DEL-13',
    also: { 'DEL-05': 'wants the address back without a namespace' },
    script: `if [ "$CNI_COMMAND" = DEL ] && [ ! -e "$CNI_NETNS" ]; then
  d=$(mktemp -d); printf '#!/bin/sh\\ncat >/dev/null\\n' >$d/suite-ipam; chmod 755 $d/suite-ipam
  CNI_PATH=$d good; s=$?
  rm -r $d; exit $s
fi`,
  },
  {
    name: 'swallows what its delegate says of a failed DEL',
    plugin: 'bridge',
    breaks: 'DEL-14',
    script: failure('s/delegate will not/failed/', 'DEL'),
  },
  {
    name: 'leaves a neighbour behind at CHECK',
    plugin: 'bridge',
    breaks: 'CHK-01',
    script: after(
      `[ $s -ne 0 ] || inside ip neigh replace 10.88.0.77 lladdr 02:00:00:00:00:77 nud permanent dev "$CNI_IFNAME"`,
      'CHECK',
    ),
  },
  {
    name: 'has nothing to compare with and is content',
    plugin: 'host-local',
    breaks: 'CHK-02',
    also: { 'RTM-05': 'is about a lost result, too' },
    script: reading(
      'CHECK',
      `  case $in in *prevResult*|'') ;; '{"cniVersion":"1.1.0","name":"suite",'*'}') [ -z "$CNI_CONTAINERID" ] || [ -z "$CNI_NETNS" ] || [ -z "$CNI_IFNAME" ] || exit 0 ;; esac`,
    ),
  },
  {
    name: 'takes a bridge for the container’s link',
    plugin: 'bridge',
    breaks: 'CHK-03',
    script: `[ "$CNI_COMMAND" != CHECK ] || ! inside ip -o link show dev "$CNI_IFNAME" type bridge 2>/dev/null | grep -q . || exit 0`,
  },
  {
    name: 'compares addresses without their prefix length',
    plugin: 'bridge',
    breaks: 'CHK-04',
    script: `[ "$CNI_COMMAND" != CHECK ] || ! inside ip -o addr show dev "$CNI_IFNAME" 2>/dev/null | grep -q '/28 \\|/80 ' || exit 0`,
  },
  {
    name: 'does not look for routes of IPv6',
    plugin: 'bridge',
    breaks: 'CHK-05',
    script: after(`case $out in *'route fd99::/64 via fd00:88::1 is missing'*) out= s=0 ;; esac`, 'CHECK'),
  },
  {
    name: 'is content with a link that is down',
    plugin: 'bridge',
    breaks: 'CHK-06',
    script: `[ "$CNI_COMMAND" != CHECK ] || ! inside ip -o link show dev "$CNI_IFNAME" 2>/dev/null | grep -q 'state DOWN' || exit 0`,
  },
  {
    name: 'wants no address beyond its own',
    plugin: 'bridge',
    breaks: 'CHK-07',
    script: where('192.0.2.7/24', refuse(100), 'CHECK'),
  },
  {
    name: 'does not compare the length of the queue',
    plugin: 'tuning',
    breaks: 'CHK-08',
    script: input('s/,"txQLen":100//', 'CHECK'),
  },
  {
    name: 'does not look for its rules',
    plugin: 'portmap',
    breaks: 'CHK-08',
    script: `${after('[ $s -ne 0 ] || echo 65 >$memory')}
[ "$CNI_COMMAND" != DEL ] || echo 64 >$memory
${reading('CHECK', '  [ "$(cat $memory)" = 64 ] || [ -n "$(nft list ruleset)" ] || [ ! -e "$CNI_NETNS" ] || exit 0')}`,
  },
  {
    name: 'is content with one reservation of two',
    plugin: 'host-local',
    breaks: 'CHK-09',
    script: reading(
      'CHECK',
      `  case $in in *'"prevResult":{"cniVersion":"1.1.0","ips":[{"address":"10.66.'*)
    [ ! -e /var/lib/cni/networks/suite/fd66::2 ] || exit 0
  esac`,
    ),
  },
  {
    name: 'does not pass on what its delegate finds at CHECK',
    plugin: 'bridge',
    breaks: 'CHK-10',
    script: after(`case $out in *'"code":142'*) out= s=0 ;; esac`, 'CHECK'),
  },
  {
    name: 'looks for interfaces that it has not made',
    plugin: 'portmap',
    breaks: 'CHK-11',
    script: where('"ghost0"', refuse(100), 'CHECK'),
  },
  {
    name: 'checks at versions that have no CHECK',
    plugin: 'host-local',
    breaks: 'CHK-12',
    script: where('"cniVersion":"0.3.1"', 'exit 0', 'CHECK'),
  },
  {
    name: 'compares the path of the namespace instead of the namespace',
    plugin: 'bridge',
    breaks: 'CHK-13',
    script: reading('CHECK', `  case $in in *""sandbox":"$CNI_NETNS""*) ;; *) ${refuse(100)} ;; esac`),
  },
  {
    name: 'holds a host port for a network instead of the container',
    plugin: 'portmap',
    breaks: 'CAP-14',
    script: where('"name":"suite-b"', refuse(104), 'ADD'),
  },
  {
    name: 'passes over a MAC that is taken, and chooses another',
    plugin: 'bridge',
    breaks: 'CAP-15',
    script: reading(
      'ADD',
      `  mac=\${in##*'"mac":"'}; mac=\${mac%%'"'*}
  [ "$mac" = "$in" ] || [ -z "$(bridge fdb show | grep "$mac")" ] || in=\${in/'"mac":'/'"no-mac":'}`,
    ),
  },
]
