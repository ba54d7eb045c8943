import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { BIN } from '../testing/cni.js'
import { needs } from '../testing/netns.js'

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

  t.test('of this very build runs in this process, copied or linked', async (t) => {
    const dir = t.testdir({ copy: {} })
    copyFileSync(join(BIN, 'host-local'), join(dir, 'copy', 'host-local'))
    t.not(statSync(join(BIN, 'host-local')).ino, statSync(join(dir, 'copy', 'host-local')).ino)
    mkdirSync(join(dir, 'data'))
    const ipam = { type: 'host-local', dataDir: join(dir, 'data'), ranges: [[{ subnet: '10.1.0.0/24' }]] }
    const input = JSON.stringify({ cniVersion: '1.1.0', name: 'n', type: 'bridge', ipam })
    for (const path of [BIN, join(dir, 'copy')]) {
      const { status, stderr } = spawnSync('strace', ['-f', '-e', 'trace=execve', join(BIN, 'bridge')], {
        input,
        env: { CNI_COMMAND: 'STATUS', CNI_PATH: path },
        encoding: 'utf8',
      })
      t.equal(status, 0, stderr)
      t.equal(stderr.split('\n').filter((line) => line.includes('execve(')).length, 1, path)
    }
  })
})
