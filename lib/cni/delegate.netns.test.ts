import { execSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { BIN, environment } from '../testing/cni.js'
import { Netns, needs } from '../testing/netns.js'

/** A delegate that records what it is given and answers as told. */
function fake(directory: string, script: string): void {
  writeFileSync(
    join(directory, 'fake'),
    `#!/bin/sh\necho "$CNI_COMMAND" >> ${directory}/commands\ncat > ${directory}/stdin\nenv > ${directory}/env\n${script}\n`,
  )
  chmodSync(join(directory, 'fake'), 0o755)
}

function status(path: string, config: object = {}, env: Record<string, string> = {}) {
  const input = JSON.stringify({ cniVersion: '1.1.0', name: 'n', type: 'bridge', ipam: { type: 'fake' }, ...config })
  const { status, stdout, stderr } = spawnSync(join(BIN, 'bridge'), {
    input,
    env: { CNI_COMMAND: 'STATUS', CNI_PATH: path, PATH: process.env['PATH'] ?? '', ...env },
    encoding: 'utf8',
    timeout: 60_000,
    maxBuffer: 64 << 20,
  })
  return { status, stderr, input, json: stdout === '' ? undefined : JSON.parse(stdout) }
}

t.test('a delegate', { skip: needs('root') }, async (t) => {
  t.test('is the first regular file of its name in CNI_PATH', async (t) => {
    const dir = t.testdir({ a: {}, b: { fake: {} }, c: {}, d: {} })
    fake(join(dir, 'c'), 'exit 0')
    fake(join(dir, 'd'), 'exit 1')
    const path = ['nowhere', 'a', 'b', 'c', 'd'].map((name) => join(dir, name)).join(':')
    t.equal(status(path).status, 0)
    t.equal(readFileSync(join(dir, 'c', 'commands'), 'utf8'), 'STATUS\n')
  })

  t.test('is not looked for in PATH, nor by a path of its own', async (t) => {
    const dir = t.testdir({ c: {} })
    fake(join(dir, 'c'), 'exit 0')
    const beside = { PATH: `${join(dir, 'c')}:/usr/bin:/bin` }
    t.match(status(BIN, {}, beside).json, { code: 50, msg: /failed to find plugin "fake"/ })
    for (const type of ['../c/fake', join(dir, 'c', 'fake'), '..', '.']) {
      t.match(status(join(dir, 'c'), { ipam: { type } }).json, { code: 7 }, type)
    }
    t.match(status('').json, { code: 4, msg: /CNI_PATH/ })
  })

  t.test('gets the whole configuration and the whole environment', async (t) => {
    const dir = t.testdir({})
    fake(dir, 'exit 0')
    const { input } = status(dir, { custom: [1, { x: null }], 'cni.dev/y': 'z' }, { TRACEPARENT: '00-1', EMPTY: '' })
    t.equal(readFileSync(join(dir, 'stdin'), 'utf8'), input)
    const env = readFileSync(join(dir, 'env'), 'utf8').split('\n')
    for (const line of ['CNI_COMMAND=STATUS', `CNI_PATH=${dir}`, 'TRACEPARENT=00-1', 'EMPTY='])
      t.ok(env.includes(line), line)
    t.equal(env.filter((line) => line.startsWith('CNI_COMMAND=')).length, 1)
  })

  t.test("passes its code and words on, and its stderr to the plugin's", async (t) => {
    const dir = t.testdir({})
    fake(dir, `echo diagnosis >&2; echo '{"code":51,"msg":"no","details":"because"}'; exit 1`)
    const { json, stderr } = status(dir)
    t.match(json, { code: 51, msg: 'no', details: 'because' })
    t.match(stderr, /diagnosis/)
  })

  t.test('that fails without a CNI error is reported with what it printed', async (t) => {
    const dir = t.testdir({})
    for (const [script, details] of [
      ['echo broken; exit 3', /broken/],
      ['exit 3', /nothing/],
      ['kill -9 $$', /nothing/],
    ] as const) {
      fake(dir, script)
      t.match(status(dir).json, { code: 107, details }, script)
    }
    fake(dir, 'exit 0')
    chmodSync(join(dir, 'fake'), 0o644)
    t.match(status(dir).json, { code: 107, msg: /EACCES/ }, 'not executable')
  })

  t.test('that does not read a large stdin, or floods stdout, does not block the plugin', async (t) => {
    const dir = t.testdir({})
    writeFileSync(join(dir, 'fake'), '#!/bin/sh\nhead -c 300000 /dev/zero; exit 0\n')
    chmodSync(join(dir, 'fake'), 0o755)
    t.equal(status(dir, { padding: 'x'.repeat(400_000) }).status, 0)
  })

  t.test('that floods stderr is passed on up to a limit, and drained', async (t) => {
    const dir = t.testdir({})
    fake(dir, 'echo first >&2; head -c 20000000 /dev/zero | tr "\\0" x >&2; echo; exit 0')
    const flood = status(dir)
    t.equal(flood.status, 0)
    t.match(flood.stderr, /^first\n/)
    t.match(flood.stderr, /fake printed more than 1 MiB on stderr: the rest is left out/)
    t.ok(flood.stderr.length < (1 << 20) + 1000, `${flood.stderr.length} bytes`)
    fake(dir, `exec >&-; head -c 300000 /dev/zero >&2; exit 3`)
    t.match(status(dir).json, { code: 107, msg: /status 3/ }, 'after its stdout has ended, too')
    fake(dir, `sleep 300 >/dev/null & echo $! > ${dir}/left; exit 0`)
    const began = Date.now()
    t.equal(status(dir).status, 0)
    process.kill(Number(readFileSync(join(dir, 'left'), 'utf8')))
    t.ok(Date.now() - began < 30_000, 'who keeps its stderr open is not waited for')
  })

  t.test('that is being written is waited for', async (t) => {
    const dir = t.testdir({})
    copyFileSync('/bin/true', join(dir, 'fake'))
    chmodSync(join(dir, 'fake'), 0o755)
    const busy = async (seconds: number) => {
      const holder = spawn('sh', ['-c', `exec 9<>${dir}/fake; echo; exec sleep ${seconds} >/dev/null`])
      await once(holder.stdout, 'data')
      try {
        return status(dir)
      } finally {
        holder.kill('SIGKILL')
      }
    }
    t.equal((await busy(0.4)).status, 0)
    t.match((await busy(60)).json, { code: 107, msg: /ETXTBSY/ }, 'for two seconds')
  })

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    t.test(`and what it started are gone before its DEL, when ${signal} stops its ADD`, async (t) => {
      const dir = t.testdir({ state: {} })
      // A child of the delegate does its work, as a wrapper script's would.
      fake(
        dir,
        `[ $CNI_COMMAND = ADD ] || { case $(cut -d' ' -f3 /proc/$(cat ${dir}/worker)/stat) in '' | Z) ;; *) touch ${dir}/beside ;; esac; exit 0; }
        sleep 300 & echo $! > ${dir}/worker; wait`,
      )
      const config = {
        cniVersion: '1.1.0',
        name: 'n',
        type: 'bridge',
        stateDir: join(dir, 'state'),
        ipam: { type: 'fake' },
      }
      const netns = Netns.create(t, 'pod', { loopback: false })
      const host = Netns.create(t, 'host')
      const env = { ...environment({ command: 'ADD', host, config, netns }), CNI_PATH: dir }
      const child = spawn('nsenter', [`--net=${host.path}`, '--', join(BIN, 'bridge')], {
        env,
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      let stdout = ''
      child.stdout.on('data', (chunk) => {
        stdout += chunk
      })
      child.stdin.end(JSON.stringify(config))
      const deadline = Date.now() + 60_000
      while (!existsSync(join(dir, 'worker')) && Date.now() < deadline) await new Promise((done) => setTimeout(done, 5))
      child.kill(signal)
      const [status] = await once(child, 'close')
      t.equal(status, 1)
      t.match(JSON.parse(stdout), { code: 11, msg: new RegExp(signal) })
      t.equal(readFileSync(join(dir, 'commands'), 'utf8'), 'ADD\nDEL\n')
      t.notOk(existsSync(join(dir, 'beside')), 'nothing of ADD ran beside DEL')
      t.same(
        host
          .ip('link')
          .map(({ ifname }: { ifname: string }) => ifname)
          .filter((name: string) => name.startsWith('veth')),
        [],
      )
    })
  }

  t.test('that prints without end is stopped at 16 MiB', async (t) => {
    const dir = t.testdir({})
    fake(dir, 'exec head -c 1G /dev/zero')
    t.match(status(dir).json, { code: 107, msg: /cannot run IPAM plugin/, details: /more than 16 MiB/ })
  })

  t.test('has its words passed on, and its code only where a runtime can read it', async (t) => {
    const dir = t.testdir({})
    for (const [code, expected] of [
      ['51', 51],
      ['4294967295', 4294967295],
      ['0', 107],
      ['-1', 107],
      ['-1.5', 107],
      ['1e308', 107],
      ['4294967296', 107],
      ['"7"', 107],
      ['null', 107],
    ] as const) {
      fake(dir, `echo '{"code":${code},"msg":"no","details":"because"}'; exit 1`)
      t.match(status(dir).json, { code: expected, msg: 'no', details: 'because' }, code)
    }
  })

  t.test('is run when the caller ignores the end of its children', async (t) => {
    const dir = t.testdir({})
    fake(dir, 'exit 0')
    const input = JSON.stringify({ cniVersion: '1.1.0', name: 'n', type: 'bridge', ipam: { type: 'fake' } })
    const env = { CNI_COMMAND: 'STATUS', CNI_PATH: dir, PATH: process.env['PATH'] ?? '' }
    const done = spawnSync('env', ['--ignore-signal=CHLD', join(BIN, 'bridge')], { input, env, encoding: 'utf8' })
    t.equal(done.status, 0, done.stdout)
  })

  t.test('that is missing is named with what to do about it', async (t) => {
    const dir = t.testdir({})
    const advice = (type: string) => status(dir, { ipam: { type } }).json
    for (const [type, details] of Object.entries({
      'host-local': /cp \/.*\/bin\/\w+ \/.*\/host-local$/,
      'host-locl': /did you mean.*"host-local"/,
      hostlocal: /did you mean.*"host-local"/,
      static: /cp \/.*\/bin\/\w+ \/.*\/static$/,
      sttaic: /did you mean.*"static"/,
      dhcp: /flatnet has no dhcp: install it from containernetworking\/plugins/,
      dhpc: /did you mean.*"dhcp"/,
      whereabouts: /flatnet has no whereabouts: install that plugin/,
    })) {
      t.match(advice(type), { code: 50, msg: `failed to find plugin "${type}"`, details }, type)
    }
  })

  t.test('follows the advice: what it says to copy is that plugin', async (t) => {
    const dir = t.testdir({})
    const ipam = { type: 'host-local', ranges: [[{ subnet: '10.1.0.0/24' }]], dataDir: join(dir, 'data') }
    const { details } = status(dir, { ipam }).json
    execSync(details.slice(details.indexOf('cp ')))
    t.equal(status(dir, { ipam }).status, 0)
  })

  t.test('is never a plugin of ours that gives no addresses, found or not', async (t) => {
    for (const type of readdirSync(BIN).filter((name) => !['host-local', 'static'].includes(name))) {
      for (const path of [BIN, t.testdir({})]) {
        t.match(status(path, { ipam: { type } }).json, {
          code: 7,
          msg: `"${type}" is not an IPAM plugin`,
          details: /host-local or static/,
        })
      }
    }
  })

  t.test('of this very build runs in this process, copied or linked', async (t) => {
    const dir = t.testdir({ copy: {} })
    copyFileSync(join(BIN, 'host-local'), join(dir, 'copy', 'host-local'))
    t.not(statSync(join(BIN, 'host-local')).ino, statSync(join(dir, 'copy', 'host-local')).ino)
    mkdirSync(join(dir, 'data'))
    const hostLocal = { type: 'host-local', dataDir: join(dir, 'data'), ranges: [[{ subnet: '10.1.0.0/24' }]] }
    for (const [path, ipam] of [
      [BIN, hostLocal],
      [join(dir, 'copy'), hostLocal],
      [BIN, { type: 'static', addresses: [{ address: '10.1.0.5/24' }] }],
    ] as const) {
      const input = JSON.stringify({ cniVersion: '1.1.0', name: 'n', type: 'bridge', ipam })
      const { status, stderr } = spawnSync('strace', ['-f', '-e', 'trace=execve', join(BIN, 'bridge')], {
        input,
        env: { CNI_COMMAND: 'STATUS', CNI_PATH: path },
        encoding: 'utf8',
      })
      t.equal(status, 0, stderr)
      t.equal(stderr.split('\n').filter((line) => line.includes('execve(')).length, 1, `${ipam.type} in ${path}`)
    }
  })
})
