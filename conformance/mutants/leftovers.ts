/** Plugins whose records go and whose objects of the kernel stay, and plugins that leave what no descriptor excuses. */

import { after, ELSEWHERE, type Mutant, where } from './mutant.js'

const EACH_VERSION = { 'VER-05': 'wants what was before at each version, too' }

/** A GC that has the list of valid attachments under both keys, and in it somebody. */
const OF_SOME = '"cni.dev/attachments":[{"containerID":"'

/** GC of GC-01 runs where it reaches no kernel object of the host. */
const GC_ELSEWHERE = where(OF_SOME, `case $in in *valid-attachments*) ${ELSEWHERE} ;; esac`, 'GC')

/** At one version DEL runs where it reaches no kernel object of the host. */
function delElsewhere(text: string): string {
  return where(text, ELSEWHERE, 'DEL')
}

/** What GC does not know: made by each ADD, and removed by DEL; `$number` is the attachment's own. */
function unknownToGc(make: string, remove: string): string {
  return `number=$(printf %s "$CNI_CONTAINERID/$CNI_IFNAME" | cksum); number=\${number%% *}
${after(`[ $s -ne 0 ] || ${make}`)}
[ "$CNI_COMMAND" != DEL ] || ${remove}`
}

const ALL_OF_GC = {
  'GC-02': 'wants the same removed',
  'GC-03': 'wants the same removed',
  'GC-05': 'wants the same removed',
}

export const LEFTOVERS: readonly Mutant[] = [
  {
    name: 'drops the record and leaves the rules',
    plugin: 'firewall',
    breaks: 'DEL-01',
    also: EACH_VERSION,
    script: delElsewhere('"cniVersion":"0.4.0"'),
  },
  {
    name: 'drops the record and leaves the rules',
    plugin: 'portmap',
    breaks: 'DEL-01',
    also: EACH_VERSION,
    script: delElsewhere('"cniVersion":"0.4.0"'),
  },
  {
    name: 'leaves its device',
    plugin: 'bandwidth',
    breaks: 'DEL-01',
    also: EACH_VERSION,
    script: delElsewhere('"cniVersion":"0.4.0"'),
  },
  {
    name: 'drops the record and leaves the rules of masquerading',
    plugin: 'bridge',
    breaks: 'CFG-21',
    script: delElsewhere('"ipMasq":true'),
  },
  {
    name: 'leaves a route to each container',
    plugin: 'host-gw',
    breaks: 'DEL-01',
    also: EACH_VERSION,
    script: where('"cniVersion":"0.4.0"', 'ip route replace 10.88.0.2 dev suite0 proto 70', 'ADD'),
  },
  {
    name: 'leaves a record of each container',
    plugin: 'host-gw',
    breaks: 'DEL-01',
    also: EACH_VERSION,
    script: where(
      '"cniVersion":"0.3.1"',
      'd=/run/flatnet/suite/host-gw; mkdir -p $d; echo "$CNI_IFNAME" >"$d/$CNI_CONTAINERID"',
      'ADD',
    ),
  },
  {
    name: 'leaves an entry for each container in the table of its device',
    plugin: 'vxlan',
    breaks: 'DEL-01',
    also: EACH_VERSION,
    script: where(
      '"cniVersion":"0.4.0"',
      `out=$(printf %s "$in" | good); s=$?; printf '%s\\n' "$out"
    bridge fdb replace 02:00:00:63:00:01 dev flat.1 dst 10.99.0.9; exit $s`,
      'ADD',
    ),
  },
  {
    name: 'drops records of stale ones at GC and leaves their rules',
    plugin: 'firewall',
    breaks: 'GC-01',
    script: GC_ELSEWHERE,
  },
  {
    name: 'drops records of stale ones at GC and leaves their rules',
    plugin: 'portmap',
    breaks: 'GC-01',
    script: GC_ELSEWHERE,
  },
  {
    name: 'leaves devices of stale ones at GC',
    plugin: 'bandwidth',
    breaks: 'GC-01',
    script: GC_ELSEWHERE,
  },
  {
    name: 'leaves rules of masquerading of stale ones at GC',
    plugin: 'bridge',
    breaks: 'GC-01',
    script: where('"ipMasq":true', ELSEWHERE, 'GC'),
  },
  {
    name: 'has a record of each container that GC does not know',
    plugin: 'host-gw',
    breaks: 'GC-01',
    also: ALL_OF_GC,
    script: unknownToGc('touch /run/flatnet/suite/host-gw/$number', 'rm -f /run/flatnet/suite/host-gw/$number'),
  },
  {
    name: 'has a link for each container that GC does not know',
    plugin: 'vxlan',
    breaks: 'GC-01',
    also: ALL_OF_GC,
    script: unknownToGc('ip link add pod$number type bridge', 'ip link del pod$number 2>/dev/null'),
  },
]
