import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { chained } from '../../lib/testing/chained.js'
import { type Call, call, expectSuccess, type Json } from '../../lib/testing/cni.js'
import { Netns, needs } from '../../lib/testing/netns.js'
import { reference } from '../../lib/testing/reference.js'
import { shellOf } from '../../lib/testing/sweep.js'

const skip = needs('root')
const MAC = '02:11:22:33:44:55'
const LINK = { mac: MAC, mtu: 1400, promisc: true, allmulti: true, txQLen: 77 }
const NOTIFY = 'net.ipv4.conf.IFNAME.log_martians'
const PORTS = 'net.ipv4.ip_local_port_range'
const ALL = { ...LINK, sysctl: { [NOTIFY]: '1', [PORTS]: '2000 3000' } }

function scene(t: Test, plugin: Json = {}) {
  const { host, container, stateDir, add, del, check, gc } = chained(t, { type: 'tuning', ...plugin })
  const run = (request: Omit<Call, 'host'>, over: Json = {}, more: Partial<Call> = {}) =>
    call({ host, ...request, ...more, config: { ...request.config, ...over } })
  const calls = {
    add: (over?: Json, more?: Partial<Call>) => run(add, over, more),
    del: (over?: Json, more?: Partial<Call>) => run(del, over, more),
    check: (over?: Json, more?: Partial<Call>) => run(check, over, more),
    gc: () => run(gc),
    status: (over?: Json) => run({ command: 'STATUS', config: { ...add.config, prevResult: undefined } }, over),
  }
  const looks = {
    link: () => seen(container),
    sysctls: () => container.run('sysctl', '-n', NOTIFY.replace('IFNAME', 'eth0'), PORTS).trim(),
    whole: () => `${JSON.stringify(seen(container))} ${looks.sysctls()}`,
  }
  const record = () => existsSync(join(stateDir, 'net', 'tuning'))
  return { host, container, config: add.config, ...calls, ...looks, record }
}

function seen(netns: Netns): Json {
  const [{ address, mtu, txqlen, flags }] = netns.ip('link', 'show', 'eth0') as [Json]
  return { address, mtu, txqlen, promisc: flags.includes('PROMISC'), allmulti: flags.includes('ALLMULTI') }
}

function refused(t: Test, { json }: { json: Json }, code: number, msg: RegExp): void {
  t.match(json, { code, msg })
}

t.test('without settings the previous result passes, and nothing is kept', { skip }, async (t) => {
  const { add, del, check, config, whole, record } = scene(t)
  const before = whole()
  t.same(expectSuccess('ADD', add()).json, config.prevResult)
  expectSuccess('CHECK', check())
  expectSuccess('DEL', del())
  t.equal(whole(), before)
  t.notOk(record())
  t.match(add({ prevResult: undefined }).json, { code: 7, msg: /required prevResult missing/ })
})

const VERSIONS = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']

/** The previous result as a version has it. */
function previousIn(version: string, { interfaces, ips }: Json): Json {
  if (version < '0.3.0') return { cniVersion: version, ip4: { ip: '10.1.0.2/24' } }
  const familyOf = ({ address }: Json) => (address.includes(':') ? '6' : '4')
  const addresses = ips.map((ip: Json) => (version < '1.0.0' ? { ...ip, version: familyOf(ip) } : ip))
  return { cniVersion: version, interfaces, ips: addresses }
}

t.test('in every version ADD sets all, and DEL puts the link back, both twice', { skip }, async (t) => {
  const { add, del, check, config, link, sysctls } = scene(t, ALL)
  const before = link()
  for (const version of VERSIONS) {
    const over = { cniVersion: version, prevResult: previousIn(version, config.prevResult) }
    expectSuccess('ADD', add(over))
    const { json } = expectSuccess('ADD', add(over))
    t.same(link(), { address: MAC, mtu: 1400, txqlen: 77, promisc: true, allmulti: true }, version)
    t.equal(sysctls(), '1\n2000\t3000')
    const listed = json.interfaces?.find(({ sandbox }: Json) => sandbox)
    if (version >= '0.3.0') t.equal(listed.mac, MAC)
    if (version >= '1.1.0') t.equal(listed.mtu, 1400)
    if (version >= '0.4.0') expectSuccess('CHECK', check({ ...over, prevResult: json }))
    expectSuccess('DEL', del(over))
    expectSuccess('DEL', del({ ...over, prevResult: undefined }, { netns: '' }))
    t.same(link(), before, version)
    t.equal(sysctls(), '0\n2000\t3000', 'what the whole namespace has stays, as with the reference')
  }
})

const CASES: Record<string, { config: Json; args?: string }> = {
  'the configuration': { config: ALL },
  CNI_ARGS: { config: { mac: '02:00:00:00:00:01' }, args: `IgnoreUnknown=1;MAC=${MAC}` },
  'the capability': {
    config: { mac: '02:00:00:00:00:01', runtimeConfig: { mac: MAC } },
    args: 'MAC=02:00:00:00:00:02',
  },
  'args.cni': { config: { mtu: 1300, sysctl: { [NOTIFY]: '0' }, args: { cni: ALL } } },
  'modes that are off': { config: { promisc: false, allmulti: false, mtu: 0, txQLen: 0 } },
}
t.test(
  'what is asked for in each place is what the reference makes of it',
  { skip: skip || !reference() },
  async (t) => {
    const { add, del, link, whole, container, config: plain } = scene(t)
    const bin = reference()?.directory as string
    const dataDir = mkdtempSync(join(tmpdir(), 'flatnet-tuning-'))
    t.teardown(() => rmSync(dataDir, { recursive: true, force: true }))
    const before = link()
    const forget = () => container.run('sysctl', '-qw', 'net.ipv4.conf.eth0.log_martians=0', `${PORTS}=32768 60999`)
    for (const [where, { config, args = '' }] of Object.entries(CASES)) {
      const { json: ours } = expectSuccess('ADD', add(config, { args }))
      const made = whole()
      expectSuccess('DEL', del(config, { args }))
      t.same(link(), before, where)
      forget()
      const { json: theirs } = expectSuccess('ADD', add({ ...config, dataDir }, { args, bin }))
      t.equal(made, whole(), where)
      const wanted = JSON.stringify(config).includes(MAC) || args.endsWith(MAC) ? theirs : plain.prevResult
      t.equal(ours.interfaces[2].mac, wanted.interfaces[2].mac, where)
      expectSuccess('DEL', del({ ...config, dataDir }, { args }))
      t.same(link(), before, `${where}: what the reference has changed goes back without it, too`)
      t.notOk(existsSync(`${dataDir}/c1_eth0.json`))
      forget()
    }
  },
)

t.test('a list may have it twice: both count, and DEL puts back what was there before both', { skip }, async (t) => {
  const { add, del, link, sysctls } = scene(t)
  const before = link()
  const first = { mac: MAC, mtu: 1400, sysctl: { [NOTIFY]: '1' } }
  const second = { mtu: 1300, txQLen: 77, promisc: true, sysctl: { [NOTIFY]: '0', [PORTS]: '2000 3000' } }
  for (const entry of [first, second, second]) expectSuccess('ADD', add(entry))
  t.same(link(), { address: MAC, mtu: 1300, txqlen: 77, promisc: true, allmulti: false })
  t.equal(sysctls(), '0\n2000\t3000')
  expectSuccess('ADD', add(first))
  t.match(link(), { mtu: 1400, txqlen: 77 })
  for (const entry of [second, first]) expectSuccess('DEL', del(entry))
  t.same(link(), before)
  t.match(sysctls(), /^0\n/)
})

t.test('DEL passes over what the kernel does not take any more, and puts back the rest', { skip }, async (t) => {
  const { add, del, container, link } = scene(t)
  container.batch(
    'link add parent mtu 1500 type bridge',
    'link add v0 link parent mtu 1500 type macvlan',
    'link set v0 txqueuelen 500',
  )
  const at = { ifName: 'v0' }
  expectSuccess('ADD', add({ mtu: 1200, txQLen: 77 }, at))
  container.run('ip', 'link', 'set', 'parent', 'mtu', '1300')
  const { stderr } = expectSuccess('DEL', del({}, at))
  t.match(stderr, /cannot put mtu of the container's link back to 1500: .*EINVAL/)
  t.match(container.ip('link', 'show', 'v0'), [{ mtu: 1200, txqlen: 500 }])

  const dataDir = mkdtempSync(join(tmpdir(), 'flatnet-tuning-'))
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }))
  const backup = `${dataDir}/c1_eth0.json`
  writeFileSync(backup, '{"mac": "02:zz", "mtu": 1.5, "txQLen": 55}')
  const second = expectSuccess('DEL', del({ dataDir }))
  t.match(second.stderr, /"02:zz" is no mac: it is not put back/)
  t.match(second.stderr, /1.5 is no mtu: it is not put back/)
  t.match(link(), { txqlen: 55 })
  t.notOk(existsSync(backup))
})

t.test('a setting that cannot be read before it is set is set', { skip }, async (t) => {
  const { add, del, check, container } = scene(t)
  const key = 'net.ipv6.conf.IFNAME.stable_secret'
  const over = { sysctl: { [key]: '2001:db8::1' } }
  t.notOk(container.try(['sysctl', '-n', 'net.ipv6.conf.eth0.stable_secret']).stdout.trim())
  expectSuccess('CHECK', check(over))
  refused(t, add({ sysctl: { [key]: 'x' } }), 5, /cannot set sysctl net\/ipv6\/conf\/eth0\/stable_secret to "x"/)
  expectSuccess('ADD', add(over))
  t.match(container.run('sysctl', '-n', 'net.ipv6.conf.eth0.stable_secret'), /db8:.*1$/m)
  expectSuccess('DEL', del(over))
})

t.test('on a read-only /proc/sys DEL warns only of what differs', { skip }, async (t) => {
  const { host, container, add, del } = chained(t, { type: 'tuning', sysctl: { [NOTIFY]: '1' } })
  const readOnly = 'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys'
  for (const value of ['0', '1']) {
    expectSuccess('ADD', call({ host, ...add }))
    container.run('sysctl', '-qw', `net.ipv4.conf.eth0.log_martians=${value}`)
    const { status, stderr } = host.try(['unshare', '-m', 'sh', '-c', `${readOnly} && ${shellOf(del)}`])
    t.equal(status, 0, stderr)
    t.match(stderr, value === '0' ? /^$/ : /cannot put sysctl net\/ipv4\/conf\/eth0\/log_martians back to 0/)
    container.run('sysctl', '-qw', 'net.ipv4.conf.eth0.log_martians=0')
  }
})

t.test('an ADD that fails puts back what it has set, the whole namespace too', { skip }, async (t) => {
  const { add, whole, record } = scene(t, ALL)
  const before = whole()
  refused(t, add({ mtu: 70_000 }), 105, /change link eth0: EINVAL/)
  refused(
    t,
    add({ sysctl: { [PORTS]: '2000 3000', [NOTIFY]: 'x' } }),
    5,
    /cannot set sysctl net\/ipv4\/conf\/eth0\/log_martians/,
  )
  t.equal(whole(), before)
  refused(t, add({}, { ifName: 'eth9' }), 7, /failed to find eth9 in the container/)
  t.equal(whole(), before)
  t.ok(record(), 'it was made, and has no records')
})

t.test('nothing but settings below net, and none twice', { skip }, async (t) => {
  const { add, status, whole } = scene(t)
  const before = whole()
  for (const key of ['kernel.hostname', 'net/../kernel/hostname', 'net.//.kernel.hostname', 'net']) {
    refused(t, add({ sysctl: { [key]: '1' } }), 7, /invalid net sysctl key/)
    refused(t, status({ sysctl: { [key]: '1' } }), 7, /invalid net sysctl key/)
  }
  const twice = { [NOTIFY]: '1', 'net/ipv4/conf/eth0/log_martians': '0' }
  refused(t, add({ sysctl: twice }), 7, /are the same setting/)
  refused(t, add({ mac: '01:00:00:00:00:00' }), 7, /multicast/)
  t.equal(whole(), before)
})

t.test('CHECK names each difference', { skip }, async (t) => {
  const { add, check, container } = scene(t, ALL)
  expectSuccess('ADD', add())
  expectSuccess('CHECK', check({ promisc: undefined, mac: MAC.toUpperCase() }))
  container.run('ip', 'link', 'set', 'eth0', 'mtu', '1300', 'promisc', 'off')
  container.run('sysctl', '-qw', `${PORTS}=2000 3001`)
  const details =
    /ip_local_port_range is 2000 3001 instead of 2000 3000; mtu of eth0 is 1300 instead of 1400; promiscuous/
  t.match(check().json, { code: 100, details })
})

t.test('another container at the path is left alone; GC finds the right one by its record', { skip }, async (t) => {
  const { add, del, gc, link, container } = scene(t, LINK)
  const before = link()
  expectSuccess('ADD', add())
  const other = Netns.create(t, 'other')
  other.batch('link add eth0 type bridge', 'link set eth0 mtu 1399')
  const untouched = seen(other)
  expectSuccess('DEL', del({}, { netns: other }))
  t.same(seen(other), untouched)
  t.same(link(), before, 'the record knows where it was')
  expectSuccess('ADD', add())
  container.run('ip', 'link', 'set', 'eth0', 'name', 'renamed')
  expectSuccess('GC', gc())
  container.run('ip', 'link', 'set', 'renamed', 'name', 'eth0')
  t.same(link(), { ...before, address: link().address })
})

t.test('the allow list decides which sysctls may be set', { skip }, async (t) => {
  const { add, del, status, sysctls } = scene(t, { sysctl: { [NOTIFY]: '1' } })
  const folder = '/etc/cni/tuning'
  const list = `${folder}/allowlist.conf`
  mkdirSync(folder, { recursive: true })
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(list, '\n  ^net\\.ipv4\\.conf\\.IFNAME\\.[a-z_]*$  \n')
  expectSuccess('ADD', add())
  expectSuccess('DEL', del())
  refused(t, add({ sysctl: { [PORTS]: '2000 3000' } }), 7, /Sysctl net.ipv4.ip_local_port_range is not allowed/)
  refused(t, add({ args: { cni: { sysctl: { [PORTS]: '2000 3000' } } } }), 7, /is not allowed/)
  refused(t, add({ sysctl: { 'net/ipv4/conf/eth0/log_martians': '1' } }), 7, /is not allowed/)
  expectSuccess('STATUS', status())
  writeFileSync(list, '')
  refused(t, add(), 7, /is not allowed/)
  writeFileSync(list, 'net\n(?i)net\n')
  refused(t, add(), 50, /allowlist.conf: line 2, "\(\?i\)net"/)
  refused(t, status(), 50, /allowlist.conf: line 2/)
  rmSync(list)
  mkdirSync(list)
  refused(t, add(), 50, /cannot use the allow list/)
  expectSuccess('ADD', add({ sysctl: undefined }))
  t.match(sysctls(), /^0\n/)
})
