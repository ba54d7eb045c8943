/** Of every plugin: the protocol, errors, and what is left behind. */

import { KERNEL_RULES } from '../../../lib/testing/reference-rules.js'
import { after, all, any, having, not, of, onlyOursSucceeds, outcome, type Rule, succeeds, where } from './rule.js'

export const COMMON: readonly Rule[] = [
  ...KERNEL_RULES.map(
    ({ name, reason, covers }): Rule => ({
      name,
      reason,
      covers: (difference) => covers({ ...difference, name: difference.what.title }),
    }),
  ),
  {
    name: 'errors have codes',
    reason: 'the reference says 999 for what it refuses itself; the specification has codes, and runtimes read them',
    covers: ({ key, ours, theirs, what }) =>
      /^(ADD|CHECK|STATUS|DEL) error code$/.test(key) &&
      theirs === '999' &&
      what.code !== undefined &&
      ours === String(what.code),
  },
  {
    name: 'a previous result that cannot be decoded is code 6',
    reason: 'the reference says 999; the specification has a code for it',
    covers: all(
      any(
        having('prevResult', '"x"', '{"ips":"x"}', '{"interfaces":[{"name":5}]}', '{"cniVersion":"9.9.9"}'),
        having('chain', 'prevResult as text', 'prevResult of another version'),
      ),
      where(/ error code$/, /^6$/, /^999$/),
    ),
  },
  {
    name: 'a failed ADD is undone',
    reason:
      'the reference leaves the bridge, the veth pair, addresses, sysctls, the state of lo and lease files of an ADD that failed behind',
    covers: ({ key, ours, theirs, bothFailed }) =>
      bothFailed &&
      ((/^(ADD|DEL) (host|container) (link|address|route|sysctl|qdisc|filter) /.test(key) &&
        (ours === undefined || / sysctl | container link lo\.(flags|qdisc)$| host link \S+\.\w+$/.test(key))) ||
        (/^(ADD|DEL) lease /.test(key) && (ours === undefined || theirs === undefined))),
  },
  {
    name: 'a lease that a failed ADD gave back is the last one given',
    reason: 'the next ADD takes the next; the reference’s next ADD fails before it asks for a lease',
    covers: ({ key, bothFailed }) => bothFailed && /^(ADD|DEL) lease \S+\/last_reserved_ip/.test(key),
  },
  {
    name: 'tables go with what is last in them',
    reason: 'the reference leaves its own, and an empty nat table of iptables',
    covers: where(/^END table (ip|ip6|inet|bridge) (nat|filter|cni_hostport|cni_plugins_masquerade)$/, null, /./),
  },
  {
    name: 'DEL without a namespace removes the link',
    reason:
      'it is known by its alias; the reference leaves it to the kernel, which removes it some time after the namespace',
    covers: ({ key, ours, what }) =>
      what.steps.includes('DEL netnsless') &&
      /^DEL (host|container) (link|address|route|sysctl|qdisc|filter) /.test(key) &&
      (ours === undefined || /^DEL host link \S+\.(mtu|address)$/.test(key)),
  },
  {
    name: 'the bridge keeps its MAC, so CHECK finds it',
    reason: 'the reference’s changed with the other container, and its CHECK fails',
    covers: all(({ what }) => what.steps.includes('OTHER'), onlyOursSucceeds('CHECK')),
  },
  {
    name: 'what the kernel refuses is code 105',
    reason: 'the reference says 999 for everything',
    covers: where(/^ADD error code$/, /^105$/, /^999$/),
  },
  {
    name: 'the store is made when there is something to store',
    reason: 'the reference makes the directory and its lock on DEL and CHECK too',
    covers: ({ key, ours, theirs }) =>
      ours === undefined && /^(ADD|DEL) lease \S+?(\/lock)?$/.test(key) && /^(d 755|f 750) $/.test(theirs ?? ''),
  },
  {
    name: 'DEL succeeds whatever is wrong with the configuration',
    reason: 'a DEL that fails is repeated for ever, and the pod stays',
    covers: all(
      ({ what }) => what.code !== undefined,
      any(onlyOursSucceeds('DEL'), where(/^(ADD|DEL) lease [^/]*\/lock$/, /^f 750 $/, null)),
    ),
  },
  {
    name: 'who delegates to nobody needs no CNI_PATH',
    reason: 'the specification requires it of nobody; the reference of every plugin',
    covers: all(having('CNI_PATH', '""'), any(where(/ error code$/, undefined, /^4$/), outcome(null, /^1$/))),
  },
  succeeds(
    'who delegates to nobody needs no CNI_PATH for ADD',
    'the specification requires it of nobody; the reference of every plugin',
    having('CNI_PATH', '""'),
  ),
  succeeds(
    'keys in CNI_ARGS that we do not know are not ours',
    'each plugin of a list gets the arguments of all; the reference needs IgnoreUnknown',
    any(
      having('CNI_ARGS', 'FOO=bar', 'FOO=bar;IgnoreUnknown=0'),
      having('MAC', 'CNI_ARGS without IgnoreUnknown'),
      having('requested addresses', 'CNI_ARGS without IgnoreUnknown'),
    ),
  ),
  succeeds(
    'a value in CNI_ARGS may have an equals sign in it, and a semicolon may end the list',
    'a pair ends where its key does; the reference wants exactly one',
    having('CNI_ARGS', 'IgnoreUnknown=1;a=b=c', 'IgnoreUnknown=1;', ';'),
  ),
  {
    name: 'null is no configuration',
    reason: 'code 6; the reference misses a name in it, code 7',
    covers: all(having('spelling', 'null'), where(/ error code$/, /^6$/, /^7$/)),
  },
  {
    name: 'a name that is no text is code 7',
    reason: 'the text is JSON, and the configuration is wrong; the reference says 6',
    covers: all(having('network.name', '5'), where(/ error code$/, /^7$/, /^6$/)),
  },
  {
    name: 'the host’s own namespace is not touched',
    reason: 'code 4, before anything is done; the reference does it all, and prints an error behind the result',
    covers: all(having('CNI_NETNS', '"/proc/self/ns/net"'), ({ status }) => status[0] === '1' && status[1] === '1'),
  },
  {
    name: 'STATUS says what is wrong with the configuration',
    reason: 'the next ADD would fail; the reference’s looks at nothing but the version',
    covers: all(
      ({ what }) => what.code !== undefined,
      where(/^STATUS /),
      ({ ours, key, what, seen }) =>
        seen.ours.get('STATUS error code') === String(what.code) && (ours !== undefined || key.endsWith('output')),
    ),
  },
  {
    name: 'no interface names of a template',
    reason: 'the kernel makes a name of its own from %d, and the result would tell another',
    covers: having('CNI_IFNAME', '"a%d"'),
  },
  {
    name: 'an interface asked for twice has its leases',
    reason: 'a runtime that lost the answer asks again; the reference refuses, and leases are lost',
    covers: all(of('host-local'), after('AGAIN'), outcome(null, /^1$/)),
  },
  {
    name: 'and the result that goes with it',
    reason: 'it is the same as the first one’s',
    covers: all(of('host-local'), after('AGAIN'), where(/^ADD result$/, /^there$/, null)),
  },
  {
    name: 'the last address is replaced as a file',
    reason: 'a reader never sees half of it; so it has our mode, not that of whoever wrote it before',
    covers: ({ key, ours, theirs }) =>
      /^(ADD|DEL) lease \S+\/last_reserved_ip\.\d$/.test(key) && ours === theirs?.replace(/^f 644 /, 'f 600 '),
  },
  {
    name: 'no DNS is none',
    reason: 'and the reference of 1.1.1 prints an empty object',
    covers: all(not(of('loopback')), where(/^ADD result\.dns$/, null, /^there$/)),
  },
]
