/** Tables of ours that another program has changed: CHECK says so, the next ADD mends them, and the last DEL takes them. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Netns, needs } from '../testing/netns.js'
import { node } from '../testing/node.js'

const skip = needs('root')

const TABLES = ['inet flatnet-masq', 'bridge flatnet-mac', 'inet flatnet-portmap', 'inet flatnet-firewall'] as const

/** A node whose pods have a part of every table. */
function wholeNode(t: Test) {
  const made = node(t, { config: { ipMasq: true, macspoofchk: true } })
  const chained = [
    { type: 'portmap', capabilities: { portMappings: true } },
    { type: 'firewall', ingressPolicy: 'isolated' },
  ]
  let port = 8000
  const pod = (containerId: string) => {
    const portMappings = [{ hostPort: port++, containerPort: 80, protocol: 'tcp' }]
    return made.pod(containerId, chained, { capabilities: { portMappings } }).attachment
  }
  return { ...made, pod }
}

const until = async (what: string, isSo: () => boolean) => {
  for (let tries = 0; !isSo(); tries++) {
    if (tries === 400) throw new Error(`waited in vain until ${what}`)
    await new Promise((done) => setTimeout(done, 50))
  }
}

const exists = (host: Netns, table: string) => host.try(['nft', 'list', 'table', ...table.split(' ')]).status === 0

for (const [what, change] of [
  ['dormant', (table: string) => `add table ${table} { flags dormant; }`],
  ['flushed', (table: string) => `flush table ${table}`],
] as const) {
  t.test(`CHECK names a table that is ${what}, and the next ADD mends it`, { skip }, (t) => {
    const { host, pod } = wholeNode(t)
    const a = pod('a')
    a.add()
    for (const table of TABLES) {
      host.run('nft', change(table))
      const { json } = a.tryCheck()
      t.equal(json?.code, 100, table)
      const [family, name] = table.split(' ') as [string, string]
      t.ok(json.details.includes(`${family} ${name}`), json.details)
      if (what === 'dormant') t.match(json.details, /is dormant.*: nft add table/)
      const b = pod('b')
      b.add()
      a.check()
      b.del()
    }
    a.del()
    t.end()
  })
}

t.test('the command that CHECK gives wakes a dormant table', { skip }, (t) => {
  const { host, pod } = wholeNode(t)
  const a = pod('a')
  a.add()
  for (const table of TABLES) {
    host.run('nft', `add table ${table} { flags dormant; }`)
    const command = a.tryCheck().json.details.match(/nft add table \S+ [a-z-]+/)?.[0] ?? 'false'
    host.run('sh', '-c', command)
    a.check()
  }
  t.end()
})

t.test('CHECK sees a lost rule in a chain that a pod leads to, whichever table it is in', { skip }, (t) => {
  const { host, list, pod: plain } = node(t, { config: { ipMasq: true } })
  const chained = [
    { type: 'portmap', capabilities: { portMappings: true }, conditionsV4: ['-i', 'up0'] },
    { type: 'firewall', ingressPolicy: 'same-bridge', stateDir: list.stateDir },
  ]
  const portMappings = [{ hostPort: 80, containerPort: 80, protocol: 'tcp' }]
  const { attachment } = plain('a', chained, { capabilities: { portMappings } })
  attachment.add()
  const whole = host.run('nft', 'list', 'ruleset')
  for (const [table, pattern] of [
    ['inet flatnet-masq', /chain (net-[0-9a-f]+)/],
    ['inet flatnet-masq', /chain (networks)/],
    ['inet flatnet-portmap', /chain (if4-[0-9a-f]+)/],
    ['inet flatnet-firewall', /chain (same-bridge-[0-9a-f]+)/],
    ['inet flatnet-firewall', /chain (bridges)/],
  ] as const) {
    attachment.check()
    const chain = whole.match(pattern)?.[1] ?? 'none'
    host.run('nft', `flush chain ${table} ${chain}`)
    t.match(attachment.tryCheck().json, { code: 100, details: /has lost rules/ }, `${table} ${chain}`)
    host.try(['nft', '-f', '-'], { input: `flush ruleset\n${whole}` })
  }
  attachment.del()
  t.end()
})

/** A rule of an administrator's in every chain of ours. */
function addRules(host: Netns): void {
  const { nftables } = JSON.parse(host.run('nft', '-j', 'list', 'chains'))
  const chains = nftables.flatMap(
    ({ chain }: { chain?: { family: string; table: string; name: string } }) => chain ?? [],
  )
  host.try(['nft', '-f', '-'], {
    input: chains
      .map((one: Record<string, string>) => `add rule ${one['family']} ${one['table']} ${one['name']} counter\n`)
      .join(''),
  })
}

for (const [what, change] of [
  ['dormant', (host: Netns) => TABLES.map((table) => host.run('nft', `add table ${table} { flags dormant; }`))],
  ['flushed', (host: Netns) => TABLES.map((table) => host.run('nft', `flush table ${table}`))],
  ['full of rules of others', addRules],
] as const) {
  t.test(`DEL takes out its pod alone, and the last one the tables, though they are ${what}`, { skip }, (t) => {
    const { host, pod, ruleset } = wholeNode(t)
    // As many as a chain of ours has rules, and more: what is flushed and who stays must not be taken for each other.
    const pods = ['p1', 'p2', 'p3', 'p4', 'p5'].map((id) => ({ id, attachment: pod(id) }))
    for (const { attachment } of pods) attachment.add()
    change(host)
    for (let one = pods.shift(); one !== undefined; one = pods.shift()) {
      one.attachment.del()
      const left = ruleset()
      for (const { id } of [one, ...pods]) {
        const known = new RegExp(`net/${id}/[^"]*" : goto`)
        const tables = left.split(/^table /m).filter((table) => known.test(table))
        t.equal(tables.length, id === one.id ? 0 : TABLES.length, `after DEL of ${one.id}: tables that know ${id}`)
      }
    }
    t.equal(ruleset(), '')
    t.end()
  })
}

/** The sets of our tables that say whose something is, or all of them. */
function flushed(host: Netns, only: (set: string) => boolean): void {
  const { nftables } = JSON.parse(host.run('nft', '-j', 'list', 'ruleset'))
  const sets = nftables.flatMap(({ map, set }: Record<string, Record<string, string>>) =>
    map !== undefined ? [{ kind: 'map', ...map }] : set !== undefined ? [{ kind: 'set', ...set }] : [],
  )
  const lines = sets.filter(({ name }: Record<string, string>) => only(name ?? ''))
  const input = lines.map((one: Record<string, string>) =>
    ['flush', one['kind'], one['family'], one['table'], one['name']].join(' '),
  )
  host.try(['nft', '-f', '-'], { input: `${input.join('\n')}\n` })
}

for (const [what, only, living] of [
  ['the maps that say whose an address is', (set: string) => /^(pods[46]|owners)$/.test(set), TABLES.length],
  ['the maps of one family', (set: string) => /^(pods4|any4)$/.test(set), TABLES.length],
  ['every set', () => true, 0],
] as const) {
  t.test(
    `a table goes with its last pod, and not before, though another program has emptied ${what}`,
    { skip },
    (t) => {
      const { host, pod, ruleset } = wholeNode(t)
      const [a, b] = [pod('a'), pod('b')]
      const added = [a, b].map((one) => one.add())
      flushed(host, only)
      const veth = added[1].interfaces[1].name
      a.del()
      const left = ruleset().split(/^(?=table )/m)
      // The address, or in the table of MACs the link, by which packets are looked at.
      const known = left.filter(
        (table) => table.includes(veth) || table.includes('10.1.2.3') || table.includes('fd12::3'),
      )
      t.ok(known.length >= living, `${known.length} tables still know the pod that lives`)
      t.notMatch(ruleset(), /10\.1\.2\.2\b/, 'none knows the other')
      b.del()
      t.equal(ruleset(), '')
      t.end()
    },
  )
}

/** A process that owns what `commands` make until it ends: what they do goes with it. */
async function owner(
  t: Test,
  host: Netns,
  commands: string,
  table: string,
): Promise<{ pid: number; end(): Promise<void> }> {
  const directory = mkdtempSync(join(tmpdir(), 'flatnet-owner-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  writeFileSync(join(directory, 'rules'), commands)
  const child = host.start(['nft', '-i'])
  child.stdin?.write(`include "${directory}/rules"\n`)
  const isOwned = () => host.try(['nft', 'list', 'table', ...table.split(' ')]).stdout.includes('flags owner')
  await until(`${table} is owned`, isOwned)
  return {
    pid: child.pid ?? 0,
    async end() {
      child.kill('SIGKILL')
      await until(`${table} is gone`, () => !exists(host, table))
    },
  }
}

t.test('who keeps a table for itself is named, by ADD and by STATUS', { skip }, async (t) => {
  const { host, pod, ruleset } = wholeNode(t)
  const foreign = 'chain onward { type filter hook forward priority 10; policy drop; }'
  for (const table of [...TABLES, 'inet mine']) {
    const rules = `table ${table} { flags owner; ${table.endsWith('mine') ? foreign : ''}; }\n`
    const { pid, end } = await owner(t, host, rules, table)
    const a = pod('a')
    const added = a.tryAdd()
    t.match(added.json, { code: 105, msg: `table ${table} is owned by process ${pid} (nft)` }, table)
    t.notMatch(added.stdout, /CAP_NET_ADMIN/)
    if (!table.endsWith('mine')) t.match(a.status().json, { code: 50, msg: `owned by process ${pid} (nft)` })
    a.del()
    await end()
    a.add()
    a.check()
    a.del()
  }
  t.equal(ruleset(), '')
})

t.test(
  'where another process has made our table its own, CHECK and DEL name it, and DEL works after it',
  { skip },
  async (t) => {
    const { host, pod, ruleset } = wholeNode(t)
    for (const table of TABLES) {
      const a = pod('a')
      a.add()
      const owned = host.run('nft', 'list', 'table', ...table.split(' ')).replace('{', '{ flags owner;')
      host.run('nft', `delete table ${table}`)
      const { pid, end } = await owner(t, host, owned, table)
      t.match(a.tryCheck().json, { code: 100, details: `owned by process ${pid} (nft)` }, `CHECK: ${table}`)
      const answer = a.tryDel()
      t.ok(answer.stdout.includes(`process ${pid} (nft)`), `DEL: ${answer.stdout}`)
      await end()
      a.del()
    }
    t.equal(ruleset(), '')
  },
)
