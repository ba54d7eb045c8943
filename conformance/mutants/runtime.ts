/** Plugins that break what runtimes rely on, what holds of many calls at once, and of bad circumstances. */

import { after, answer, input, type Mutant, reading, refuse, where } from './mutant.js'

export const RUNTIME: readonly Mutant[] = [
  {
    name: 'has no room for a long environment',
    plugin: 'host-local',
    breaks: 'RTM-01',
    script: `[ -z "$FOREIGN_150" ] || { ${refuse(5, 'too many variables')}; }`,
  },
  {
    name: 'refuses keys of cni.dev that it does not know',
    plugin: 'host-local',
    breaks: 'RTM-02',
    script: where('"cni.dev/x"', refuse(2, 'cni.dev/x'), 'ADD'),
  },
  {
    name: 'gives prefix lengths with a leading zero',
    plugin: 'host-local',
    breaks: 'RTM-13',
    version: '0.4.0',
    script: answer('/^{"cniVersion":"0.4.0"/s,/64",/064",'),
  },
  {
    name: 'wants nothing of a trace but its parent',
    plugin: 'host-local',
    breaks: 'RTM-15',
    script: `[ -z "$TRACESTATE" ] || { ${refuse(4, 'TRACESTATE')}; }`,
  },
  {
    name: 'calls a key that comes twice a bad configuration',
    plugin: 'host-local',
    breaks: 'RTM-33',
    script: `case $CNI_COMMAND$CNI_ARGS in ADD*K8S_POD_NAME=*K8S_POD_NAME=*) ${refuse(7)} ;; esac`,
  },
  {
    name: 'answers VERSION differently each time',
    plugin: 'host-local',
    breaks: 'RTM-36',
    script: `if [ "$CNI_COMMAND" = VERSION ]; then good | sed "s/}$/,\\"pid\\":$$}/"; exit; fi`,
  },
  {
    name: 'gives many the same address',
    plugin: 'host-local',
    breaks: 'CON-01',
    also: { 'RTM-43': 'adds many at once, too' },
    script: after(`[ "\${CNI_CONTAINERID%%?}" != c1 ] && [ "\${CNI_CONTAINERID%%?}" != new ] ||
    out=$(printf %s "$out" | sed 's|10[.]77[.]0[.][0-9]*/24|10.77.0.99/24|')`),
  },
  {
    name: 'lets broken characters through to its answer',
    plugin: 'host-local',
    breaks: 'ROB-03',
    script: input('s/"name":"net.u0000"/"name":"net"/', 'ADD'),
  },
  {
    name: 'takes the first of two keys',
    plugin: 'host-local',
    breaks: 'ROB-06',
    script: where('{"name":"../first"', refuse(7), 'ADD'),
  },
  {
    name: 'takes a key in any case',
    plugin: 'host-local',
    breaks: 'ROB-07',
    script: where('"NAME":"../other"', refuse(7), 'ADD'),
  },
  {
    name: 'cuts a long name',
    plugin: 'host-local',
    breaks: 'ROB-12',
    script: reading(
      'ADD',
      `  case $in in *xxxxxxxxxxxxxxxx*) in=$(printf %s "$in" | sed 's/xxxxxxxxxxxxxxxx*/x/') ;; esac`,
    ),
  },
  {
    name: 'gives addresses of a mixed range set',
    plugin: 'host-local',
    breaks: 'ROB-52',
    script: input('s|{"subnet":"10.66.0.0/24"},{"subnet":"fd66::/64"}|{"subnet":"10.66.0.0/24"}|', 'ADD'),
  },
  {
    name: 'takes an address with a leading zero',
    plugin: 'host-local',
    breaks: 'ROB-53',
    script: input('s/"subnet":"010.66/"subnet":"10.66/', 'ADD'),
  },
  {
    name: 'sets the MTU as far as it is possible',
    plugin: 'bridge',
    breaks: 'ROB-55',
    script: input('s/"mtu":65536/"mtu":65535/', 'ADD'),
  },
  {
    name: 'makes its state directory where it happens to be',
    plugin: 'host-local',
    breaks: 'ROB-41',
    script: where('"dataDir":"relative', 'mkdir -p relative; : >relative/lock', 'ADD'),
  },
  {
    name: 'takes a DEL that was killed for a done one',
    plugin: 'host-local',
    breaks: 'ROB-21',
    script: `case $CNI_COMMAND$CNI_CONTAINERID in *[!A-Za-z0-9]*) ;; DEL?*)
  begun=/run/cni/begun-$CNI_CONTAINERID-$CNI_IFNAME
  [ ! -e $begun ] || { rm $begun; exit 0; }
  sleep 0.03; mkdir -p /run/cni; : >$begun; sleep 0.03
  good; s=$?
  rm $begun
  exit $s
esac`,
  },
  {
    name: 'removes a link of the host that has its name',
    plugin: 'bridge',
    breaks: 'ROB-47',
    script: `[ "$CNI_COMMAND" != ADD ] || for l in $(ip -o link show type bridge | sed -n 's/^[0-9]*: \\(veth[^:@]*\\).*/\\1/p'); do
  ip link del $l
done`,
  },
  {
    name: 'gives no version without a verb',
    plugin: 'bridge',
    breaks: 'RTM-44',
    script: '[ -n "$CNI_COMMAND" ] || { echo "CNI bridge plugin version unknown" >&2; exit 0; }',
  },
  {
    name: 'reads whatever it finds in its state directory',
    plugin: 'portmap',
    breaks: 'ROB-38',
    script: `[ "$CNI_COMMAND" != DEL ] || cat $(find /run/flatnet -type p) /dev/null >/dev/null`,
  },
  {
    name: 'takes a link with another name for one that is gone',
    plugin: 'bridge',
    breaks: 'ROB-61',
    script: reading(
      'DEL',
      `  inside ip link show "$CNI_IFNAME" >/dev/null 2>&1 || {
    printf %s "$in" | "\${CNI_PATH##*:}/suite-ipam"; exit 0
  }`,
    ),
  },
  {
    name: 'opens what CNI_NETNS names before it looks at it',
    plugin: 'bridge',
    breaks: 'ROB-62',
    script: '[ ! -p "$CNI_NETNS" ] || cat "$CNI_NETNS"',
  },
  {
    name: 'lets the first file that it opens be stderr',
    plugin: 'bridge',
    breaks: 'ROB-63',
    script: '[ -e /proc/self/fd/2 ] || { mkdir -p /run/flatnet; exec 2>/run/flatnet/first; }',
  },
  {
    name: 'keeps an attachment that it could not report',
    plugin: 'bridge',
    breaks: 'ROB-64',
    script: after(`[ -z "$out" ] || printf '%s\\n' "$out" 2>/dev/null || exit 1; exit $s`),
  },
]
