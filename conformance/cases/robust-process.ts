/** Odd processes: closed and full streams, signals, limits, missing rights. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { check, done, err, ok, ok0, same, seen } from '../assert.js'
import type { Attachment } from '../attachment.js'
import type { Case } from '../case.js'
import type { Context } from '../context.js'
import type { Json } from '../json.js'
import { filesBelow, nothingLeft, random } from '../witness.js'

/** Milliseconds a verb takes here; everything is undone again. */
async function duration(one: Attachment, verb = 'ADD', config: Json = {}): Promise<number> {
  if (verb === 'ADD') one.renew()
  else one.added()
  const begin = performance.now()
  done(await one.start(verb, { config }).done)
  const took = performance.now() - begin
  ok0(one.del())
  return took
}

async function wait(milliseconds: number): Promise<void> {
  const end = performance.now() + milliseconds
  if (milliseconds > 2) await new Promise((resolve) => setTimeout(resolve, milliseconds - 1))
  while (performance.now() < end) await new Promise((resolve) => setImmediate(resolve))
}

/** Starts a verb and sends a signal after a while; the answer, or what ended it. */
async function interrupted(one: Attachment, verb: string, signal: NodeJS.Signals, after: number, config: Json = {}) {
  if (verb === 'ADD') one.renew()
  const { child, done: answer } = one.start(verb, { config })
  await wait(after)
  child.kill(signal)
  return await answer
}

/** Shell lines that give a program the descriptors 3 to 100; a shell itself knows no number of two digits. */
const MANY_OPEN = `exec '${process.execPath}' -e '
const open = Array.from({ length: 98 }, () => require("fs").openSync("/dev/null"))
const stdio = [0, 1, 2, ...open]
const { status, signal } = require("child_process").spawnSync(process.argv[1], { stdio })
if (signal) process.kill(process.pid, signal)
process.exitCode = status ?? 128' "$0"`

/** Files that the plugin keeps open and has locked, while it runs: by /proc/locks. */
function lockFiles(context: Context): string[] {
  return context.stateDirectories.flatMap(filesBelow).filter((path) => /(^|[/.])lock$/.test(path))
}

/** Holds a lock on a file the way that other program does, until the child is killed. */
async function holdLock(context: Context, path: string): Promise<ChildProcess> {
  const child = spawn('flock', ['-o', path, 'sh', '-c', 'echo held; exec sleep 120'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  context.cleanup(() => child.kill('SIGKILL'))
  if (child.stdout !== null) await once(child.stdout, 'data')
  return child
}

const ROUTES = 5000

/** A result that is larger than a pipe holds. */
function large(context: Context): Json {
  const routes = Array.from({ length: ROUTES }, (_, n) => ({
    dst: `10.${128 + (n >> 8)}.${n & 255}.0/24`,
    gw: '10.88.0.1',
  }))
  return context.shape({ ips: [{ address: '10.88.0.7/24', gateway: '10.88.0.1' }], routes })
}

export const cases: Case[] = [
  {
    id: 'ROB-14',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'with stdout closed ADD ends, and DEL removes what it may have made',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const answer = one.add({ shell: 'exec >&-' })
      check(!answer.timedOut, `ADD ends; ${seen(answer)}`)
      ok0(one.del())
      context.noResidue(before)
    },
  },
  {
    id: 'ROB-15',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim: 'with stdout on a full device ADD fails, and DEL removes what it may have made',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const answer = one.add({ shell: 'exec >/dev/full' })
      check(answer.status !== 0 && !answer.timedOut, `ADD fails; ${seen(answer)}`)
      ok0(one.del())
      context.noResidue(before)
    },
  },
  {
    id: 'ROB-16',
    section: 'robustness',
    level: 'MUST',
    duty: ['DL'],
    claim: 'where the reader of a large result is gone ADD fails or ends by the signal, and DEL cleans up',
    needs: { since: '0.3.0', link: true },
    async run(context) {
      context.fake.on('ADD', { stdout: large(context) })
      const one = context.attachment()
      const before = context.snapshot()
      const running = one.start('ADD')
      running.child.stdout?.destroy()
      const answer = await running.done
      check(answer.status !== 0, `ADD does not succeed; ${seen(answer)}`)
      ok0(one.del())
      context.noResidue(before)
    },
  },
  {
    id: 'ROB-17',
    section: 'robustness',
    level: 'MUST',
    duty: ['DL'],
    claim: 'a result of 5,000 routes is complete though its reader sleeps first',
    needs: { since: '0.3.0', link: true },
    async run(context) {
      context.fake.on('ADD', { stdout: large(context) })
      const one = context.attachment()
      const running = one.start('ADD')
      running.child.stdout?.pause()
      setTimeout(() => running.child.stdout?.resume(), 500)
      same(ok(await running.done).routes.length, ROUTES, 'number of routes in the result')
    },
  },
  {
    id: 'ROB-18',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim: 'stderr that is closed or full changes nothing',
    run(context) {
      const one = context.attachment({ config: { unknownKeyThatMayWarn: true } })
      for (const shell of ['exec 2>&-', 'exec 2>/dev/full']) {
        ok(one.add({ shell }))
        ok0(one.del({ shell }))
        err(one.add({ shell, config: { name: '../x' } }))
      }
    },
  },
  {
    id: 'ROB-19',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim: 'after ADD was killed at any point DEL restores what was before, and the next ADD works',
    async run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const took = await duration(one)
      const next = random(19)
      for (let round = 0; round < 100; round++) {
        context.fake.forget()
        await interrupted(one, 'ADD', 'SIGKILL', next() * took)
        ok0(one.del())
        if (round % 10 !== 9) continue
        context.noResidue(before, `after ADD was killed (round ${round}) and DEL all is as before`)
        one.added()
        ok0(one.del())
      }
      same(context.fake.held(), [], 'addresses that the delegate has not got back')
    },
  },
  {
    id: 'ROB-20',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'SIGTERM, SIGINT, SIGHUP and SIGPIPE end ADD soon, and DEL restores what was before',
    async run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const took = await duration(one)
      const next = random(20)
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGPIPE'] as const) {
        for (let round = 0; round < 8; round++) {
          const answer = await interrupted(one, 'ADD', signal, next() * took)
          check(!answer.timedOut, `ADD ends after ${signal}; ${seen(answer)}`)
          ok0(one.del())
        }
        context.noResidue(before, `after ${signal} in ADD and DEL all is as before`)
      }
    },
  },
  {
    id: 'ROB-21',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim: 'a DEL or GC that was killed can be repeated, and is complete then',
    async run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const next = random(21)
      const verbs = context.since('1.1.0') ? (['DEL', 'GC'] as const) : (['DEL'] as const)
      for (const verb of verbs) {
        const config = verb === 'GC' ? { prevResult: undefined, 'cni.dev/valid-attachments': [] } : {}
        const took = await duration(one, verb, config)
        for (let round = 0; round < 15; round++) {
          one.added()
          await interrupted(one, verb, 'SIGKILL', next() * took, config)
          if (verb === 'GC') ok0(one.call('GC', { config }))
          ok0(one.del())
        }
        context.noResidue(before, `after ${verb} was killed and repeated all is as before`)
      }
      same(context.fake.held(), [], 'addresses that the delegate has not got back')
    },
  },
  {
    id: 'ROB-22',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim: 'a call that was killed while it held a lock leaves no lock behind',
    needs: { descriptor: ['state'] },
    async run(context) {
      const one = context.attachment()
      const took = await duration(one)
      const next = random(22)
      for (let round = 0; round < 20; round++) {
        await interrupted(one, 'ADD', 'SIGKILL', next() * took)
        const begin = performance.now()
        ok0(one.del())
        check(performance.now() - begin < 5000, 'the next call waits for nobody')
      }
      const other = context.attachment()
      other.added()
    },
  },
  {
    id: 'ROB-23',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['IPAM'],
    claim: 'a lock that another process holds for long is waited for with a limit, and then code 11',
    needs: { descriptor: ['state'] },
    idle: true,
    async run(context) {
      const one = context.attachment()
      one.added()
      ok0(one.del())
      const [lock] = lockFiles(context)
      if (lock === undefined) return context.skip('the plugin has no lock file')
      const holder = await holdLock(context, lock)
      const answer = await one.start('ADD', { timeout: 60_000 }).done
      check(!answer.timedOut, `ADD ends within a minute; ${seen(answer)}`)
      err(answer, 11)
      holder.kill('SIGKILL')
      await once(holder, 'exit')
      const again = await one.start('ADD').done
      ok(again)
    },
  },
  {
    id: 'ROB-24',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'while one call is stopped others work, unless it holds a lock; when it goes on it ends well',
    async run(context) {
      const one = context.attachment()
      const other = context.attachment()
      const took = await duration(one)
      const next = random(24)
      // Before it has its configuration a call can hold no lock.
      const fifo = join(context.directory, 'fifo')
      one.renew()
      const early = one.start('ADD', { shell: `mkfifo ${fifo}; exec <>${fifo}` })
      await wait(took + 20)
      early.child.kill('SIGSTOP')
      const free = await other.start('ADD', { timeout: 5000 }).done
      early.child.kill('SIGKILL')
      check(!free.timedOut, `another call does not wait for one without a configuration; ${seen(free)}`)
      ok(free)
      await early.done
      ok0(other.del())
      for (let round = 0; round < 5; round++) {
        for (const each of [one, other]) each.renew()
        const running = one.start('ADD')
        await wait(next() * took)
        running.child.kill('SIGSTOP')
        const beside = other.start('ADD')
        // The other one may wait for a lock of the first.
        const soon = await Promise.race([beside.done, wait(400).then(() => undefined)])
        running.child.kill('SIGCONT')
        ok(soon ?? (await beside.done))
        ok(await running.done)
        for (const each of [one, other]) ok0(each.del())
      }
    },
  },
  {
    id: 'ROB-25',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim:
      'the descriptors 3 to 100 open, few allowed, and a small stack make no difference, or an error that leaves nothing',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const limits = ['ulimit -n 32', 'ulimit -s 256', 'ulimit -v 400000'].map((line) => [line, line] as const)
      for (const [name, shell] of [['98 descriptors', MANY_OPEN] as const, ...limits]) {
        const answer = one.add({ shell })
        check(answer.signal === null && !answer.timedOut, `ADD ends by itself with ${name}; ${seen(answer)}`)
        // A runtime that cannot start at all (a language with a large heap) has no stdout to speak on.
        if (answer.status === 0) {
          ok(answer)
          ok0(one.del({ shell }))
        } else if (answer.stdout !== '') err(answer)
        done(one.del())
        context.noResidue(before, `after ADD and DEL with ${name} all is as before`)
      }
    },
  },
  {
    id: 'ROB-25.inherited',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['DL'],
    claim: "the delegate inherits no descriptor of the plugin's own",
    run(context) {
      const where = context.temp('descriptors')
      writeFileSync(
        join(where, 'suite-fds'),
        `#!/bin/sh\nfds=$(/bin/ls -l /proc/self/fd)\necho "$fds" >${where}/fds\ncat >/dev/null\n${"printf '%s'"} '${JSON.stringify(context.shape({ ips: [{ address: '10.88.0.7/24', gateway: '10.88.0.1' }] }))}'\n`,
      )
      chmodSync(join(where, 'suite-fds'), 0o755)
      const key = context.plugin.delegates ?? 'ipam'
      const one = context.attachment({ config: { [key]: { type: 'suite-fds' } } })
      one.added({ path: where })
      const ours = context.host.run('ls', '-l', '/proc/self/fd')
      const descriptors = readFileSync(join(where, 'fds'), 'utf8')
        .split('\n')
        .filter((line) => line.includes('->'))
      const own = descriptors.filter((line) => {
        const [left = '', target = ''] = line.split(' -> ')
        const number = Number(left.trim().split(/\s+/).at(-1))
        // The shell has its script open, and ls the folder; what the suite has inherited is not the plugin's.
        return number > 2 && !/suite-fds|\/proc\//.test(target) && !ours.includes(target)
      })
      same(own, [], 'descriptors of the delegate besides its streams')
    },
  },
  {
    id: 'ROB-26',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'with any umask state files are neither world-writable nor unreadable to the next call',
    run(context) {
      for (const umask of ['000', '777', '077']) {
        const one = context.attachment({ containerId: `u${umask}` })
        ok(one.add({ shell: `umask ${umask}; cd /proc` }))
        for (const path of context.stateDirectories.flatMap(filesBelow)) {
          check((statSync(path).mode & 0o002) === 0, `${path} is not world-writable with umask ${umask}`)
        }
        if (context.since('0.4.0')) ok0(one.check())
        ok0(one.del({ shell: `umask ${umask}` }))
      }
    },
  },
  {
    id: 'ROB-26.link',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim: 'an executable reached through a symbolic link, or copied elsewhere, is the same plugin',
    run(context) {
      const where = context.temp('elsewhere')
      const { type } = context.plugin
      symlinkSync(context.executable, join(where, type))
      const copies = context.temp('copies')
      copyFileSync(context.executable, join(copies, type))
      for (const directory of [where, copies]) {
        const one = context.attachment({ containerId: `l${directory.length}` })
        ok(one.add({ executable: join(directory, type) }))
        ok0(one.del())
      }
    },
  },
  {
    id: 'ROB-27',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'without rights VERSION answers, and ADD fails with an error, or needs none, and leaves nothing',
    needs: { root: true },
    run(context) {
      const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path))
      if (setpriv === undefined) return context.skip('there is no setpriv')
      // Where unprivileged users may not look, they cannot execute either.
      const where = context.temp('world')
      for (const path of [context.directory, where, join(context.directory, '..')]) chmodSync(path, 0o755)
      const copy = join(where, context.plugin.type)
      copyFileSync(context.executable, copy)
      chmodSync(copy, 0o755)
      const as = `exec ${setpriv} --reuid=65534 --regid=65534 --clear-groups --no-new-privs --bounding-set=-all ${copy}`
      const version = context.call('VERSION', { shell: as })
      check(version.status === 0 && version.json?.supportedVersions !== undefined, `VERSION answers; ${seen(version)}`)
      const one = context.attachment()
      const before = context.snapshot()
      const answer = one.add({ shell: as, path: `${where}:${context.path}` })
      // An IPAM plugin without state needs none.
      if (answer.status === 0) check(context.plugin.kind === 'ipam', `ADD without rights fails; ${seen(answer)}`)
      else err(answer)
      context.unchanged(before, 'ADD without rights changes nothing', context.lastingDirectories)
    },
  },
  {
    id: 'ROB-28',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'without helper programs in PATH the plugin works, or says so on ADD and STATUS; DEL succeeds',
    run(context) {
      const env = { PATH: context.temp('empty') }
      const one = context.attachment()
      const before = context.snapshot()
      const answer = one.add({ env })
      if (answer.status !== 0) {
        err(answer)
        if (context.since('1.1.0')) err(context.call('STATUS', { config: context.config(), env }), 50)
      } else ok(answer)
      ok0(one.del({ env }))
      nothingLeft(context, before, 'after DEL without helper programs nothing is left')
    },
  },
  {
    id: 'ROB-29',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'variables of language runtimes load no code from the working directory',
    run(context) {
      const where = context.temp('hostile')
      mkdirSync(join(where, 'node_modules'), { recursive: true })
      const ran = join(where, 'ran')
      writeFileSync(join(where, 'evil.js'), `require('fs').writeFileSync(${JSON.stringify(ran)}, '')`)
      writeFileSync(join(where, 'sitecustomize.py'), `open(${JSON.stringify(ran)}, 'w')`)
      writeFileSync(join(where, '.bunfig.toml'), `preload = ["./evil.js"]`)
      writeFileSync(join(where, 'evil.sh'), `: >${ran}`)
      const env = {
        NODE_OPTIONS: `--require ${where}/evil.js`,
        BUN_OPTIONS: `--preload ${where}/evil.js`,
        BUN_INSPECT_PRELOAD: `${where}/evil.js`,
        PYTHONPATH: where,
        PERL5LIB: where,
        RUBYOPT: `-r${where}/evil`,
        ENV: `${where}/evil.sh`,
        BASH_ENV: `${where}/evil.sh`,
        GODEBUG: 'gctrace=1',
      }
      const one = context.attachment()
      ok(one.add({ env, shell: `cd ${where}` }))
      ok0(one.del({ env, shell: `cd ${where}` }))
      check(!existsSync(ran), `none of ${readdirSync(where)} was run`)
    },
  },
  {
    id: 'ROB-62',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['IF', 'CH'],
    claim: 'where CNI_NETNS is a FIFO ADD fails with code 4 at once, and DEL ends',
    run(context) {
      const fifo = join(context.temp('paths'), 'netns')
      context.host.sh(`mkfifo '${fifo}'`)
      const one = context.attachment()
      const before = context.snapshot()
      err(one.add({ netns: fifo, timeout: 5000 }), 4)
      context.unchanged(before, 'ADD without a namespace changes nothing')
      const answer = one.del({ netns: fifo, timeout: 5000 })
      check(!answer.timedOut, `DEL ends; ${seen(answer)}`)
    },
  },
  {
    id: 'ROB-63',
    section: 'robustness',
    level: 'MUST',
    duty: ['DL'],
    claim: 'with stderr closed, what the delegate writes there gets into no file of state',
    run(context) {
      const noise = 'noise of the delegate'
      context.fake.on('ADD', { stderr: `${noise}\n` })
      const one = context.attachment()
      one.added({ shell: 'exec 2>&-' })
      const files = context.stateDirectories.flatMap(filesBelow)
      same(
        files.filter((path) => readFileSync(path, 'latin1').includes(noise)),
        [],
        'files with what the delegate wrote',
      )
      ok0(one.del())
    },
  },
  {
    id: 'ROB-64',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'where the result cannot be written ADD undoes what it did',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const answer = one.add({ shell: 'exec >/dev/full' })
      check(answer.status !== 0, `ADD fails; ${seen(answer)}`)
      context.noResidue(before, 'ADD whose result cannot be written leaves nothing')
      same(context.fake.held(), [], 'addresses that the delegate has not got back')
    },
  },
]
