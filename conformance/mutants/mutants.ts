/**
 * Plugins that break one requirement each: a shell script around a good plugin. The script has `good`, which
 * runs the plugin on the script's stdin; what it does not handle goes to the plugin as it came.
 */

export interface Mutant {
  /** What is wrong with it. */
  readonly name: string
  /** The good plugin's executable. */
  readonly plugin: string
  /** The requirement that is broken: one of its cases must fail. */
  readonly breaks: string
  /** Requirements that cannot be kept either where this one is broken: beginnings of their ids. */
  readonly also?: readonly string[]
  /** Lines of a POSIX shell. */
  readonly script: string
}

/** `good` with its stdout through sed, its status kept. */
function answer(sed: string, when = 'ADD'): string {
  return `if [ "$CNI_COMMAND" = ${when} ]; then
  out=$(good); s=$?
  if [ -n "$out" ]; then printf '%s\\n' "$out" | sed '${sed}'; fi
  exit $s
fi`
}

/** As `answer`, for failures only. */
function failure(sed: string): string {
  return `case $CNI_COMMAND in ADD|DEL|CHECK)
  out=$(good); s=$?
  if [ $s -ne 0 ]; then printf '%s\\n' "$out" | sed '${sed}'; else printf '%s' "$out"; fi
  exit $s
esac`
}

/** `good` with its stdin through sed. */
function input(sed: string, when = 'ADD|DEL|CHECK'): string {
  return `case $CNI_COMMAND in ${when}) sed '${sed}' | good; exit; esac`
}

/** What is done where stdin holds a text; else the input goes on. */
function where(text: string, then: string, when = 'ADD|DEL|CHECK'): string {
  return `case $CNI_COMMAND in ${when})
  in=$(cat; echo .); in=\${in%.}
  case $in in *'${text}'*) ${then} ;; esac
  printf %s "$in" | good; exit
esac`
}

const error = (code: number, msg = 'no') => `{"cniVersion":"1.1.0","code":${code},"msg":"${msg}"}`
const refuse = (code: number, msg = 'no') => `echo '${error(code, msg)}'; exit 1`

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'answers a call without a verb with silence',
    plugin: 'bridge',
    breaks: 'ENV-01',
    script: '[ -n "$CNI_COMMAND" ] || exit 0',
  },
  {
    name: 'takes verbs in lower case',
    plugin: 'bridge',
    breaks: 'ENV-02',
    script: '[ "$CNI_COMMAND" != add ] || export CNI_COMMAND=ADD',
  },
  {
    name: 'invents a container ID',
    plugin: 'bridge',
    breaks: 'ENV-03',
    script: 'case $CNI_COMMAND in ADD|DEL|CHECK) [ -n "$CNI_CONTAINERID" ] || export CNI_CONTAINERID=none ;; esac',
  },
  {
    name: 'cleans container IDs instead of refusing them',
    plugin: 'bridge',
    breaks: 'ENV-04',
    also: ['ROB-43', 'ROB-02'],
    script: `case $CNI_COMMAND in ADD|DEL|CHECK)
  case $CNI_CONTAINERID in *[/\\ :%]*|[._-]*) export CNI_CONTAINERID=clean ;; esac
esac`,
  },
  {
    name: 'takes no ID longer than 200 characters',
    plugin: 'bridge',
    breaks: 'ENV-05',
    also: ['ROB-40'],
    script: `[ \${#CNI_CONTAINERID} -le 200 ] || { ${refuse(4, 'CNI_CONTAINERID')}; }`,
  },
  {
    name: 'succeeds without a namespace',
    plugin: 'host-local',
    breaks: 'ENV-06',
    script: `case $CNI_COMMAND in ADD|CHECK) [ -n "$CNI_NETNS" ] || export CNI_NETNS=/none ;; esac`,
  },
  {
    name: 'does not release without a namespace',
    plugin: 'host-local',
    breaks: 'ENV-07',
    also: ['DEL-05', 'DEL-13', 'IPM-03', 'RTM-25', 'RTM-40', 'RTM-43', 'ROB', 'CON'],
    script: `[ "$CNI_COMMAND$CNI_NETNS" != DEL ] || { ${refuse(4, 'CNI_NETNS')}; }`,
  },
  {
    name: 'has a default interface name',
    plugin: 'host-local',
    breaks: 'ENV-08',
    script: 'case $CNI_COMMAND in ADD|DEL|CHECK) [ -n "$CNI_IFNAME" ] || export CNI_IFNAME=eth0 ;; esac',
  },
  {
    name: 'cuts interface names at 15 bytes',
    plugin: 'host-local',
    breaks: 'ENV-09',
    also: ['ROB-43', 'ROB-02'],
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
    plugin: 'bridge',
    breaks: 'ENV-12',
    script: failure('s/CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME/CNI_CONTAINERID/g'),
  },
  {
    name: 'does GC without a search path',
    plugin: 'bridge',
    breaks: 'ENV-14',
    script: `[ "$CNI_COMMAND$CNI_PATH" != GC ] || export CNI_PATH=/none`,
  },
  {
    name: 'looks at the first entry of the search path alone',
    plugin: 'bridge',
    breaks: 'ENV-15',
    also: ['DLG-03'],
    script: `case $CNI_PATH in */missing:*) export CNI_PATH=\${CNI_PATH%%:*} ;; esac`,
  },
  {
    name: 'wants a namespace that exists for VERSION',
    plugin: 'portmap',
    breaks: 'ENV-17',
    script: `case $CNI_COMMAND$CNI_NETNS in VERSION/no/*) ${refuse(4, 'CNI_NETNS')} ;; esac`,
  },
  {
    name: 'adds to a namespace that is not there',
    plugin: 'portmap',
    breaks: 'ENV-18',
    also: ['ADD-10', 'ADD-11', 'ROB-45'],
    script: `[ "$CNI_COMMAND" != ADD ] || [ -e "$CNI_NETNS" ] || export CNI_NETNS=$(ls -d /run/netns/container* | head -n 1)`,
  },
  {
    name: 'takes any file for a namespace',
    plugin: 'portmap',
    breaks: 'ENV-19',
    also: ['ROB-45'],
    script: `[ "$CNI_COMMAND" != ADD ] || [ ! -f "$CNI_NETNS" ] || case $CNI_NETNS in
  */paths/file) export CNI_NETNS=$(ls -d /run/netns/container* | head -n 1) ;;
esac`,
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
    script: `grep -qz ^PATH= /proc/$$/environ || { ${refuse(4, 'PATH')}; }`,
  },
  {
    name: 'ends with status 0 where it refuses a version',
    plugin: 'host-local',
    breaks: 'IO-01',
    script: where('"9.9.9"', `echo '${error(1)}'; exit 0`, 'ADD'),
  },
  {
    name: 'says where it logs on stdout',
    plugin: 'host-local',
    breaks: 'IO-03',
    also: ['ERR-09', 'IO-01'],
    script: where('"9.9.9"', `echo 'log: /dev/null'; ${refuse(1)}`, 'ADD'),
  },
  {
    name: 'logs to stdout when it is asked to log',
    plugin: 'host-local',
    breaks: 'IO-04',
    script: '[ -z "$CNI_LOG" ] || echo logging',
  },
  {
    name: 'reports what GC has done',
    plugin: 'host-local',
    breaks: 'IO-05',
    also: ['GC', 'ENV-16', 'RTM', 'ROB'],
    script: 'if [ "$CNI_COMMAND" = GC ]; then good; s=$?; [ $s -ne 0 ] || echo done; exit $s; fi',
  },
  {
    name: 'reads the first object of stdin alone',
    plugin: 'host-local',
    breaks: 'IO-06',
    script: input('s/} x$/}/'),
  },
  {
    name: 'takes a closed stdin for an empty object',
    plugin: 'host-local',
    breaks: 'IO-06',
    also: ['ROB-10'],
    script: `[ -e /proc/self/fd/0 ] && [ "$(readlink /proc/self/fd/0)" != /dev/null ] || { ${refuse(7)}; }`,
  },
  {
    name: 'calls an array a bad configuration',
    plugin: 'host-local',
    breaks: 'IO-07',
    script: `case $CNI_COMMAND in ADD|DEL|CHECK)
  in=$(cat; echo .); in=\${in%.}
  [ "$in" != '[]' ] || { ${refuse(7)}; }
  printf %s "$in" | good; exit
esac`,
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
    also: ['ROB-04', 'ROB-05', 'ROB-11', 'ROB-17', 'ROB-12'],
    script: 'case $CNI_COMMAND in ADD) dd bs=65536 count=1 2>/dev/null | good; exit ;; esac',
  },
  {
    name: 'crashes where dns is a number',
    plugin: 'host-local',
    breaks: 'IO-10',
    script: where('"dns":-1', `echo 'panic: dns' >&2; exit 2`, 'ADD'),
  },
  {
    name: 'lists no versions',
    plugin: 'host-local',
    breaks: 'VER-01',
    also: ['VER', 'ENV-17', 'RTM-11', 'ROB'],
    script: `[ "$CNI_COMMAND" != VERSION ] || { echo '{"cniVersion":"1.1.0"}'; exit 0; }`,
  },
  {
    name: 'answers VERSION in its own version',
    plugin: 'host-local',
    breaks: 'VER-02',
    script: answer('s/"cniVersion":"[^"]*"/"cniVersion":"1.1.0"/', 'VERSION'),
  },
  {
    name: 'reads stdin to its end for VERSION',
    plugin: 'host-local',
    breaks: 'VER-04',
    also: ['ROB-10'],
    script: '[ "$CNI_COMMAND" != VERSION ] || { in=$(cat); printf %s "$in" | good; exit; }',
  },
  {
    name: 'calls an advertised version incompatible',
    plugin: 'host-local',
    breaks: 'VER-05',
    also: ['RES', 'CNV', 'RTM', 'ERR-02', 'IPM-01'],
    script: where('"cniVersion":"0.3.1"', refuse(1), 'ADD'),
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
    name: 'takes a network name with a slash',
    plugin: 'host-local',
    breaks: 'CFG-02',
    also: ['ROB-43'],
    script: input('s,"name":"a/b","name":"ab",'),
  },
  {
    name: 'has a default network name',
    plugin: 'host-local',
    breaks: 'CFG-03',
    also: ['CFG-02', 'RTM-07'],
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
    script: `case $CNI_COMMAND in ADD|DEL)
  in=$(cat; echo .); in=\${in%.}
  case $in in *cniVersion*) ;; '{'*'}') in='{"cniVersion":"1.0.0",'\${in#?} ;; esac
  printf %s "$in" | good; exit
esac`,
  },
  {
    name: 'runs a delegate by its path',
    plugin: 'bridge',
    breaks: 'CFG-17',
    also: ['ROB-43'],
    script: where('../outside/suite-ipam', `printf %s "$in" | "\${CNI_PATH##*:}/../outside/suite-ipam"; exit`, 'ADD'),
  },
  {
    name: 'refuses unknown keys without naming them',
    plugin: 'host-local',
    breaks: 'CFG-19',
    also: ['ERR-04'],
    script: where('x-unheard-of', refuse(2, 'unknown key'), 'ADD'),
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
    script: input('s/"dns":"x"/"dns":{}/'),
  },
  {
    name: 'takes null for a value',
    plugin: 'host-local',
    breaks: 'CFG-23',
    script: where('"args":null', refuse(6), 'ADD'),
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
    name: 'shows the bad value and not the variable',
    plugin: 'host-local',
    breaks: 'ERR-05',
    also: ['ENV-04', 'ENV-09'],
    script: failure('s/invalid CNI_[A-Z]*/invalid value/'),
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
    also: ['IO-01', 'IO-03'],
    script: where('"9.9.9"', `echo '${error(1)}' >&2; exit 1`, 'ADD'),
  },
  {
    name: 'answers in another version than it was asked in',
    plugin: 'host-local',
    breaks: 'RES-01',
    also: [
      'VER-05',
      'CHK',
      'RTM',
      'DEL',
      'PRV',
      'IO',
      'ENV',
      'CFG',
      'IPM',
      'ROB',
      'DNS',
      'CON',
      'GC',
      'ADD',
      'CAP',
      'ARG',
      'CAR',
    ],
    script: answer('s/^{"cniVersion":"1.0.0"/{"cniVersion":"1.1.0"/'),
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
    script: answer('/^{"cniVersion":"\\(0[.][34]\\|1[.]0\\)/s/"sandbox"/"mtu":1500,"sandbox"/'),
  },
  {
    name: 'does not list the link it makes on the host',
    plugin: 'bridge',
    breaks: 'RES-06',
    also: ['CHK', 'RTM', 'ROB', 'ADD', 'IO', 'ENV', 'DEL'],
    script: answer('s/"name":"veth[0-9a-f]*"/"name":"cni0"/'),
  },
  {
    name: 'has the container’s namespace by its name',
    plugin: 'bridge',
    breaks: 'RES-07',
    also: ['ENV-21', 'CHK', 'RTM', 'ROB', 'ADD', 'IO', 'ENV', 'DEL', 'GC'],
    script: answer('s,"sandbox":"/run/netns/,"sandbox":",'),
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
    script: answer('s,"dst":"0.0.0.0/0","dst":"0.0.0.0",'),
  },
  {
    name: 'adds a member to dns',
    plugin: 'loopback',
    breaks: 'RES-10',
    also: ['CHK', 'RTM', 'DNS'],
    script: answer('s/"dns":{"/"dns":{"ttl":7,"/'),
  },
  {
    name: 'invents an address where there is none',
    plugin: 'bridge',
    breaks: 'RES-11',
    script: `if [ "$CNI_COMMAND" = ADD ]; then
  out=$(good); s=$?
  case $out in *'"ips"'*|*'"ip4"'*|*'"code"'*) ;; *) out=\${out%?}',"ips":[{"address":"192.0.2.9/24"}]}' ;; esac
  printf '%s\\n' "$out"; exit $s
fi`,
  },
  {
    name: 'turns the order of addresses',
    plugin: 'bridge',
    breaks: 'CNV-01',
    also: ['RTM-28'],
    script: answer('/"10.88.0.9.24".*"fd00:88::9/s/"10[.]88[.]0[.]9.24"/"fd00:88::9\\/64"/'),
  },
  {
    name: 'mixes the oldest shape with lists',
    plugin: 'bridge',
    breaks: 'CNV-02',
    also: ['RES-02'],
    script: answer('/"10.88.0.9.24"/s/,"ip4"/,"ips":[],"ip4"/'),
  },
  {
    name: 'takes the family from the order of the addresses',
    plugin: 'bridge',
    breaks: 'CNV-05',
    also: ['RES-03'],
    script: answer('/"10.88.0.9.24"/s/"version":"6"/"version":"4"/'),
  },
  {
    name: 'drops an interface index of 0',
    plugin: 'portmap',
    breaks: 'CNV-06',
    script: answer('s/"interface":0,*//g'),
  },
  {
    name: 'drops members that are 0',
    plugin: 'portmap',
    breaks: 'PRV-01',
    script: answer('s/,"table":0//g'),
  },
  {
    name: 'replaces the interfaces by its own',
    plugin: 'portmap',
    breaks: 'PRV-02',
    also: ['ADD-12', 'CNV-06', 'PRV', 'RES', 'IFC', 'RTM', 'CHK'],
    script: answer('s/"name":"suite-h1"/"name":"port0"/'),
  },
  {
    name: 'loses a prevResult',
    plugin: 'bridge',
    breaks: 'PRV-03',
    also: ['ADD-14', 'IO-10', 'IFC', 'ROB', 'DLG'],
    script: input('s/"prevResult":/"lost":/', 'ADD'),
  },
  {
    name: 'wants a version in prevResult',
    plugin: 'portmap',
    breaks: 'PRV-05',
    script: where('"prevResult":{"interfaces"', refuse(6), 'ADD'),
  },
  {
    name: 'passes an index beyond the interfaces on',
    plugin: 'portmap',
    breaks: 'PRV-07',
    script: input('s/"interface":5/"interface":0/;s/"interfaces":\\[\\]/"interfaces":[{"name":"x"}]/', 'ADD'),
  },
  {
    name: 'drops members it does not know',
    plugin: 'portmap',
    breaks: 'PRV-08',
    script: answer('s/,"org.example.strange":{"a":\\[1,null\\]}//g'),
  },
  {
    name: 'has nothing to compare with and is content',
    plugin: 'host-local',
    breaks: 'CHK-02',
    also: ['RTM-05', 'ERR-07'],
    script: `if [ "$CNI_COMMAND" = CHECK ]; then
  in=$(cat; echo .); in=\${in%.}
  case $in in *prevResult*|'') ;; *'"name":"suite"'*) exit 0 ;; esac
  printf %s "$in" | good; exit
fi`,
  },
  {
    name: 'never finds a fault',
    plugin: 'portmap',
    breaks: 'CHK-08',
    also: ['ROB', 'RTM', 'DEL', 'GC', 'CON', 'ADD', 'CAP', 'CHK', 'PRV-07', 'ENV', 'ERR', 'IO', 'CFG-02', 'STA'],
    script: `if [ "$CNI_COMMAND" = CHECK ] && [ -n "$CNI_CONTAINERID" ]; then cat >/dev/null; exit 0; fi`,
  },
  {
    name: 'checks at versions that have no CHECK',
    plugin: 'host-local',
    breaks: 'CHK-12',
    script: where('"cniVersion":"0.3.1"', 'exit 0', 'CHECK'),
  },
  {
    name: 'fails a second DEL',
    plugin: 'host-local',
    breaks: 'DEL-02',
    also: ['DEL', 'RTM', 'ROB', 'CON', 'IO', 'GC', 'ENV', 'ADD', 'IPM', 'ERR', 'PRV', 'CNV', 'CFG'],
    script: `if [ "$CNI_COMMAND" = DEL ]; then
  if grep -qs "^$CNI_CONTAINERID" /var/lib/cni/networks/*/[0-9a-f]*; then good; exit; fi
  good >/dev/null && { ${refuse(3)}; }
  exit 1
fi`,
  },
  {
    name: 'wants a prevResult for DEL',
    plugin: 'portmap',
    breaks: 'DEL-07',
    also: ['RTM', 'DEL', 'CFG-23', 'ROB', 'IO-10', 'CON'],
    script: `if [ "$CNI_COMMAND" = DEL ]; then
  in=$(cat; echo .); in=\${in%.}
  case $in in *'"prevResult":{"cniVersion"'*) ;; *'"cniVersion":"1'*) ${refuse(7)} ;; esac
  printf %s "$in" | good; exit
fi`,
  },
  {
    name: 'leaves its rules behind',
    plugin: 'portmap',
    breaks: 'DEL-01',
    also: [
      'DEL',
      'RTM',
      'ROB',
      'CON',
      'IO',
      'GC',
      'ENV',
      'ADD',
      'VER',
      'PRV',
      'CAP',
      'CFG',
      'CHK',
      'ERR',
      'CAR',
      'ARG',
      'STA',
    ],
    script: '[ "$CNI_COMMAND" != DEL ] || [ -z "$CNI_CONTAINERID" ] || { cat >/dev/null; exit 0; }',
  },
  {
    name: 'keeps what nobody accounts for',
    plugin: 'host-local',
    breaks: 'GC-01',
    also: ['GC', 'RTM', 'ROB'],
    script: `if [ "$CNI_COMMAND" = GC ]; then
  in=$(cat; echo .); in=\${in%.}
  case $in in *'"cniVersion":"1.1.0"'*'"valid'*) exit 0 ;; *'"valid'*'"cniVersion":"1.1.0"'*) exit 0 ;; esac
  case $in in *'"cniVersion":"1.1.0"'*) exit 0 ;; esac
  printf %s "$in" | good; exit
fi`,
  },
  {
    name: 'collects garbage at versions that have no GC',
    plugin: 'host-local',
    breaks: 'GC-12',
    script: where('"cniVersion":"1.0.0"', 'exit 0', 'GC'),
  },
  {
    name: 'has a status at versions that have no STATUS',
    plugin: 'host-local',
    breaks: 'STA-07',
    script: where('"cniVersion":"1.0.0"', 'exit 0', 'STATUS'),
  },
  {
    name: 'is always well',
    plugin: 'host-local',
    breaks: 'STA-02',
    also: ['IPM-05', 'ROB', 'STA-08', 'IO-06', 'IO-07'],
    script: where('"cniVersion":"1.1.0"', 'exit 0', 'STATUS'),
  },
  {
    name: 'gives a delegate’s failure a code of its own',
    plugin: 'bridge',
    breaks: 'DLG-12',
    also: ['DLG', 'CHK-10', 'STA-04', 'DEL-14', 'GC-10', 'RTM', 'ADD'],
    script: failure('s/"code":\\(11\\|50\\|1[0-9][0-9]\\),\\("msg":"[^"]*fake\\)/"code":999,\\2/'),
  },
  {
    name: 'does not ask its delegate for STATUS',
    plugin: 'bridge',
    breaks: 'STA-04',
    also: ['DLG-05', 'STA', 'DLG', 'RTM'],
    script: where('"cniVersion":"1.1.0"', 'exit 0', 'STATUS'),
  },
  {
    name: 'lists an interface as an IPAM plugin',
    plugin: 'host-local',
    breaks: 'IPM-01',
    also: ['RES-08'],
    script: answer('/"ips"/s/}$/,"interfaces":[]}/'),
  },
  {
    name: 'answers VERSION differently each time',
    plugin: 'host-local',
    breaks: 'RTM-36',
    script: `if [ "$CNI_COMMAND" = VERSION ]; then good | sed "s/}$/,\\"pid\\":$$}/"; exit; fi`,
  },
  {
    name: 'gives addresses with a zone',
    plugin: 'host-local',
    breaks: 'RTM-13',
    also: ['RES-08', 'CHK', 'RTM', 'IO', 'ENV', 'GC', 'ROB', 'IPM', 'DEL', 'ADD', 'CAP', 'CON', 'CAR', 'ARG'],
    script: answer('s,\\("fd00:77::[0-9a-f]*\\)/64,\\1%eth0/64,'),
  },
  {
    name: 'cannot stand foreign CNI_ARGS',
    plugin: 'portmap',
    breaks: 'RTM-20',
    also: ['CAR', 'ARG', 'RTM'],
    script: `case $CNI_COMMAND$CNI_ARGS in ADD*K8S_POD_UID*) ${refuse(4, 'CNI_ARGS')} ;; esac`,
  },
]
