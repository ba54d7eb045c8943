/**
 * Where the reference plugins are known to deviate: v1.9.1, and 1.1.1 as Debian packages it. Seen by running the suite on
 * them, each with what they do instead. "Code 999" is what they print for whatever has no code of the specification.
 */

import type { Waiver } from './waivers.js'

const CHAINED = ['portmap', 'bandwidth', 'firewall']
const INTERFACE = ['bridge', 'loopback']

/** The same reason for several requirements of some plugins. */
function each(plugins: readonly string[], reason: string, ...ids: string[]): Waiver[] {
  return ids.map((id) => ({ id, plugins, reason }))
}

export const REFERENCE: readonly Waiver[] = [
  // The layer that all of them share
  { id: 'CFG-22', reason: 'a well-known key of the wrong type is code 999, or not looked at' },
  { id: 'ENV-04', reason: 'the error shows the value and does not name CNI_CONTAINERID' },
  { id: 'ENV-09', reason: 'the error shows the value and does not name CNI_IFNAME' },
  { id: 'ERR-02', reason: 'an error has no cniVersion' },
  { id: 'ERR-05', reason: 'the error about a malformed value does not name its variable' },
  { id: 'ROB-07', reason: 'keys are compared without regard to case' },
  { id: 'VER-02', reason: 'VERSION answers its own newest version whatever it is asked with' },
  ...each(
    ['bridge', 'host-local', 'static', 'portmap', 'bandwidth'],
    'a configuration that is wrong in meaning is code 999',
    'ERR-08',
  ),

  ...each(
    ['host-local', 'bridge', 'portmap', 'bandwidth', 'firewall'],
    'there is no GC: the verb does nothing',
    'GC-01',
    'GC-02',
    'GC-03',
    'GC-05',
    'GC-06',
  ),
  ...each(['bridge', 'host-local', 'static'], 'CNI_ARGS that are no pairs are code 999', 'CAR-05'),
  ...each([...CHAINED, 'bridge'], 'DEL fails on a prevResult that is no object', 'DEL-08'),
  { id: 'ROB-12', reason: 'a network name of any length is taken, or refused by the file system with code 999' },

  // Interface plugins
  ...each(
    INTERFACE,
    'the namespace is changed before it is compared with the own one, and result and error are printed',
    'ENV-20',
  ),
  ...each(INTERFACE, 'DEL with a path that is no namespace any more fails', 'DEL-06', 'RTM-40'),
  ...each(
    ['bridge'],
    'the link stays in the container when ADD fails',
    'ADD-11',
    'DLG-08',
    'DLG-11',
    'ROB-43.delegate',
    'ROB-48.delegate',
    'ROB-53.delegate',
    'ROB-56.host',
  ),
  ...each(['bridge'], 'prevResult is dropped without a word', 'ADD-14', 'PRV-03'),
  ...each(['bridge'], 'a MAC that no link can have is code 999', 'CAP-10.invalid'),
  ...each(['bridge'], 'the rules of ipMasq stay when the namespace is gone', 'CFG-21'),
  ...each(['bridge'], 'CHECK looks for routes in the main table alone', 'CHK-01.table'),
  ...each(['bridge'], 'CHECK fails for a strange interface that is listed before its own', 'CHK-11'),
  ...each(['bridge'], 'what IPAM writes on stderr is swallowed when it fails', 'DLG-04'),
  ...each(['bridge'], '1.1.1 drops the DNS of IPAM', 'DLG-13'),
  ...each(['bridge'], 'GC is not handed to IPAM', 'DLG-05', 'GC-09', 'GC-10'),
  ...each(['bridge'], 'IPAM gets no DEL after an ADD that failed', 'DLG-06'),
  ...each(['bridge'], 'an interface name of eth%d makes eth0, which stays', 'ENV-11'),
  ...each(['bridge'], 'mtu, advmss and other newer members are in results of every version', 'RES-05'),
  ...each(['bridge'], 'an interface name that is no UTF-8 makes a link that the result calls otherwise', 'ROB-02'),
  ...each(['bridge'], 'a negative MTU is the default one', 'ROB-09'),
  ...each(['bridge'], 'mtu and advmss of a route are ignored', 'RTE-02'),
  ...each(['bridge'], 'a gateway is filled in for routes of link and host scope, which fails', 'RTE-05'),
  ...each(['bridge'], 'a failed route leaves the link in the container', 'RTE-06'),
  ...each(['bridge'], 'the newer default route is put in front of the older', 'RTE-07'),
  ...each(['bridge'], 'a delegate that never answers is waited for without a limit', 'RTM-41'),
  ...each(['bridge'], 'the bridge that a failed ADD has left makes the next one fail', 'RTM-07', 'RTM-39', 'ERR-06'),
  ...each(
    ['bridge'],
    'a link of another kind that has the name, or a name that no link can have, is code 999',
    'ROB-46',
  ),
  ...each(['bridge'], 'an interface named like the bridge is taken for it by CHECK', 'ROB-46.same'),
  ...each(['bridge'], 'CHECK does not find a gateway that is outside the subnet', 'ROB-50'),
  ...each(['bridge'], 'an MTU that no link can have is code 999', 'ROB-55', 'ROB-55.ipv6'),
  ...each(['bridge'], 'DEL does not find a link that the container has renamed, and leaves its host end', 'ROB-60'),
  ...each(['bridge'], 'STATUS does not look at the bridge', 'STA-02.link'),
  ...each(
    ['loopback'],
    'the result has the newest shape, whatever the version',
    'RES-02',
    'RES-03',
    'RTM-23',
    'DNS-02',
  ),

  // host-local
  ...each(['host-local'], 'IP in CNI_ARGS is wanted besides args.cni.ips', 'ARG-03'),
  ...each(['host-local'], 'CHECK passes while any record is left', 'CHK-09'),
  ...each(['host-local', 'loopback'], 'CHECK does not miss prevResult', 'CHK-02', 'RTM-05'),
  ...each(['host-local'], 'null among the range sets ends in a panic', 'IO-10', 'IO-10.inside'),
  ...each(['host-local'], 'STATUS never looks at pool and directory', 'STA-02', 'STA-08'),
  ...each(['host-local'], 'a lock that is held is waited for without a limit', 'ROB-23'),
  ...each(['host-local'], 'a relative directory is one below the working directory', 'ROB-41'),

  ...each(['host-local'], 'flat ranges are code 999', 'CAP-05'),
  ...each(['host-local', 'static'], 'a missing section is code 999', 'IPM-04'),
  ...each(
    ['static'],
    'an address that the runtime names without a prefix length is code 999',
    'ARG-02',
    'ARG-03',
    'CAP-09',
    'CAR-01',
    'RTM-33.ip',
  ),
  ...each(['host-local'], 'a full pool is code 999', 'IPM-05'),
  ...each(['host-local'], 'what the disk refuses is code 999', 'ROB-36', 'ROB-37', 'ROB-40'),
  ...each(['host-local'], 'what is wrong with a range is code 999', 'ROB-48', 'ROB-49', 'ROB-52', 'ROB-53'),

  // Chained plugins
  ...each(CHAINED, 'newer members stay in results of 1.0.0', 'IFC-03', 'RES-05'),
  ...each(CHAINED, 'members nobody knows are dropped', 'PRV-08'),
  ...each(['portmap', 'firewall'], 'the namespace is not looked at', 'ENV-18', 'ENV-19', 'ROB-45'),
  ...each(['portmap', 'firewall'], 'iptables is looked for in PATH', 'ENV-23'),
  { id: 'ROB-28', plugins: ['firewall'], reason: 'STATUS does not look for iptables' },
  { id: 'IO-10.inside', plugins: ['firewall'], reason: 'null where prevResult has its addresses is a panic' },
  { id: 'ROB-19', plugins: ['host-local'], reason: 'killed between making a lease and writing it, an empty one stays' },
  ...each(
    ['portmap', 'firewall'],
    'the first ones at once make their common chain twice, which fails',
    'CON-01',
    'CON-02',
  ),
  ...each(['bridge'], 'the bridge’s MAC changes as the first ports come, which CHECK then takes for damage', 'CON-01'),
  ...each(['portmap'], 'DEL without the mappings of ADD leaves the rules', 'DEL-10', 'RTM-32'),
  ...each(['portmap'], 'the empty chain of a container stays when ADD fails', 'ADD-11'),
  ...each(['firewall'], 'DEL finds its rules by the addresses of prevResult alone', 'DEL-07', 'DEL-11', 'RTM-05'),
  ...each(['portmap', 'bandwidth'], 'DEL of another interface of the container takes these rules, too', 'DEL-12'),
  ...each(['bandwidth'], 'CHECK passes though the queue is gone', 'CHK-08'),
  ...each(['bandwidth'], 'prevResult without interfaces ends in a panic', 'IO-10', 'IO-10.inside'),
  ...each(CHAINED, 'a missing prevResult is code 999', 'ADD-13'),
  ...each(CHAINED, 'a prevResult of another version, or one that is malformed, is code 999', 'PRV-06', 'PRV-07'),
  ...each(
    ['portmap', 'firewall'],
    'the namespace is compared with the own one last, and result and error are printed',
    'ENV-20',
  ),
  ...each(['portmap'], 'what is wrong with a mapping is code 999, some of it only from iptables', 'CAP-03'),
  ...each(['portmap'], 'prevResult with an address that is null ends in a panic', 'IO-10'),
  ...each(['portmap'], 'STATUS does not miss iptables', 'ROB-28'),
  ...each(['portmap', 'bandwidth'], 'integers are taken as digits alone', 'RTM-04'),
  ...each(['bandwidth'], 'a burst without a rate is code 999, as is a rate without a burst', 'CAP-07'),
  ...each(['bandwidth'], 'an interface name that is no UTF-8 is code 999', 'ROB-02'),
]

/** 1.1.1 deviates in all that, and in what has been mended since. The first that fits is taken. */
export const REFERENCE_1_1_1: readonly Waiver[] = [
  ...each(
    ['portmap'],
    'CHECK looks for the rules of both families, and fails for a container that has one',
    'ARG-01',
    'CAP-01.sctp',
    'CAP-11',
    'CAR-02',
    'CHK-01',
    'CHK-08',
    'CHK-11',
    'CON-02',
    'IO-05',
    'ROB-26',
    'ROB-34',
    'ROB-40',
    'ROB-44',
    'ROB-58',
    'RTM-01',
    'RTM-02',
    'RTM-06',
    'RTM-14',
    'RTM-15',
    'RTM-31',
  ),
  ...each(['firewall'], 'DEL fails without iptables', 'ROB-28'),
  ...each(['host-local'], 'a signal between making a lease and writing it leaves an empty one', 'ROB-20'),
  ...each(['host-local'], 'a pool of /0 is taken for a full one', 'ROB-51.zero'),
  ...REFERENCE,
]
