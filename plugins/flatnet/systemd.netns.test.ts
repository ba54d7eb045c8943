/**
 * The units of scripts/systemd under a systemd: one that manages a user's services, for that needs no machine of its own,
 * with namespaces and control groups that end with it.
 */

import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { BIN } from '../../lib/testing/cni.js'
import { Netns, needs } from '../../lib/testing/netns.js'

const SYSTEMD = '/lib/systemd/systemd'

function whyNot(): string | false {
  if (process.env['FLATNET_LONG'] !== '1') return 'FLATNET_LONG=1 runs it'
  if (!existsSync(SYSTEMD)) return 'systemd is not there'
  return process.getuid?.() === 0 ? needs('root') : 'needs root: systemd wants a control group of its own'
}

/** Arguments: our folder, a name. Every hierarchy in which systemd may look for its place has one for it. */
const GROUPS = `
for root in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
  [ -w $root/cgroup.procs ] && mkdir $root/$2 && echo $$ >$root/$2/cgroup.procs
done
exec unshare --fork --pid --kill-child --mount --cgroup --mount-proc sh -c "$3" sh "$1"`

const INSIDE = `
mount --make-rprivate / && mount -t tmpfs none /run && mkdir -p /run/user/0 /run/systemd/system
mount --bind $1/etc /etc/cni
export XDG_RUNTIME_DIR=/run/user/0 SYSTEMD_UNIT_PATH=$1/units:/usr/lib/systemd/user
${SYSTEMD} --user --log-target=console --unit=flatnet-sync@10-podnet.path`

t.test('a changed table is applied, however often it changes', { skip: whyNot() }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'flatnet-systemd-'))
  for (const name of ['units', 'etc/net.d', 'etc/flatnet']) mkdirSync(join(folder, name), { recursive: true })
  for (const unit of readdirSync('scripts/systemd')) {
    const text = readFileSync(join('scripts/systemd', unit), 'utf8')
    writeFileSync(join(folder, 'units', unit), text.replace('/opt/cni/bin/flatnet', resolve(BIN, 'flatnet')))
  }
  const write = (second: number) => {
    const nodes = [1, second].map((n) => ({
      name: `n${n}`,
      addresses: [`10.9.0.${n}`],
      podCIDRs: [`10.244.${n}.0/24`],
    }))
    writeFileSync(`${folder}/etc/flatnet/podnet.json.new`, JSON.stringify({ nodes }))
    renameSync(`${folder}/etc/flatnet/podnet.json.new`, `${folder}/etc/flatnet/podnet.json`)
  }
  const plugins = [{ type: 'bridge' }, { type: 'host-gw', nodesFile: '/etc/cni/flatnet/podnet.json' }]
  const conflist = JSON.stringify({ cniVersion: '1.1.0', name: 'podnet', plugins })
  write(2)
  writeFileSync(`${folder}/etc/net.d/10-podnet.conflist`, conflist)

  const host = Netns.create(t, 'n1')
  host.batch(
    'link add eth0 type veth peer away',
    'addr add 10.9.0.1/24 dev eth0',
    'link set eth0 up',
    'link set away up',
  )
  const group = `flatnet-${process.pid}`
  const manager = host.start(['sh', '-c', GROUPS, 'sh', folder, group, INSIDE])
  let said = ''
  for (const stream of [manager.stdout, manager.stderr]) {
    stream?.on('data', (data) => {
      said += String(data)
    })
  }
  t.teardown(async () => {
    manager.kill('SIGKILL')
    const remove = `find /sys/fs/cgroup/${group} /sys/fs/cgroup/*/${group} -depth -type d -exec rmdir {} + 2>/dev/null
      ! ls -d /sys/fs/cgroup/${group} /sys/fs/cgroup/*/${group} 2>/dev/null`
    for (let at = 0; at < 50 && spawnSync('sh', ['-c', remove]).status !== 0; at++) await delay(100)
    rmSync(folder, { recursive: true, force: true })
  })
  const routes = () => host.run('ip', 'route', 'show', 'proto', '70')
  /** Whether a change is seen: made again every two seconds, because it is lost where it meets a run that has read already. */
  const applies = async (change: () => void, seen: string) => {
    for (let at = 0; at < 600 && !routes().includes(seen); at++) {
      if (at % 20 === 0) change()
      await delay(100)
    }
    return routes().includes(seen)
  }

  for (let n = 3; n < 15; n++) {
    const done = await applies(() => write(n), `10.244.${n}.0/24 via 10.9.0.${n} `)
    t.ok(done, `change ${n - 2} of twelve in a row, by renaming${done ? '' : `\n${said}`}`)
  }
  const wider = conflist.replace('"host-gw"', '"host-gw","clusterCIDRs":["10.244.0.0/16"]')
  const inPlace = () => writeFileSync(`${folder}/etc/net.d/10-podnet.conflist`, wider)
  t.ok(await applies(inPlace, 'unreachable 10.244.0.0/16'), 'a conflist that is written in place')
})
