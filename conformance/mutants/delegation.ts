/** Plugins that break what is about delegation, and IPAM plugins that break what their callers rely on. */

import { after, answer, failure, input, type Mutant, reading, refuse, through, where } from './mutant.js'

/** Runs the suite's delegate once more with the same stdin. */
const ONCE_MORE = `printf %s "$in" | "\${CNI_PATH##*:}/suite-ipam" >/dev/null`

export const DELEGATION: readonly Mutant[] = [
  {
    name: 'drops what it does not know before it delegates',
    plugin: 'bridge',
    breaks: 'DLG-01',
    script: input('s,"io.example/unknown":,"io.example/known":,'),
  },
  {
    name: 'keeps variables from its delegate',
    plugin: 'bridge',
    breaks: 'DLG-02',
    script: 'unset TRACE_ID',
  },
  {
    name: 'looks for its delegate in the working directory',
    plugin: 'bridge',
    breaks: 'DLG-03',
    script: '[ ! -x ./suite-ipam ] || export CNI_PATH="$CNI_PATH:$PWD"',
  },
  {
    name: 'swallows what its delegate writes on stderr',
    plugin: 'bridge',
    breaks: 'DLG-04',
    script: '[ "$CNI_COMMAND" != ADD ] || { good 2>/dev/null; exit; }',
  },
  {
    name: 'has its delegate check twice',
    plugin: 'bridge',
    breaks: 'DLG-05',
    script: reading('CHECK', '  printf %s "$in" | good && printf %s "$in" | good; exit'),
  },
  {
    name: 'calls a delegate once more that has failed ADD',
    plugin: 'bridge',
    breaks: 'DLG-06',
    script: reading(
      'ADD',
      `  out=$(printf %s "$in" | good); s=$?
  case $out in *'"code":142'*) ${ONCE_MORE} ;; esac
  printf '%s\\n' "$out"; exit $s`,
    ),
  },
  {
    name: 'asks for an address again where a route cannot be set',
    plugin: 'bridge',
    breaks: 'DLG-07',
    script: reading(
      'ADD',
      `  out=$(printf %s "$in" | good); s=$?
  case $s$out in 1*172.31.99.1*) ${ONCE_MORE} ;; esac
  printf '%s\\n' "$out"; exit $s`,
    ),
  },
  {
    name: 'leaves its link where the delegate is missing at DEL',
    plugin: 'bridge',
    breaks: 'DLG-11',
    script: `case $CNI_COMMAND$CNI_PATH in DEL/*:*) ;; DEL/*) ${refuse(50)} ;; esac`,
  },
  {
    name: 'has a code of its own for codes of the delegate that it does not know',
    plugin: 'bridge',
    breaks: 'DLG-12',
    script: failure('s/"code":4711/"code":999/'),
  },
  {
    name: 'prefers an empty dns of the configuration',
    plugin: 'bridge',
    breaks: 'DLG-13',
    script: where('"dns":{}', through('s/"dns":{[^}]*}/"dns":{}/'), 'ADD'),
  },
  {
    name: 'lists an interface as an IPAM plugin',
    plugin: 'host-local',
    breaks: 'IPM-01',
    script: answer('/"ips"/s/}$/,"interfaces":[]}/'),
  },
  {
    name: 'refuses the configuration of an interface plugin that it does not know',
    plugin: 'host-local',
    breaks: 'IPM-02',
    script: where('"type":"macvlan"', refuse(7)),
  },
  {
    name: 'releases nothing where the namespace is gone',
    plugin: 'host-local',
    breaks: 'IPM-03',
    also: { 'DEL-05': 'is the same of every plugin', 'RTM-35': 'has the namespace of before the reboot gone' },
    script: `[ "$CNI_COMMAND" != DEL ] || [ -z "$CNI_NETNS" ] || [ -e "$CNI_NETNS" ] || { cat >/dev/null; exit 0; }`,
  },
  {
    name: 'cannot decode a configuration without its section',
    plugin: 'host-local',
    breaks: 'IPM-04',
    script: reading('ADD', `  case $in in *'"ipam"'*) ;; '{"cniVersion":"1.1.0",'*'}') ${refuse(6)} ;; esac`),
  },
  {
    name: 'has one code for all its errors, a full pool among them',
    plugin: 'host-local',
    breaks: 'IPM-05',
    script: after(
      `case $out in *'no IP addresses available'*) out=$(printf %s "$out" | sed 's/"code":[0-9]*/"code":999/') ;; esac`,
    ),
  },
  {
    name: 'passes on a code of its delegate that is no whole number',
    plugin: 'bridge',
    breaks: 'DLG-14',
    script: failure('/odd code/s/"code":[0-9]*/"code":-1.5/'),
  },
  {
    name: 'dies of a signal while its delegate lives on',
    plugin: 'bridge',
    breaks: 'RTM-09',
    script: 'if [ "$CNI_COMMAND" = ADD ]; then good <&0 & wait $!; exit; fi',
  },
]
