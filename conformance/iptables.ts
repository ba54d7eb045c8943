/**
 * What the reference plugins leave in the packet filter, as iptables over nftables shows it: tables, their common chains,
 * and the rules between those. Word for word, for a `*` might stand for a container's rule.
 */

const COUNTER = { counter: {} }
const COMMENT = xt('match', 'comment')
const TO_HOST_PORTS = [xt('match', 'addrtype'), COUNTER, jump('CNI-HOSTPORT-DNAT')]
const MARKED = is({ '&': [{ meta: { key: 'mark' } }, 0x2000] }, 0x2000)
/** The bridge of every attachment that the suite makes for a chained plugin. */
const BRIDGE = 'suite0'

/** Of `firewall` with its back end iptables, with the ingress policy same-bridge. */
export const FIREWALL_IPTABLES: readonly string[] = lines(
  'filter',
  ['hook=forward name=FORWARD policy=accept prio=0 table=filter type=filter'],
  ['CNI-ADMIN', 'CNI-FORWARD', 'CNI-ISOLATION-STAGE-1', 'CNI-ISOLATION-STAGE-2'],
  [
    ['FORWARD', [COMMENT, COUNTER, jump('CNI-FORWARD')]],
    ['FORWARD', [COMMENT, COUNTER, jump('CNI-ISOLATION-STAGE-1')]],
    ['CNI-FORWARD', [COMMENT, COUNTER, jump('CNI-ADMIN')]],
    [
      'CNI-ISOLATION-STAGE-1',
      [
        is({ meta: { key: 'iifname' } }, BRIDGE),
        is({ meta: { key: 'oifname' } }, BRIDGE, '!='),
        COMMENT,
        COUNTER,
        jump('CNI-ISOLATION-STAGE-2'),
      ],
    ],
    ['CNI-ISOLATION-STAGE-1', [COMMENT, COUNTER, { return: null }]],
    ['CNI-ISOLATION-STAGE-2', [is({ meta: { key: 'oifname' } }, BRIDGE), COMMENT, COUNTER, { drop: null }]],
    ['CNI-ISOLATION-STAGE-2', [COMMENT, COUNTER, { return: null }]],
  ],
)

/** Of `portmap` with its back end iptables. */
export const PORTMAP_IPTABLES: readonly string[] = lines(
  'nat',
  [
    'hook=output name=OUTPUT policy=accept prio=-100 table=nat type=nat',
    'hook=postrouting name=POSTROUTING policy=accept prio=100 table=nat type=nat',
    'hook=prerouting name=PREROUTING policy=accept prio=-100 table=nat type=nat',
  ],
  ['CNI-HOSTPORT-DNAT', 'CNI-HOSTPORT-MASQ', 'CNI-HOSTPORT-SETMARK'],
  [
    ['OUTPUT', TO_HOST_PORTS],
    ['PREROUTING', TO_HOST_PORTS],
    ['POSTROUTING', [COMMENT, COUNTER, jump('CNI-HOSTPORT-MASQ')]],
    ['CNI-HOSTPORT-MASQ', [MARKED, COUNTER, xt('target', 'MASQUERADE')]],
    ['CNI-HOSTPORT-SETMARK', [COMMENT, COUNTER, xt('target', 'MARK')]],
  ],
)

/** Lines of a snapshot: a table with its base chains, its other chains by name, and rules by chain; of both families. */
function lines(table: string, bases: string[], chains: string[], rules: [string, object[]][]): string[] {
  return ['ip', 'ip6'].flatMap((family) => [
    `host nft table family=${family} name=${table}`,
    ...bases.map((base) => `host nft chain family=${family} ${base}`),
    ...chains.map((name) => `host nft chain family=${family} name=${name} table=${table}`),
    ...rules.map(
      ([chain, expr]) => `host nft rule chain=${chain} expr=${JSON.stringify(expr)} family=${family} table=${table}`,
    ),
  ])
}

/** A match or a target of iptables, of which nft shows no more than the name. */
function xt(type: 'match' | 'target', name: string): object {
  return { xt: { type, name } }
}

function is(left: object, right: unknown, op = '=='): object {
  return { match: { op, left, right } }
}

function jump(target: string): object {
  return { jump: { target } }
}
