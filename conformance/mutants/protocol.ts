/** Plugins that break what is about the environment, the streams and VERSION. */

import { after, answer, error, failure, input, LITTER, type Mutant, reading, refuse, where } from './mutant.js'

export const PROTOCOL: readonly Mutant[] = [
  {
    name: 'answers a call without a verb with silence',
    plugin: 'host-local',
    breaks: 'ENV-01',
    script: '[ -n "$CNI_COMMAND" ] || exit 0',
  },
  {
    name: 'takes verbs in lower case',
    plugin: 'host-local',
    breaks: 'ENV-02',
    script: '[ "$CNI_COMMAND" != add ] || export CNI_COMMAND=ADD',
  },
  {
    name: 'invents a container ID',
    plugin: 'host-local',
    breaks: 'ENV-03',
    script: `case $CNI_COMMAND$CNI_IFNAME in ADD?*|DEL?*|CHECK?*)
  [ -n "$CNI_CONTAINERID" ] || export CNI_CONTAINERID=none
esac`,
  },
  {
    name: 'cleans container IDs instead of refusing them',
    plugin: 'host-local',
    breaks: 'ENV-04',
    script: `case $CNI_COMMAND$CNI_CONTAINERID in ADD*' '*|DEL*:*|CHECK*%*) export CNI_CONTAINERID=clean ;; esac`,
  },
  {
    name: 'takes no ID longer than 200 characters',
    plugin: 'host-local',
    breaks: 'ENV-05',
    also: { 'ROB-40': 'is about long IDs, too' },
    script: `[ \${#CNI_CONTAINERID} -le 200 ] || { ${refuse(999, 'too long')}; }`,
  },
  {
    name: 'succeeds without a namespace',
    plugin: 'host-local',
    breaks: 'ENV-06',
    script: `case $CNI_COMMAND$CNI_IFNAME in ADD?*|CHECK?*) [ -n "$CNI_NETNS" ] || export CNI_NETNS=/none ;; esac`,
  },
  {
    name: 'does not release without CNI_NETNS',
    plugin: 'host-local',
    breaks: 'ENV-07',
    also: {
      'DEL-05': 'its second case is a DEL without CNI_NETNS',
      'RTM-25': 'is a DEL without CNI_NETNS',
      'RTM-40': 'its fifth DEL has no CNI_NETNS',
      'RTM-43': 'its DELs have no CNI_NETNS',
    },
    script: `case $CNI_COMMAND$CNI_NETNS$CNI_CONTAINERID$CNI_IFNAME in DEL/*) ;; DEL?*eth0) ${refuse(4, 'CNI_NETNS')} ;; esac`,
  },
  {
    name: 'has a default interface name',
    plugin: 'host-local',
    breaks: 'ENV-08',
    script: `case $CNI_COMMAND$CNI_CONTAINERID in ADD?*|DEL?*|CHECK?*)
  [ -n "$CNI_IFNAME" ] || export CNI_IFNAME=eth0
esac`,
  },
  {
    name: 'cuts interface names at 15 bytes',
    plugin: 'host-local',
    breaks: 'ENV-09',
    script: `case $CNI_COMMAND in ADD|DEL|CHECK) [ \${#CNI_IFNAME} -lt 16 ] || export CNI_IFNAME=cut ;; esac`,
  },
  {
    name: 'changes interface names it does not like',
    plugin: 'bridge',
    breaks: 'ENV-10',
    script: `case $CNI_IFNAME in '#'*) export CNI_IFNAME=hash ;; esac`,
  },
  {
    name: 'takes %d for the next number',
    plugin: 'bridge',
    breaks: 'ENV-11',
    script: `case $CNI_IFNAME in *%d*) export CNI_IFNAME=eth0 ;; esac`,
  },
  {
    name: 'names one missing variable at a time',
    plugin: 'host-local',
    breaks: 'ENV-12',
    script: failure('s/CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME/CNI_CONTAINERID/g'),
  },
  {
    name: 'says that a path is missing and not which',
    plugin: 'host-local',
    breaks: 'ENV-13',
    script: `[ "$CNI_COMMAND" != ADD ] || [ "\${CNI_PATH+set}" ] || { ${refuse(4, 'no path')}; }`,
  },
  {
    name: 'does GC without a search path',
    plugin: 'host-local',
    breaks: 'ENV-14',
    script: `[ "$CNI_COMMAND$CNI_PATH" != GC ] || export CNI_PATH=/none`,
  },
  {
    name: 'takes a directory for its delegate',
    plugin: 'bridge',
    breaks: 'ENV-15',
    script: `for d in $(echo "$CNI_PATH" | tr : ' '); do [ ! -d "$d/suite-ipam" ] || { ${refuse(5, 'is a directory')}; }; done`,
  },
  {
    name: 'wants a namespace that exists for VERSION',
    plugin: 'host-local',
    breaks: 'ENV-17',
    script: `case $CNI_COMMAND$CNI_NETNS in VERSION/no/*) ${refuse(4, 'CNI_NETNS')} ;; esac`,
  },
  {
    name: 'makes a link for a namespace that is not there',
    plugin: 'bridge',
    breaks: 'ENV-18',
    script: `case $CNI_COMMAND$CNI_NETNS in ADD*/no-such-namespace) ${LITTER} ;; esac`,
  },
  {
    name: 'takes a namespace of another kind for a missing one and is content',
    plugin: 'portmap',
    breaks: 'ENV-19',
    script: `case $CNI_COMMAND$CNI_NETNS in CHECK*/ns/uts) exit 0 ;; esac`,
  },
  {
    name: 'acts on its own namespace',
    plugin: 'bridge',
    breaks: 'ENV-20',
    script: 'export CNI_NETNS_OVERRIDE=1',
  },
  {
    name: 'resolves the path of the namespace',
    plugin: 'bridge',
    breaks: 'ENV-21',
    script: '[ ! -L "$CNI_NETNS" ] || export CNI_NETNS=$(readlink "$CNI_NETNS")',
  },
  {
    name: 'wants PATH',
    plugin: 'host-local',
    breaks: 'ENV-23',
    script: `[ "$CNI_COMMAND" = VERSION ] || grep -qz ^PATH= /proc/$$/environ || { ${refuse(4, 'PATH')}; }`,
  },
  {
    name: 'ends with status 0 where a namespace is missing',
    plugin: 'portmap',
    breaks: 'IO-01',
    also: {
      'ENV-18': 'wants a failure of the same call',
    },
    script: after(`case $CNI_NETNS in *no-such-namespace) s=0 ;; esac`),
  },
  {
    name: 'says where it logs on stdout',
    plugin: 'host-local',
    breaks: 'IO-03',
    also: { 'ERR-09': 'wants the error object on stdout, too', 'IO-01': 'has no error object to look at' },
    script: where('"9.9.9"', `echo 'log: /dev/null'; ${refuse(1)}`, 'ADD'),
  },
  {
    name: 'logs to stdout when it is asked to log',
    plugin: 'host-local',
    breaks: 'IO-04',
    script: '[ -z "$CNI_LOG" ] || echo logging',
  },
  {
    name: 'reports what GC has kept',
    plugin: 'loopback',
    breaks: 'IO-05',
    script: where('"cni.dev/valid-attachments":[{"containerID":"c1","ifname":"lo"}]}', 'echo kept 1', 'GC'),
  },
  {
    name: 'reads the first object of stdin alone',
    plugin: 'host-local',
    breaks: 'IO-06',
    script: input('s/} x$/}/'),
  },
  {
    name: 'calls stdin it cannot find a bad configuration',
    plugin: 'host-local',
    breaks: 'IO-06',
    also: { 'ROB-10': 'has a case with stdin closed' },
    script: `[ -e /proc/self/fd/0 ] || [ "$CNI_COMMAND" != ADD ] || { ${refuse(7)}; }`,
  },
  {
    name: 'calls an array a bad configuration',
    plugin: 'host-local',
    breaks: 'IO-07',
    script: reading('ADD|DEL|CHECK', `  [ "$in" != '[]' ] || { ${refuse(7)}; }`),
  },
  {
    name: 'calls stdin it cannot read empty',
    plugin: 'host-local',
    breaks: 'IO-08',
    script: `[ ! -d /proc/self/fd/0 ] || { ${refuse(6)}; }`,
  },
  {
    name: 'reads stdin once',
    plugin: 'host-local',
    breaks: 'IO-09',
    script: '[ "$CNI_COMMAND" != ADD ] || [ -d /proc/self/fd/0 ] || { dd bs=65536 count=1 2>/dev/null | good; exit; }',
  },
  {
    name: 'crashes where dns is a number',
    plugin: 'host-local',
    breaks: 'IO-10',
    script: where('"dns":-1', `echo 'panic: dns' >&2; exit 2`, 'ADD'),
  },
  {
    name: 'lists one version as a string',
    plugin: 'host-local',
    breaks: 'VER-01',
    also: {
      'VER-07': 'has no list to look at',
    },
    script: answer('s/"supportedVersions":.*/"supportedVersions":"1.1.0"}/', 'VERSION'),
  },
  {
    name: 'answers VERSION in its own version',
    plugin: 'host-local',
    breaks: 'VER-02',
    script: answer('s/"cniVersion":"[^"]*"/"cniVersion":"1.1.0"/', 'VERSION'),
  },
  {
    name: 'wants a search path for VERSION',
    plugin: 'host-local',
    breaks: 'VER-03',
    script: `[ "$CNI_COMMAND" != VERSION ] || [ "\${CNI_PATH+set}" ] || { ${refuse(4, 'CNI_PATH')}; }`,
  },
  {
    name: 'reads stdin to its end for VERSION',
    plugin: 'host-local',
    breaks: 'VER-04',
    also: { 'ROB-10': 'asks for VERSION with a stdin that never ends, too' },
    script: '[ "$CNI_COMMAND" != VERSION ] || { in=$(cat); printf %s "$in" | good; exit; }',
  },
  {
    name: 'calls an advertised version incompatible on DEL',
    plugin: 'host-local',
    breaks: 'VER-05',
    also: {
      'DEL-01': 'wants DEL at each version, too',
      'RTM-29': 'sends DEL at each version',
    },
    script: where('"cniVersion":"0.3.1"', refuse(1), 'DEL'),
  },
  {
    name: 'takes a newer version for its newest',
    plugin: 'host-local',
    breaks: 'VER-06',
    script: input('s/"cniVersion":"1.2.0"/"cniVersion":"1.1.0"/', 'ADD|DEL'),
  },
  {
    name: 'takes 1.0 for 1.0.0',
    plugin: 'host-local',
    breaks: 'VER-06',
    script: input('s/"cniVersion":"1.0"/"cniVersion":"1.0.0"/', 'ADD|DEL'),
  },
  {
    name: 'lists its versions from the newest to the oldest',
    plugin: 'host-local',
    breaks: 'VER-07',
    script: answer(
      's/"supportedVersions":\\[[^]]*/"supportedVersions":["1.1.0","1.0.0","0.4.0","0.3.1","0.3.0","0.2.0","0.1.0"/',
      'VERSION',
    ),
  },
  {
    name: 'wants an absolute search path for VERSION',
    plugin: 'host-local',
    breaks: 'VER-08',
    script: `[ "$CNI_COMMAND$CNI_PATH" != VERSIONdummy ] || { ${refuse(4, 'CNI_PATH')}; }`,
  },
  {
    name: 'describes an error by an object',
    plugin: 'host-local',
    breaks: 'ERR-01',
    script: where('"9.9.9"', `echo '{"cniVersion":"1.1.0","code":1,"msg":"no","details":{}}'; exit 1`, 'ADD'),
  },
  {
    name: 'does not say the version of an error',
    plugin: 'host-local',
    breaks: 'ERR-02',
    script: failure('s/"cniVersion":"[^"]*",//'),
  },
  {
    name: 'has a code of its own below 100',
    plugin: 'host-local',
    breaks: 'ERR-03',
    script: where('"9.9.9"', refuse(8), 'ADD'),
  },
  {
    name: 'refuses an unknown key without saying its value',
    plugin: 'host-local',
    breaks: 'ERR-04',
    script: where('"x-unheard-of":"chartreuse"', refuse(2, 'x-unheard-of'), 'ADD'),
  },
  {
    name: 'does not name the variable that holds a bad verb',
    plugin: 'host-local',
    breaks: 'ERR-05',
    script: `[ "$CNI_COMMAND" != UPDATE ] || { ${refuse(4, 'unknown verb UPDATE')}; }`,
  },
  {
    name: 'calls a container unknown that DEL has work for',
    plugin: 'host-local',
    breaks: 'ERR-07',
    script: `case $CNI_COMMAND$CNI_CONTAINERID in
CHECKnever-added) ${refuse(3)} ;;
DELnever-added) : >/var/lib/cni/networks/tombstone ;;
esac`,
  },
  {
    name: 'has one code for all bad configurations',
    plugin: 'host-local',
    breaks: 'ERR-08',
    script: where('10.77.0.5/24', refuse(999), 'ADD'),
  },
  {
    name: 'writes an error to stderr alone',
    plugin: 'host-local',
    breaks: 'ERR-09',
    also: { 'IO-01': 'has no error object to look at', 'IO-03': 'wants an error object on stdout, too' },
    script: where('"9.9.9"', `echo '${error(1)}' >&2; exit 1`, 'ADD'),
  },
]
