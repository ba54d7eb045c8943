/** Plugins that break what is about the configuration, and what comes in args, CNI_ARGS and runtimeConfig. */

import { after, answer, input, LITTER, type Mutant, reading, refuse, where } from './mutant.js'

export const CONFIGURATION: readonly Mutant[] = [
  {
    name: 'takes a network name with a slash',
    plugin: 'host-local',
    breaks: 'CFG-02',
    script: input('s,"name":"a/b","name":"ab",'),
  },
  {
    name: 'has a default network name',
    plugin: 'host-local',
    breaks: 'CFG-03',
    also: { 'CFG-02': 'has the empty name among the bad ones', 'RTM-07': 'provokes a failure by an empty name' },
    script: input('s/"name":""/"name":"default"/'),
  },
  {
    name: 'calls a version of the wrong type incompatible',
    plugin: 'host-local',
    breaks: 'CFG-04',
    script: where('"cniVersion":1,', refuse(1)),
  },
  {
    name: 'answers in the newest shape where there is no version',
    plugin: 'host-local',
    breaks: 'CFG-08',
    script: reading('ADD|DEL', `  case $in in *cniVersion*) ;; '{'*'}') in='{"cniVersion":"1.0.0",'\${in#?} ;; esac`),
  },
  {
    name: 'runs a delegate by its path',
    plugin: 'bridge',
    breaks: 'CFG-17',
    script: where('../outside/suite-ipam', `printf %s "$in" | "\${CNI_PATH##*:}/../outside/suite-ipam"; exit`, 'ADD'),
  },
  {
    name: 'refuses an unknown key without naming it',
    plugin: 'host-local',
    breaks: 'CFG-19',
    script: where('"x-unheard-of":7', refuse(2, 'unknown key'), 'ADD'),
  },
  {
    name: 'refuses keys of the protocol that it does not know',
    plugin: 'host-local',
    breaks: 'CFG-20',
    script: where('cni.dev/something-new', refuse(2, 'cni.dev/something-new'), 'ADD'),
  },
  {
    name: 'leaves out masquerading',
    plugin: 'bridge',
    breaks: 'CFG-21',
    script: input('s/"ipMasq":true/"ipMasq":false/'),
  },
  {
    name: 'takes dns of any type',
    plugin: 'host-local',
    breaks: 'CFG-22',
    script: input('s/"dns":"x"/"dns":{}/', 'ADD'),
  },
  {
    name: 'takes null for a value',
    plugin: 'host-local',
    breaks: 'CFG-23',
    script: where('"args":null', refuse(6), 'ADD'),
  },
  {
    name: 'maps ports of TCP alone',
    plugin: 'portmap',
    breaks: 'CAP-01',
    script: input('s/{"hostPort":5353[^}]*},//', 'ADD'),
  },
  {
    name: 'does not know the capitals of Go',
    plugin: 'portmap',
    breaks: 'CAP-02',
    script: input('s/"HostPort":8080/"HostPort":8088/', 'ADD'),
  },
  {
    name: 'takes what is no address for any address of the host',
    plugin: 'portmap',
    breaks: 'CAP-03',
    script: input('s/"hostIP":"nonsense"/"hostIP":""/', 'ADD'),
  },
  {
    name: 'gives addresses from before the beginning of a range of the runtime',
    plugin: 'host-local',
    breaks: 'CAP-04',
    script: input('s/"rangeStart":"10.61.0.40",//', 'ADD'),
  },
  {
    name: 'has a code of its own for a flat list of ranges',
    plugin: 'host-local',
    breaks: 'CAP-05',
    script: where('"ipRanges":[{', refuse(999), 'ADD'),
  },
  {
    name: 'limits in bytes instead of bits',
    plugin: 'bandwidth',
    breaks: 'CAP-06',
    script: input('s/"ingressRate":3000000/"ingressRate":24000000/', 'ADD'),
  },
  {
    name: 'takes a burst without a rate for no limit',
    plugin: 'bandwidth',
    breaks: 'CAP-07',
    script: input('s/"bandwidth":{"egressBurst":1000000}/"bandwidth":{}/', 'ADD'),
  },
  {
    name: 'does not see an asked address behind its prefix length',
    plugin: 'host-local',
    breaks: 'CAP-09',
    script: input(
      's|"ips":.."10.77.0.9/24",|"ips":["10.77.0.19",|;s|"ips":."10.77.0.9/24",|"ips":["10.77.0.19",|',
      'ADD',
    ),
  },
  {
    name: 'answers with a MAC in capitals',
    plugin: 'bridge',
    breaks: 'CAP-10',
    script: answer('s/02:11:22:aa:bb:cc/02:11:22:AA:BB:CC/'),
  },
  {
    name: 'wants no capability that it does not know',
    plugin: 'host-local',
    breaks: 'CAP-11',
    script: where('infinibandGUID', refuse(2, 'infinibandGUID'), 'ADD'),
  },
  {
    name: 'stumbles over a map of aliases',
    plugin: 'host-local',
    breaks: 'CAP-12',
    script: where('"aliases":{', refuse(999), 'ADD'),
  },
  {
    name: 'looks for the file with device information',
    plugin: 'host-local',
    breaks: 'CAP-13',
    script: where('"CNIDeviceInfoFile":"/var/run/none"', refuse(5), 'ADD'),
  },
  {
    name: 'wants an object for each namespace of args',
    plugin: 'host-local',
    breaks: 'ARG-01',
    script: where('"plain value":7', refuse(6), 'ADD'),
  },
  {
    name: 'takes no prefix length in args',
    plugin: 'host-local',
    breaks: 'ARG-02',
    script: where('"cni":{"ips":["10.77.0.9/24"', refuse(7), 'ADD'),
  },
  {
    name: 'prefers CNI_ARGS to args',
    plugin: 'host-local',
    breaks: 'ARG-03',
    script: reading(
      'ADD',
      `  case $CNI_ARGS in IP=*) in=$(printf %s "$in" | sed 's/"args":{"cni":{"ips":.[^]]*.}}/"args":{}/') ;; esac`,
    ),
  },
  {
    name: 'prefers CNI_ARGS to runtimeConfig',
    plugin: 'host-local',
    breaks: 'ARG-04',
    script: reading(
      'ADD',
      `  case $CNI_ARGS in IP=*) in=$(printf %s "$in" | sed 's/"runtimeConfig":{"ips"/"runtimeConfig":{"none"/') ;; esac`,
    ),
  },
  {
    name: 'does not see IP where it is the only pair',
    plugin: 'host-local',
    breaks: 'CAR-01',
    script: `case $CNI_COMMAND$CNI_ARGS in *[/\\;,:]*) ;; ADDIP=*) export CNI_ARGS= ;; esac`,
  },
  {
    name: 'wants IgnoreUnknown before what it does not know',
    plugin: 'host-local',
    breaks: 'CAR-02',
    also: { 'RTM-20': 'is the same for the five keys of Kubernetes' },
    script: `case $CNI_COMMAND$CNI_ARGS in ADDK8S*IgnoreUnknown*) ${refuse(4, 'CNI_ARGS')} ;; esac`,
  },
  {
    name: 'leaves a link where it refuses a key',
    plugin: 'host-local',
    breaks: 'CAR-03',
    script: `case $CNI_COMMAND$CNI_ARGS in ADDIgnoreUnknown=false*) ${LITTER}; ${refuse(4, 'CNI_ARGS')} ;; esac`,
  },
  {
    name: 'knows true and not True',
    plugin: 'host-local',
    breaks: 'CAR-04',
    script: `case $CNI_COMMAND$CNI_ARGS in ADD*IgnoreUnknown=True*) ${refuse(4, 'CNI_ARGS')} ;; esac`,
  },
  {
    name: 'does not name CNI_ARGS where they are no pairs',
    plugin: 'host-local',
    breaks: 'CAR-05',
    script: `case $CNI_COMMAND$CNI_ARGS in ADD=*) ${refuse(4, 'a key is empty')} ;; esac`,
  },
  {
    name: 'answers with an IPv4-mapped address where it was asked so',
    plugin: 'host-local',
    breaks: 'CAR-06',
    script: after(
      `case $CNI_ARGS in IP=::ffff:*) out=$(printf %s "$out" | sed 's|10.77.0.9/24|::ffff:10.77.0.9/120|') ;; esac`,
    ),
  },
  {
    name: 'takes the first plugin of a list for its configuration',
    plugin: 'bridge',
    breaks: 'CFG-25',
    script: reading('ADD', `  case $in in *'"plugins":['*) in=\${in/'"plugins":[{'/}; in=\${in%']}'} ;; esac`),
  },
]
