/** bridge, at layer 2 or with host-local: every key of both. */

import { type Factor, flag, key, raw, type Scenario, unset, type Value, value } from '../factor.js'
import {
  addresses,
  DATA_DIR,
  FAMILIES,
  forbidsAddresses,
  GATEWAY,
  IP_RANGES,
  RANGE_END,
  RANGE_START,
  REQUESTS,
  RESOLV_CONF,
  ROUTES,
  STORE,
} from './addresses.js'
import {
  before,
  CNI_ARGS,
  CNI_PATH,
  CONTAINER_ID,
  calls,
  emptyDraft,
  IF_NAME,
  NAME,
  NETNS,
  PREV_RESULT,
  pluginOf,
  SPELLING,
  version,
} from './common.js'

const BRIDGE = key('main.bridge', {
  good: ['mynet0'],
  edge: [null, 'br.1-x', 'bridge-name-xyz'],
  bad: ['', 'sixteen-letters!', 'lo', 'eth0', 'a/b', 'a b', '..', 5, {}],
})

const MTU = key('main.mtu', {
  good: [1400, 9000],
  edge: [0, null, 1280, 65535],
  bad: [-1, 67, 65536, 2 ** 32, 1500.5, '1500', true, raw('1500.0'), raw('1e3')],
})

const MODES: Factor = {
  name: 'mode',
  values: [
    unset,
    value('main.hairpinMode', true, { id: 'hairpinMode' }),
    value('main.promiscMode', true, { id: 'promiscMode' }),
    value('main.hairpinMode', false, { id: 'hairpinMode false', kind: 'edge' }),
    value('main.promiscMode', null, { id: 'promiscMode null', kind: 'edge' }),
    value('main.hairpinMode', 'true', { id: 'hairpinMode as text', kind: 'bad' }),
    value('main.promiscMode', 1, { id: 'promiscMode as a number', kind: 'bad' }),
    {
      id: 'both modes',
      kind: 'bad',
      apply: ({ main }) => void Object.assign(main, { hairpinMode: true, promiscMode: true }),
    },
  ],
}

/** Whether the running kernel filters VLANs, a VLAN is a value or a fault. */
function vlans(kernel: { readonly vlans: boolean }): Factor[] {
  const known = kernel.vlans ? { kind: 'good' as const } : { kind: 'bad' as const, code: 105 }
  const of = (path: string, what: unknown, more: Partial<Value> = {}) => value(path, what, { ...known, ...more })
  return [
    key(
      'main.vlan',
      { edge: [0, null], bad: [-1, -100, 4095, 5000, '100', 1.5, true] },
      of('main.vlan', 1),
      of('main.vlan', 100),
      of('main.vlan', 4094),
    ),
    key(
      'main.vlanTrunk',
      {
        edge: [null],
        bad: [
          [{ id: 0 }],
          [{ id: 4095 }],
          [{ minID: 20 }],
          [{ maxID: 20 }],
          [{ minID: 20, maxID: 10 }],
          [{ minID: 0, maxID: 10 }],
          [{ id: '7' }],
          [7],
          'x',
          {},
        ],
        recent: true,
      },
      of('main.vlanTrunk', [], kernel.vlans ? { kind: 'edge' } : {}),
      of('main.vlanTrunk', [{}], { kind: 'bad', code: 7 }),
      of('main.vlanTrunk', [{ id: 101 }, { minID: 200, maxID: 210 }], { recent: true }),
      of('main.vlanTrunk', [{ id: 1, minID: 3, maxID: 3 }, { id: 1 }], { recent: true }),
    ),
    flag('main.preserveDefaultVlan', { recent: true }),
  ]
}

const MASQUERADE: Factor = {
  name: 'ipMasq',
  values: [
    unset,
    masquerade('true', { ipMasq: true }),
    masquerade('nftables', { ipMasq: true, ipMasqBackend: 'nftables' }, { recent: true }),
    masquerade('iptables', { ipMasq: true, ipMasqBackend: 'iptables' }, { recent: true }),
    masquerade('false', { ipMasq: false, ipMasqBackend: 'nftables' }, { kind: 'edge' }),
    masquerade('null', { ipMasq: null, ipMasqBackend: null }, { kind: 'edge' }),
    masquerade('another backend', { ipMasq: true, ipMasqBackend: 'ipchains' }, { kind: 'bad', recent: true }),
    masquerade('another backend, unused', { ipMasqBackend: 'ipchains' }, { kind: 'bad' }),
    masquerade('text', { ipMasq: 'true' }, { kind: 'bad' }),
    masquerade('backend as a number', { ipMasq: true, ipMasqBackend: 5 }, { kind: 'bad' }),
  ],
}

function masquerade(id: string, keys: object, more: Partial<Value> = {}): Value {
  return {
    id,
    kind: 'good',
    ...more,
    apply(draft) {
      Object.assign(draft.main, keys)
      if (more.kind !== 'bad') draft.probes = [...draft.probes, 'masquerade']
    },
  }
}

const SPOOF_CHECK: Factor = {
  name: 'macspoofchk',
  values: [
    unset,
    {
      id: 'true',
      kind: 'good',
      apply(draft) {
        draft.main.macspoofchk = true
        draft.probes = [...draft.probes, 'spoof']
      },
    },
    value('main.macspoofchk', null, { kind: 'edge' }),
    value('main.macspoofchk', 'true', { kind: 'bad' }),
  ],
}

const MAC = '02:42:ac:11:00:0b'

function mac(id: string, where: Record<string, string>, asked = MAC, more: Partial<Value> = {}): Value {
  return {
    id,
    kind: 'good',
    ...more,
    apply(draft) {
      if (where['capability'] !== undefined) draft.runtime.mac = where['capability']
      if (where['args'] !== undefined) draft.args.mac = where['args']
      if (where['CNI_ARGS'] !== undefined) draft.cniArgs.push(`IgnoreUnknown=1;MAC=${where['CNI_ARGS']}`)
      draft.macs.push(asked)
    },
  }
}

const LOW = '02:42:ac:11:00:01'
const wrongMac = (text: unknown, code = 7): Value =>
  value('runtime.mac', text, { id: `capability ${JSON.stringify(text)}`, kind: 'bad', code })

const MAC_ADDRESS: Factor = {
  name: 'MAC',
  values: [
    unset,
    mac('capability', { capability: MAC }),
    mac('args', { args: MAC }),
    mac('CNI_ARGS', { CNI_ARGS: MAC }),
    mac('CNI_ARGS and args', { CNI_ARGS: LOW, args: MAC }),
    mac('all three', { CNI_ARGS: LOW, args: LOW, capability: MAC }),
    mac('dashes', { capability: '02-42-AC-11-00-0B' }, MAC, { kind: 'edge' }),
    mac('dots', { capability: '0242.ac11.000b' }, MAC, { kind: 'edge' }),
    mac('empty above another', { capability: '', args: MAC }, MAC, { kind: 'edge' }),
    wrongMac('xx:yy'),
    wrongMac('02:42:ac:11:00'),
    wrongMac('02:42:ac:11:00:0b:0c:0d'),
    wrongMac('01:00:5e:00:00:01'),
    wrongMac('ff:ff:ff:ff:ff:ff'),
    wrongMac('00:00:00:00:00:00'),
    wrongMac(5),
    mac('bad in CNI_ARGS', { CNI_ARGS: 'xx' }, MAC, { kind: 'bad' }),
    mac('bad in args', { args: 'xx' }, MAC, { kind: 'bad' }),
    {
      id: 'CNI_ARGS without IgnoreUnknown',
      kind: 'bad',
      code: 0,
      apply(draft) {
        draft.cniArgs.push(`MAC=${MAC}`)
        draft.macs.push(MAC)
      },
    },
  ],
}

const DNS = key('main.dns', {
  good: [{ nameservers: ['10.1.0.53'], domain: 'example', search: ['a', 'b'], options: ['ndots:2'] }],
  edge: [null, {}, { domain: 'example' }, { nameservers: [] }, { domain: '' }],
  bad: ['x', [], { nameservers: '10.1.0.53' }, { domain: 5 }, { search: [5] }],
})

/** What is on the host, or in the container, before. */
const BEFORE: Factor = {
  name: 'before',
  values: [
    unset,
    before('a bridge that is up', 'good', 'ip link add $BRIDGE type bridge; ip link set $BRIDGE up'),
    before('a bridge that is down', 'edge', 'ip link add $BRIDGE mtu 1300 type bridge'),
    before(
      'a bridge with its address',
      'good',
      'ip link add $BRIDGE type bridge; ip link set $BRIDGE up; ip addr add 10.1.0.1/24 brd + dev $BRIDGE; ip addr add fd01::1/64 dev $BRIDGE nodad',
    ),
    before(
      'a bridge with an IPv6 network of its own',
      'edge',
      'ip link add $BRIDGE type bridge; ip link set $BRIDGE up; ip addr add fdee::1/64 dev $BRIDGE nodad',
    ),
    before(
      'a default route in the container',
      'edge',
      'inside ip link add w type veth peer name x; inside ip addr add 10.5.0.2/24 dev w; inside ip link set x up; inside ip link set w up; inside ip route add default via 10.5.0.1',
    ),
    before(
      'IPv6 disabled in the container',
      'edge',
      'inside sh -c "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6"',
    ),
    before(
      'forwarding',
      'edge',
      'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding',
    ),
    before(
      'a bridge with another address',
      'bad',
      'ip link add $BRIDGE type bridge; ip link set $BRIDGE up; ip addr add 10.8.0.1/24 dev $BRIDGE',
      7,
    ),
    before('a link that is no bridge', 'bad', 'ip link add $BRIDGE type veth peer name v2', 7),
    before('the interface name is taken', 'bad', 'inside ip link add $CNI_IFNAME type veth peer name y', 101),
  ],
}

const ENABLE_DAD = key(
  'main.enabledad',
  { edge: [false, null], bad: ['true', 1], recent: true },
  {
    ...value('main.enabledad', true, { recent: true }),
    slow: true,
  },
)

/** Without addresses there is nothing to chain to. */
const CALLS = calls(
  ['ADD', 'CHECK', 'DEL'],
  ['ADD', 'CHECK', 'DEL', 'DEL twice'],
  ['ADD', 'AGAIN', 'CHECK', 'DEL'],
  ['ADD', 'OTHER', 'CHECK', 'OTHER DEL', 'DEL'],
  ['ADD', 'DEL gone'],
  ['ADD', 'DEL netnsless'],
  ['DEL', 'ADD', 'DEL'],
  ['STATUS', 'ADD', 'DEL'],
)

export function bridge(kernel: { readonly vlans: boolean }): Scenario {
  return {
    name: 'bridge',
    factors: [
      version(),
      addresses({ layer2: true }),
      BRIDGE,
      flag('main.isGateway'),
      flag('main.isDefaultGateway'),
      flag('main.forceAddress'),
      MASQUERADE,
      MTU,
      MODES,
      ...vlans(kernel),
      SPOOF_CHECK,
      ENABLE_DAD,
      flag('main.disableContainerInterface', { recent: true }),
      flag('main.portIsolation', { recent: true }),
      DNS,
      MAC_ADDRESS,
      RANGE_START,
      RANGE_END,
      GATEWAY,
      ROUTES,
      RESOLV_CONF,
      DATA_DIR,
      REQUESTS,
      IP_RANGES,
      STORE,
      BEFORE,
      CALLS,
      NAME,
      CONTAINER_ID,
      IF_NAME,
      NETNS,
      CNI_PATH,
      CNI_ARGS,
      SPELLING,
      PREV_RESULT,
    ],
    together: [
      { values: { addresses: 'layer 2', cniVersion: '0.2.0' }, code: 7 },
      { values: { addresses: 'layer 2', cniVersion: 'unset' }, code: 7 },
      { values: { addresses: 'two IPv4 sets', cniVersion: '0.1.0' }, code: 7 },
      { values: { addresses: 'two IPv6 sets', cniVersion: '0.2.0' }, code: 7 },
      { values: { addresses: 'two IPv4 sets', 'main.isGateway': 'true', cniVersion: '1.1.0' }, code: 0 },
      {
        values: {
          addresses: 'two IPv4 sets',
          'main.isGateway': 'true',
          cniVersion: '0.4.0',
          'main.forceAddress': 'true',
        },
        code: 0,
      },
      {
        values: { addresses: 'IPv4', 'runtime.ipRanges': 'IPv4', 'main.isGateway': 'true', cniVersion: '1.0.0' },
        code: 0,
      },
      { values: { addresses: 'IPv4', 'main.disableContainerInterface': 'true' }, code: 7 },
      { values: { addresses: 'both', 'main.isDefaultGateway': 'true', routes: 'default without next hop' }, code: 0 },
      { values: { addresses: 'IPv6', 'main.isDefaultGateway': 'true', routes: 'default without next hop' }, code: 0 },
      { values: { addresses: 'IPv4', 'main.isGateway': 'true', before: 'a bridge with another address' }, code: 7 },
      {
        values: {
          addresses: 'IPv4',
          'main.isGateway': 'true',
          'main.forceAddress': 'true',
          before: 'a bridge with another address',
        },
        code: 0,
      },
      { values: { addresses: 'IPv6', 'main.mtu': '1279' }, code: 7 },
      { values: { addresses: 'IPv4', 'main.mtu': '68' }, code: 0 },
      { values: { addresses: 'both', MAC: 'CNI_ARGS', 'requested addresses': 'capability' }, code: 0 },
    ],
    forbids: forbids,
    draft() {
      const draft = emptyDraft()
      draft.main.bridge = 'cni0'
      return draft
    },
    plugins(draft) {
      return [pluginOf('bridge', { ...draft.main, ipam: draft.ipam }, draft)]
    },
  }
}

function forbids(of: (factor: string) => string | undefined): boolean {
  if (forbidsAddresses(of)) return true
  const said = (factor: string) => (of(factor) ?? 'unset') !== 'unset'
  const chosen = of('addresses')
  const families = chosen === undefined ? undefined : FAMILIES[chosen]
  const isLayer2 = chosen === 'layer 2'
  const yes = (factor: string) => of(factor) === 'true'
  const isGateway = yes('main.isGateway') || yes('main.isDefaultGateway')
  const isOld = ['0.1.0', '0.2.0', 'unset', '""', 'null'].includes(of('cniVersion') ?? '1.1.0')
  const runtime4 = of('runtime.ipRanges') === 'IPv4'
  const v4 = `${families ?? ''}${runtime4 ? '4' : ''}`.split('4').length - 1
  if (isLayer2 && isOld) return true
  if (!isLayer2 && chosen !== undefined && yes('main.disableContainerInterface')) return true
  if (isGateway && v4 > 1) return true
  if (isGateway && chosen === 'two ranges in a set') return false
  if (yes('main.isDefaultGateway') && of('routes') === 'default without next hop') return true
  if (isGateway && of('before') === 'a bridge with another address') return true
  // 10.1.0.1 is there, and is in the way of another gateway.
  if (of('before') === 'a bridge with its address' && isGateway && (said('gateway') || runtime4)) return true
  // One MAC address, or one place for it.
  if (of('MAC')?.includes('CNI_ARGS') === true || of('MAC') === 'all three') {
    if (said('CNI_ARGS') || of('requested addresses')?.includes('CNI_ARGS') === true) return true
  }
  if (of('MAC') === 'all three' && said('CNI_ARGS')) return true
  // A link is down: nobody answers.
  if (said('macspoofchk') && yes('main.disableContainerInterface')) return true
  if (of('main.bridge') === '"eth0"' && said('CNI_IFNAME')) return true
  // The kernel wants 1280 for IPv6 and no bridge's name is our device's.
  if (of('before') === 'IPv6 disabled in the container' && of('ipMasq') !== 'unset' && (families ?? '').includes('6'))
    return false
  return false
}
