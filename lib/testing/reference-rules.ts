/** Where flatnet differs from the reference, and why. */

export interface Difference {
  /** `ADD host link cni0.address`; absent on one side is undefined there. */
  readonly key: string
  readonly ours: string | undefined
  readonly theirs: string | undefined
  /** The case. */
  readonly name: string
  readonly version: string
  /** Of ADD, ours and theirs: `0` or `1`. */
  readonly status: readonly (string | undefined)[]
}

export interface Rule {
  readonly name: string
  readonly reason: string
  /** Only of Debian's 1.1.1. */
  readonly older?: true
  covers(difference: Difference): boolean
}

/** Names of bridges and of containers' interfaces in the configurations that are compared. */
const NAMES: Readonly<Record<string, string>> = {
  BRIDGE: '(?:cni0|mynet0|br\\.1-x|bridge-name-xyz)',
  CONTAINER: '(?:eth0|net1|a|fifteen-letters)',
}

/** A regular expression with `BRIDGE` and `CONTAINER` in it. */
function named(pattern: RegExp): RegExp {
  return new RegExp(pattern.source.replace(/BRIDGE|CONTAINER/g, (name) => NAMES[name] ?? name))
}

/** Matches a key, and both values where they are given; null is for what is not there. */
export function where(
  key: RegExp,
  ours?: RegExp | undefined | null,
  theirs?: RegExp | undefined | null,
): (difference: Pick<Difference, 'key' | 'ours' | 'theirs'>) => boolean {
  return matches(named(key), ours && named(ours), theirs && named(theirs))
}

function matches(key: RegExp, ours: RegExp | undefined | null, theirs: RegExp | undefined | null) {
  const fits = (wanted: RegExp | undefined | null, value: string | undefined) =>
    wanted === undefined || (wanted === null ? value === undefined : value !== undefined && wanted.test(value))
  return (difference: Pick<Difference, 'key' | 'ours' | 'theirs'>) =>
    key.test(difference.key) && fits(ours, difference.ours) && fits(theirs, difference.theirs)
}

/** How the kernel is set up: of any configuration of bridge with these names. */
export const KERNEL_RULES: readonly Rule[] = [
  {
    name: 'the bridge has a MAC of its own',
    reason: 'the reference lets a layer-2 bridge take the lowest of its ports, and change it when that port leaves',
    covers: where(/^(ADD result\.interfaces\.\d\.mac|(ADD|DEL) host link BRIDGE\.address)$/, /^MAC of BRIDGE$/),
  },
  {
    name: 'links say whose they are',
    reason: 'the alias names network, container and interface, for people and for GC',
    covers: where(/^(ADD|DEL) host link \S+\.ifalias$/, /./, null),
  },
  {
    name: 'a port has no address',
    reason: 'its link-local address is of no use, and the search for duplicates of it is seen on the bridge',
    covers: (difference) =>
      where(
        /^(ADD|DEL) host (address veth\d* fe80::LL\/64|route main unicast fe80::\/64 via {2}dev veth\d* metric 256)/,
        null,
        /./,
      )(difference) ||
      where(/^(ADD|DEL) host route local (local fe80::LL|anycast fe80::) via {2}dev veth\d*/, null, /./)(difference) ||
      where(/^(ADD|DEL) host link veth\d*\.inet6_addr_gen_mode$/, /^none$/, /^eui64$/)(difference),
  },
  {
    name: 'a bridge does not snoop multicast',
    reason: 'where nobody asks who listens, snooping holds nothing back, and sets timers for all ports at each ADD',
    covers: where(/^(ADD|DEL) host link \S+\.linkinfo\.info_data\.mcast_snooping$/, /^0$/, /^1$/),
  },
  {
    name: 'a port keeps the queue length of the kernel',
    reason: 'the reference sets 0, which veth does not use',
    covers: where(/^(ADD|DEL) host link veth\d*\.txqlen$/, /^1000$/, null),
  },
  {
    name: 'nobody waits for duplicate addresses on the bridge',
    reason: 'while its addresses are tentative a bridge forwards no IPv6: 2 s without the network after the first ADD',
    covers: (difference) =>
      where(/sysctl net\/ipv6\/conf\/BRIDGE\/accept_dad$/, /^0$/, /^1$/)(difference) ||
      where(/host address BRIDGE \S+\.tentative$/, null, /^true$/)(difference) ||
      where(/host address BRIDGE \S+\.nodad$/, /^true$/, null)(difference) ||
      where(/host route local (local|anycast) \S+ via {2}dev BRIDGE metric 0$/, /./, null)(difference),
  },
  {
    name: 'addresses of IPAM need no search for duplicates',
    reason: 'the flag says so for the address itself, whatever the sysctl of the link becomes',
    covers: where(/^(ADD|DEL) container address \S+ fd0\S+\.nodad$/, /^true$/, null),
  },
  {
    name: 'a container with addresses ignores router advertisements',
    reason: 'whoever else is on the segment must not give it addresses and routes that IPAM does not know',
    covers: where(/^(ADD|DEL) container sysctl net\/ipv6\/conf\/CONTAINER\/(accept_ra|autoconf)$/, /^0$/, /^1$/),
  },
  {
    name: 'a reused IPv6 address is announced',
    reason: 'the reference announces IPv4 addresses only (arp_notify)',
    covers: where(/^(ADD|DEL) container sysctl net\/ipv6\/conf\/CONTAINER\/ndisc_notify$/, /^1$/, /^0$/),
  },
  {
    name: 'interfaces tell their MTU',
    reason: 'a member of 1.1.0 that the reference leaves out',
    covers: where(/^ADD result\.interfaces\.\d\.mtu$/, /./, null),
  },
]

export const RULES: readonly Rule[] = [
  ...KERNEL_RULES,
  {
    name: 'errors have codes',
    reason: 'the reference says 999 for what it refuses itself; the specification has codes, and runtimes read them',
    covers: where(/error code$/, /^(?!999$)/, /^(999|0)$/),
  },
  {
    name: 'a failed ADD is undone',
    reason: 'the reference leaves the bridge, the veth pair, addresses and sysctls of an ADD that failed behind',
    covers: ({ key, ours, status }) =>
      status[0] !== '0' &&
      /^(ADD|DEL) (host|container) (link|address|route|sysctl) /.test(key) &&
      (ours === undefined || /sysctl/.test(key)),
  },
  {
    name: 'DEL succeeds whatever is wrong with the configuration',
    reason: 'a DEL that fails is repeated for ever, and the pod stays',
    covers: (difference) =>
      where(/^DEL status$/, /^0$/, /^1$/)(difference) || where(/^DEL error code$/, null, /./)(difference),
  },
  {
    name: 'CHECK succeeds at layer 2',
    reason: 'the reference asks an IPAM plugin without a name, and always fails',
    covers: (difference) =>
      /^(layer 2|MAC from)/.test(difference.name) &&
      (where(/^CHECK status$/, /^0$/, /^1$/)(difference) || where(/^CHECK error code$/, null, /./)(difference)),
  },
  {
    name: 'CHECK finds routes in tables of their own',
    reason: 'the reference looks into the main table only, and always fails',
    covers: (difference) =>
      difference.name === 'route in a table' &&
      (where(/^CHECK status$/, /^0$/, /^1$/)(difference) || where(/^CHECK error code$/, null, /./)(difference)),
  },
  {
    name: 'a bridge of somebody else takes router advertisements as before',
    reason: 'it may be the uplink, whose own address comes from them',
    covers: where(/^(ADD|DEL) host sysctl net\/ipv6\/conf\/cni0\/accept_ra$/, /^1$/, /^0$/),
  },
  {
    name: 'results before 1.1.0 have no members of 1.1.0',
    reason: 'routes had dst and gw only; the kernel has them with all that was asked for',
    covers: where(/^ADD result\.routes\.\d\.(mtu|advmss|priority|table|scope)$/, null, /./),
  },
  {
    name: 'routes have their MTU and MSS',
    reason: 'the reference ignores them',
    covers: (difference) =>
      difference.name === 'route with MTU and MSS' && where(/^ADD container route .*\.metrics/, /./, null)(difference),
  },
  {
    name: 'no DNS is none',
    reason: '1.1.1 prints an empty object',
    older: true,
    covers: where(/^ADD result\.dns$/, null, /^there$/),
  },
  {
    name: 'the container’s end keeps the queue length of the kernel',
    reason: '1.1.1 sets 0, which veth does not use',
    older: true,
    covers: where(/^ADD container link \S+\.txqlen$/, /^1000$/, null),
  },
  {
    name: 'CHECK finds IPv6 routes without next hop',
    reason: '1.1.1 compares them with a next hop of none, and fails',
    older: true,
    covers: (difference) =>
      /^(routes by the gateway|route of another spelling)$/.test(difference.name) &&
      (where(/^CHECK status$/, /^0$/, /^1$/)(difference) || where(/^CHECK error code$/, null, /./)(difference)),
  },
  succeeds(
    'two gateways of one family',
    'two IPv4 sets, gateway',
    'each range has its own; the reference wants forceAddress, and then the last one wins',
  ),
  succeeds(
    'a route of link scope has no next hop',
    'route of link scope',
    'the reference gives it the gateway of the address, which the kernel refuses',
  ),
  succeeds(
    'a default route without next hop is one',
    'default route from IPAM without next hop',
    'the reference does not see it, adds its own, and fails at the second',
  ),
  succeeds(
    'keys in CNI_ARGS that we do not know are not ours',
    'CNI_ARGS with a key that nobody knows',
    'each plugin of a list gets the arguments of all; the reference needs IgnoreUnknown',
  ),
]

/** Flatnet does what the reference refuses: then all of it is a difference, and only in that case. */
function succeeds(name: string, only: string, reason: string): Rule {
  return { name, reason, covers: ({ name: of, status }) => of === only && status[0] === '0' && status[1] === '1' }
}
