/** What every plugin meets: the network's keys, the environment, stdin, the order of calls. */

import { VERSIONS } from '../../../lib/cni/version.js'
import type { Json } from '../../../lib/testing/cni.js'
import { type Draft, type Factor, key, type Step, unset, type Value, value } from '../factor.js'

/** Stands for the directory of a life: `@D@/pod` is the container's namespace. */
export const DIRECTORY = '@D@'

export function emptyDraft(): Draft {
  return {
    network: { name: 'net' },
    main: {},
    chained: {},
    ipam: {},
    runtime: {},
    args: {},
    cniArgs: [],
    env: { CNI_CONTAINERID: 'c1', CNI_IFNAME: 'eth0', CNI_NETNS: `${DIRECTORY}/pod`, CNI_PATH: '$BIN' },
    setup: [],
    macs: [],
    steps: ['ADD', 'CHECK', 'DEL'],
    probes: [],
  }
}

/** A plugin's configuration from its own keys and what is common. */
export function pluginOf(type: string, own: Json, { network, runtime, args }: Draft): Json {
  const isEmpty = (object: Json) => Object.keys(object).length === 0
  return {
    ...network,
    type,
    stateDir: `${DIRECTORY}/state`,
    ...own,
    ...(isEmpty(runtime) ? {} : { runtimeConfig: runtime }),
    ...(isEmpty(args) ? {} : { args: { cni: args } }),
  }
}

export function version(oldest = '0.1.0'): Factor {
  const isOlder = (one: string) =>
    VERSIONS.indexOf(one as (typeof VERSIONS)[number]) < VERSIONS.indexOf(oldest as (typeof VERSIONS)[number])
  const of = (one: Json, more: Partial<Value>) =>
    value('network.cniVersion', one, { ...(typeof one === 'string' && one !== '' ? { id: one } : {}), ...more })
  const known = VERSIONS.map((one) =>
    of(one, { kind: isOlder(one) ? 'bad' : 'good', code: 0, ...(one === '1.1.0' ? { recent: true as const } : {}) }),
  )
  const newestFirst = known.reverse()
  const missing: Value = { ...unset, kind: isOlder('0.1.0') ? 'bad' : 'edge', code: 0 }
  return {
    name: 'cniVersion',
    values: [
      ...newestFirst,
      missing,
      ...['', null].map((one) => of(one, { kind: missing.kind, code: 0 })),
      ...['9.9.9', '1.2.0', '0.3', 'v1.0.0', ' 1.0.0'].map((one) => of(one, { kind: 'bad', code: 1 })),
      ...[1, true, {}].map((one) => of(one, { kind: 'bad', code: 6 })),
    ],
  }
}

export const NAME = key(
  'network.name',
  { edge: ['a', 'Net_1.x-y', 'n'.repeat(60)], bad: ['', 'a/b', '.x', '-x', 'ü', 'a b', null] },
  value('network.name', 5, { kind: 'bad', code: 7 }),
)

const variable = (name: string, good: readonly string[], edge: readonly string[], bad: readonly string[]): Factor => ({
  name,
  values: [
    unset,
    ...good.map((text) => value(`env.${name}`, text)),
    ...edge.map((text) => value(`env.${name}`, text, { kind: 'edge' })),
    ...bad.map((text) => value(`env.${name}`, text, { kind: 'bad', code: 4 })),
  ],
})

export const CONTAINER_ID = variable(
  'CNI_CONTAINERID',
  ['0123456789abcdef'.repeat(4)],
  ['A.b_c-d', '0'],
  ['', '../x', 'a b', '_x', 'é'],
)

export const IF_NAME = variable(
  'CNI_IFNAME',
  ['net1'],
  ['fifteen-letters', 'a'],
  ['', 'sixteen-letters!', 'a/b', 'a:b', '.', '..', 'a b', 'a%d'],
)

export const NETNS: Factor = {
  name: 'CNI_NETNS',
  values: [
    unset,
    value('env.CNI_NETNS', '', { kind: 'bad', code: 4 }),
    value('env.CNI_NETNS', '/nowhere/ns', { kind: 'bad', code: 3 }),
    value('env.CNI_NETNS', '/etc/passwd', { kind: 'bad', code: 3 }),
    value('env.CNI_NETNS', '/proc/self/ns/net', { kind: 'bad', code: 4 }),
  ],
}

export const CNI_PATH: Factor = {
  name: 'CNI_PATH',
  values: [
    unset,
    value('env.CNI_PATH', '/nowhere:$BIN', { kind: 'edge' }),
    value('env.CNI_PATH', '$BIN:', { kind: 'edge' }),
    value('env.CNI_PATH', '', { kind: 'bad' }),
    value('env.CNI_PATH', '/nowhere', { kind: 'bad' }),
  ],
}

/** Pairs that are no plugin's own. */
export const CNI_ARGS: Factor = {
  name: 'CNI_ARGS',
  values: [
    unset,
    pairs('IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web'),
    pairs('IgnoreUnknown=TRUE;FOO=bar', 'edge'),
    pairs('FOO=;IgnoreUnknown=1', 'edge'),
    pairs('FOO=bar', 'bad', 0),
    pairs('FOO=bar;IgnoreUnknown=0', 'bad', 0),
    pairs('IgnoreUnknown=maybe', 'bad', 4),
    pairs('FOO', 'bad', 4),
    pairs('IgnoreUnknown=1;a=b=c', 'bad', 0),
    pairs('IgnoreUnknown=1;', 'bad', 0),
    pairs(';', 'bad', 0),
    pairs('none', 'bad', 4),
  ],
}

export function pairs(text: string, kind: Value['kind'] = 'good', code?: number): Value {
  return { id: text, kind, ...(code === undefined ? {} : { code }), apply: ({ cniArgs }) => void cniArgs.push(text) }
}

/** How the configuration is written; nothing of it changes what it says, but for what is bad. */
export const SPELLING: Factor = {
  name: 'spelling',
  values: [
    unset,
    rewrite('UPPER CASE', 'edge', (config) => mapKeys(config, (name) => name.toUpperCase())),
    rewrite('Capitals', 'edge', (config) => mapKeys(config, (name) => (name[0] ?? '').toUpperCase() + name.slice(1))),
    rewrite('unknown keys', 'edge', (config) => ({ ...config, unknownKey: 1, 'example.com/x': { y: [] } })),
    rewrite('keys that are null', 'edge', (config) => ({ prevResult: null, dns: null, args: null, ...config })),
    stdin('nothing', '', 6),
    stdin('no JSON', 'x', 6),
    stdin('a list', '[]', 6),
    stdin('null', 'null', 6),
    stdin('half', '{"cniVersion": "1.0.0", "name": "net"', 6),
    stdin('more behind it', '{"cniVersion": "1.0.0", "name": "net", "type": "x"} x', 6),
    stdin('a byte order mark', '\ufeff{"cniVersion": "1.0.0", "name": "net"}', 6),
  ],
}

function rewrite(id: string, kind: Value['kind'], change: (config: Json) => Json): Value {
  return {
    id,
    kind,
    apply(draft) {
      draft.rewrite = (text) => JSON.stringify(change(JSON.parse(text)))
    },
  }
}

function stdin(id: string, text: string, code: number): Value {
  return {
    id,
    kind: 'bad',
    code,
    apply(draft) {
      draft.stdin = text
    },
  }
}

/** Two levels down: what is below belongs to others. */
function mapKeys(config: Json, change: (name: string) => string): Json {
  return Object.fromEntries(
    Object.entries(config).map(([name, member]) => [
      // What the runtime puts in is written as it should be.
      name === 'prevResult' ? name : change(name),
      name === 'ipam' ? Object.fromEntries(Object.entries(member as Json).map(([k, v]) => [change(k), v])) : member,
    ]),
  )
}

/** The calls after each other; the first is the common one. */
export function calls(...orders: readonly (readonly Step[])[]): Factor {
  return {
    name: 'calls',
    values: orders.map((steps) => ({
      id: steps.join(', '),
      kind: 'good',
      apply(draft) {
        draft.steps = steps
      },
    })),
  }
}

/** Something that is there before. */
export function before(id: string, kind: Value['kind'], setup: string, code?: number): Value {
  return { id, kind, ...(code === undefined ? {} : { code }), apply: (draft) => void draft.setup.push(setup) }
}

const PREVIOUS = {
  interfaces: [{ name: 'eth9', mac: '02:00:00:00:00:09', sandbox: '/var/run/netns/other' }],
  ips: [{ version: '4', address: '10.66.0.9/24', interface: 0 }],
}

/** A previous result for a plugin that is the first of its list. */
export const PREV_RESULT: Factor = {
  name: 'prevResult',
  values: [
    unset,
    value('main.prevResult', null, { kind: 'edge' }),
    // Without a version of its own: it is that of the configuration.
    {
      id: 'of another plugin',
      kind: 'bad',
      code: 0,
      apply: ({ main }) => void Object.assign(main, { prevResult: structuredClone(PREVIOUS) }),
    },
    value('main.prevResult', {}, { kind: 'edge' }),
    value('main.prevResult', { cniVersion: '9.9.9' }, { kind: 'bad' }),
    value('main.prevResult', { ips: 'x' }, { kind: 'bad' }),
    value('main.prevResult', 'x', { kind: 'bad' }),
    value('main.prevResult', { ips: [{ version: '4', address: '10.66.0.9' }] }, { kind: 'bad' }),
    value('main.prevResult', { routes: [{ dst: 'nowhere' }] }, { kind: 'bad' }),
    value('main.prevResult', { interfaces: [{ name: 5 }] }, { kind: 'bad' }),
  ],
}
