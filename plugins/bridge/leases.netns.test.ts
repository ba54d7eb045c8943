/** No lease is free while its address lives on a link: another pod would get it. */

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Attachment, BIN, type Command, environment, type Json } from '../../lib/testing/cni.js'
import { LONG } from '../../lib/testing/long.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { callAsync } from '../../lib/testing/parallel.js'
import { fakeIpam, filesBelow, network } from '../../lib/testing/pod-network.js'

const skip = needs('root')
const noStrace = skip || (spawnSync('strace', ['-V']).status === 0 ? false : 'needs strace')

function topology(t: Test) {
  return { host: Netns.create(t, 'node'), container: Netns.create(t, 'pod', { loopback: false }) }
}

/** Addresses with a lease. */
function leasesOf({ name, ipam }: Json): string[] {
  const directory = join(ipam.dataDir, name)
  if (!existsSync(directory)) return []
  return readdirSync(directory).filter((file) => file[0] !== 'l')
}

/** Addresses of a container's links, but for the kernel's own. */
function addressesIn(container: Netns): string[] {
  return container
    .ip('addr', 'show')
    .flatMap(({ addr_info }) => addr_info)
    .filter(({ scope }: Json) => scope === 'global')
    .map(({ local }: Json) => local)
}

/** What lives without a lease. */
function unleased(container: Netns, list: Json): string[] {
  const leases = leasesOf(list)
  return addressesIn(container).filter((address) => !leases.includes(address))
}

t.test('DEL and GC find the pair by whatever names somebody has given to its ends', { skip }, async (t) => {
  const lose = ({ stateDir }: Json) => rmSync(stateDir, { recursive: true })
  const cases: [string, (list: Json) => void, (attachment: Attachment) => void][] = [
    ['DEL', () => undefined, (attachment) => attachment.del()],
    ['DEL without the namespace', () => undefined, (attachment) => attachment.del({ netns: '' })],
    ['DEL without the record', lose, (attachment) => attachment.del({ netns: '' })],
    ['GC', () => undefined, (attachment) => t.equal(attachment.gc([]).status, 0)],
    ['GC without the record', lose, (attachment) => t.equal(attachment.gc([]).status, 0)],
  ]
  for (const [what, prepare, remove] of cases) {
    const { host, container } = topology(t)
    const list = network(t)
    const attachment = new Attachment(host, list, container)
    const hostEnd = attachment.add().interfaces[1].name
    host.batch(`link set ${hostEnd} down`, `link set ${hostEnd} name lan7`, 'link set lan7 up')
    container.batch('link set eth0 down', 'link set eth0 name wan7', 'link set wan7 up')
    t.match(new Attachment(host, list, container).tryAdd().json, { code: 101, details: /lan7/ }, `${what}: ADD sees it`)
    prepare(list)
    remove(attachment)
    t.equal(container.ip('link', 'show').length, 1, `${what}: the pair is gone`)
    t.same(leasesOf(list), [], `${what}: so is the lease`)
    t.same(filesBelow(list.stateDir), [])
  }
})

/** Runs a command while the kernel, or the disk, refuses one of its system calls, or all from there on. */
function refusing(host: Netns, container: Netns, config: Json, command: Command, refusal: string) {
  return host.try(
    ['strace', '-qq', '-o', '/dev/null', '-e', 'trace=sendto,unlinkat', '-e', `inject=${refusal}`, `${BIN}/bridge`],
    {
      input: JSON.stringify(config),
      env: environment({ command, host, netns: container, config }),
    },
  )
}

/** How often a command makes a system call. */
function countOf(t: Test, host: Netns, container: Netns, config: Json, command: Command, name: string): number {
  const log = join(t.testdir(), name)
  host.try(['strace', '-qq', '-o', log, '-e', `trace=${name}`, `${BIN}/bridge`], {
    input: JSON.stringify(config),
    env: environment({ command, host, netns: container, config }),
  })
  return readFileSync(log, 'utf8').split('\n').length - 1
}

t.test(
  'whatever the kernel refuses, no lease is free while its address lives on a link',
  { skip: noStrace },
  async (t) => {
    const off = [{ dst: '10.9.0.0/16', gw: '192.0.2.1' }] // no way there: ADD fails when all else is done
    const kinds: [string, Command, (list: Json) => Json][] = [
      ['DEL', 'DEL', (list) => list],
      ['GC', 'GC', (list) => ({ ...list, 'cni.dev/valid-attachments': [], 'cni.dev/attachments': [] })],
      ['an ADD that fails', 'ADD', (list) => ({ ...list, ipam: { ...list.ipam, routes: off } })],
    ]
    for (const [what, command, configOf] of kinds) {
      const { host, container } = topology(t)
      const list = network(t, { subnets: ['10.1.2.0/24', 'fd12::/64'] })
      const config = configOf(list)
      const attachment = new Attachment(host, list, container)
      const prepare = () => command !== 'ADD' && attachment.add()
      prepare()
      const sends = countOf(t, host, container, config, command, 'sendto')
      t.ok(sends > 3, `${what} sends ${sends} requests`)
      let alive = 0
      for (const [error, then] of [
        ['EPERM', ''],
        ['ENOBUFS', '+'],
      ]) {
        for (let nth = 1; nth <= sends; nth += LONG ? 1 : 2) {
          attachment.del()
          prepare()
          const refusal = `sendto:error=${error}:when=${nth}${then}`
          const { status, stdout } = refusing(host, container, config, command, refusal)
          if (addressesIn(container).length > 0) {
            alive++
            t.same(unleased(container, list), [], `${what}, ${refusal}: what lives is leased`)
            if (command !== 'GC') t.not(status, 0, `${what}, ${refusal}: ${stdout}`)
          }
        }
      }
      t.ok(alive > 0, `${what} left a link ${alive} times`)
      attachment.del()
      t.equal(container.ip('link', 'show').length, 1, `${what}: DEL ends it all`)
      t.same(leasesOf(list), [], what)
    }
  },
)

t.test('a DEL that cannot delete the link says that the lease is kept', { skip: noStrace }, async (t) => {
  const { host, container } = topology(t)
  const ipam = fakeIpam(t, { ips: [{ address: '10.1.2.2/24', gateway: '10.1.2.1' }] })
  const attachment = new Attachment(host, ipam.list, container, { bin: ipam.bin })
  attachment.add()
  ipam.calls()
  const { status, stdout } = refusing(host, container, ipam.list, 'DEL', 'sendto:error=EPERM:when=1+')
  t.equal(status, 1)
  t.match(JSON.parse(stdout).msg, /failed to delete eth0, so its lease is kept/)
  t.same(ipam.calls(), [], 'another IPAM plugin is not asked either')
  t.same(addressesIn(container), ['10.1.2.2'])
})

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!condition() && Date.now() < deadline) await new Promise((done) => setTimeout(done, 5))
}

/** How many processes have the one record below a directory open. */
function openers(stateDir: string): number {
  const command = `ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c '${stateDir}/.*json'`
  return Number(spawnSync('sh', ['-c', command], { encoding: 'utf8' }).stdout)
}

t.test('GC keeps the lease of an ADD that ends while GC runs', { skip }, async (t) => {
  const { host, container } = topology(t)
  const ipam = fakeIpam(t, { ips: [{ address: '10.1.2.2/24', gateway: '10.1.2.1' }] })
  const directory = ipam.bin.split(':')[1] as string
  const script = readFileSync(join(directory, 'fake'), 'utf8')
  const wait = 'if [ $CNI_COMMAND = ADD ]; then touch asked; until [ -e go ]; do sleep 0.02; done; fi'
  writeFileSync(join(directory, 'fake'), script.replace('cat > stdin', `cat > stdin; ${wait}`))
  const { list } = ipam
  const adding = callAsync({ command: 'ADD', host, netns: container, config: list, bin: ipam.bin })
  await until(() => existsSync(join(directory, 'asked')))
  const nothing = { 'cni.dev/valid-attachments': [], 'cni.dev/attachments': [] }
  const collecting = callAsync({ command: 'GC', host, config: { ...list, ...nothing }, bin: ipam.bin })
  await until(() => openers(list.stateDir) > 0) // GC waits for the record: ADD's own descriptor is from before it had a name
  writeFileSync(join(directory, 'go'), '')
  const [added, collected] = [await adding, await collecting]
  t.equal(collected.status, 0, collected.stdout)
  t.equal(added.status, 0, added.stdout)
  t.same(addressesIn(container), ['10.1.2.2'], 'GC has left it alone')
  const said = JSON.parse(readFileSync(join(directory, 'stdin'), 'utf8'))
  t.same(said['cni.dev/valid-attachments'], [{ containerID: 'c1', ifname: 'eth0' }], 'and told IPAM to')
})

t.test('a DEL that an ADD overtakes deletes its link before it frees its lease', { skip: noStrace }, async (t) => {
  const { host, container } = topology(t)
  const list = network(t)
  const attachment = new Attachment(host, list, container)
  attachment.add()
  attachment.del()
  const answers = countOf(t, host, container, list, 'DEL', 'recvfrom')
  const log = join(t.testdir(), 'overtaken')
  // It has seen that there is no link, and comes to the lease a while later.
  const delay = `inject=recvfrom:delay_exit=1500000:when=${answers}`
  const deleting = host.start(
    ['strace', '-qq', '-o', log, '-e', 'trace=sendto,recvfrom,unlinkat', '-e', delay, `${BIN}/bridge`],
    {
      env: environment({ command: 'DEL', host, netns: container, config: list }),
    },
  )
  const ended = new Promise((done) => deleting.on('close', done))
  deleting.stdin?.end(JSON.stringify(list))
  const seen = () => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(0, -1) : [])
  const answered = () => seen().filter((line) => line.startsWith('recvfrom')).length
  await until(() => answered() >= answers - 1)
  t.equal((await callAsync({ command: 'ADD', host, netns: container, config: list })).status, 0)
  t.ok(answered() <= answers, 'ADD has ended while DEL is at its last answer')
  t.equal(await ended, 0)
  // strace does not always know the number's name.
  const order = seen().filter((line) => /RTM_DELLINK|nlmsg_type=0x11 |10\.1\.2\./.test(line))
  t.match(order[0], /^sendto/, order.join('\n'))
  t.equal(order.filter((line) => line.startsWith('unlinkat')).length, 1, order.join('\n'))
  t.equal(container.ip('link', 'show').length, 1)
  t.same(leasesOf(list), [])
})
