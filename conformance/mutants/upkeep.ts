/** Plugins that break what is about GC and STATUS. */

import { after, answer, input, type Mutant, reading, refuse, where } from './mutant.js'

export const UPKEEP: readonly Mutant[] = [
  {
    name: 'keeps everything where somebody is valid',
    plugin: 'host-local',
    breaks: 'GC-01',
    script: where('"cni.dev/attachments":[{"containerID":"', 'case $in in *valid-attachments*) exit 0 ;; esac', 'GC'),
  },
  {
    name: 'compares container IDs alone',
    plugin: 'host-local',
    breaks: 'GC-02',
    script: input('s/"ifname":"other9"/"ifname":"eth0"/', 'GC'),
  },
  {
    name: 'takes null for no question',
    plugin: 'host-local',
    breaks: 'GC-03',
    script: where('"cni.dev/valid-attachments":null', 'exit 0', 'GC'),
  },
  {
    name: 'has a code of its own for GC without a list',
    plugin: 'host-local',
    breaks: 'GC-04',
    also: { 'RTM-03': 'asks for GC without a list, too' },
    script: reading(
      'GC',
      `  case $in in *attachments*|*'"cniVersion":"1.0.0"'*|*'"cniVersion":"0.'*) ;; *) ${refuse(999)} ;; esac`,
    ),
  },
  {
    name: 'does not know the former key',
    plugin: 'host-local',
    breaks: 'GC-05',
    script: input('s,"cni.dev/attachments":,"cni.dev/none":,', 'GC'),
  },
  {
    name: 'passes over entries without a container ID',
    plugin: 'host-local',
    breaks: 'GC-06',
    script: input('s/.{"ifname":"eth0"}]/[]/g', 'GC'),
  },
  {
    name: 'makes a record of each valid attachment',
    plugin: 'host-local',
    breaks: 'GC-07',
    script: where(
      '"containerID":"stranger"',
      `printf 'stranger\\r\\neth0' >/var/lib/cni/networks/suite/10.77.0.200`,
      'GC',
    ),
  },
  {
    name: 'collects the garbage of every network',
    plugin: 'host-local',
    breaks: 'GC-08',
    script: reading(
      'GC',
      `  for n in $(ls /var/lib/cni/networks 2>/dev/null); do
    case $in in *'"name":"suite"'*)
      [ "$n" = suite ] || printf %s "$in" | sed "s/\\"name\\":\\"suite\\"/\\"name\\":\\"$n\\"/" | good >/dev/null ;;
    esac
  done`,
    ),
  },
  {
    name: 'passes on at GC what it knows',
    plugin: 'bridge',
    breaks: 'GC-09',
    script: input('s/"unknownToAll":{[^}]*},//', 'GC'),
  },
  {
    name: 'does not report that its delegate failed GC',
    plugin: 'bridge',
    breaks: 'GC-10',
    script: after(`case $out in *'delegate will not'*) out= s=0 ;; esac`, 'GC'),
  },
  {
    name: 'makes a directory at GC',
    plugin: 'loopback',
    breaks: 'GC-11',
    also: { 'RTM-34': 'is about a GC without any state, too' },
    script: where('"cni.dev/valid-attachments":[]', 'mkdir -p /run/cni/lo; : >/run/cni/lo/gc', 'GC'),
  },
  {
    name: 'collects garbage at versions that have no GC',
    plugin: 'host-local',
    breaks: 'GC-12',
    script: where('"cniVersion":"1.0.0"', 'exit 0', 'GC'),
  },
  {
    name: 'writes down when it was asked for its status',
    plugin: 'loopback',
    breaks: 'STA-01',
    also: { 'RTM-30': 'asks over and over' },
    script: `[ "$CNI_COMMAND" != STATUS ] || { mkdir -p /run/cni/lo; echo x >>/run/cni/lo/asked; }`,
  },
  {
    name: 'is well where it cannot write',
    plugin: 'host-local',
    breaks: 'STA-02',
    also: { 'ROB-37': 'has a read-only state directory, too' },
    script: `[ "$CNI_COMMAND" != STATUS ] || [ ! -d /var/lib/cni/networks ] || [ -w /var/lib/cni/networks ] || exit 0`,
  },
  {
    name: 'calls all trouble of its delegate the same',
    plugin: 'bridge',
    breaks: 'STA-04',
    script: answer('s/"code":51/"code":50/', 'STATUS'),
  },
  {
    name: 'does not look for its delegate at STATUS',
    plugin: 'bridge',
    breaks: 'STA-05',
    script: `case $CNI_COMMAND$CNI_PATH in STATUS/*:*) ;; STATUS/*) exit 0 ;; esac`,
  },
  {
    name: 'wants a container ID for STATUS',
    plugin: 'host-local',
    breaks: 'STA-06',
    script: `[ "$CNI_COMMAND" != STATUS ] || [ "\${CNI_CONTAINERID+set}" ] || { ${refuse(4, 'CNI_CONTAINERID')}; }`,
  },
  {
    name: 'has a status at versions that have no STATUS',
    plugin: 'host-local',
    breaks: 'STA-07',
    script: where('"cniVersion":"1.0.0"', 'exit 0', 'STATUS'),
  },
  {
    name: 'never gets well again',
    plugin: 'host-local',
    breaks: 'STA-08',
    script: `if [ "$CNI_COMMAND" = STATUS ]; then
  [ "$(cat $memory)" = 64 ] || { ${refuse(50)}; }
  good; s=$?
  [ $s -eq 0 ] || echo 65 >$memory
  exit $s
fi`,
  },
]
