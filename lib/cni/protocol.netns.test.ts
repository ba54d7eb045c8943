import { spawn, spawnSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { BIN } from '../testing/cni.js'
import { VERSIONS } from './version.js'

const attachment = { CNI_CONTAINERID: 'c1', CNI_NETNS: '/nowhere', CNI_IFNAME: 'eth0', CNI_PATH: BIN }

function run(plugin: string, env: Record<string, string>, input: string | Buffer = '') {
  const { status, stdout, stderr } = spawnSync(join(BIN, plugin), { env, input, encoding: 'utf8', timeout: 60_000 })
  return { status, stderr, json: stdout === '' ? undefined : JSON.parse(stdout) }
}

const PLUGINS = ['bridge', 'host-local', 'loopback']

t.test('VERSION lists every released version and echoes the one asked for', async (t) => {
  for (const plugin of PLUGINS) {
    for (const version of [...VERSIONS, '7.0.0']) {
      const { status, json } = run(plugin, { CNI_COMMAND: 'VERSION' }, JSON.stringify({ cniVersion: version }))
      t.equal(status, 0)
      t.same(json, { cniVersion: version, supportedVersions: VERSIONS }, `${plugin} ${version}`)
    }
  }
})

t.test('VERSION does not mind what else is in environment and stdin', async (t) => {
  const dummy = {
    CNI_COMMAND: 'VERSION',
    CNI_NETNS: 'dummy',
    CNI_IFNAME: 'dummy',
    CNI_PATH: 'dummy',
    CNI_CONTAINERID: '',
    CNI_ARGS: ';;=',
  }
  for (const stdin of ['', 'garbage', '[]', '{"cniVersion":5}']) {
    t.same(run('bridge', dummy, stdin).json, { cniVersion: '1.1.0', supportedVersions: VERSIONS }, stdin)
  }
})

t.test('VERSION answers although stdin never ends', async (t) => {
  for (const [said, expected] of [
    ['{"cniVersion":"0.4.0"}', '0.4.0'],
    ['', '1.1.0'],
    ['{"cniVersion":', '1.1.0'],
  ]) {
    const child = spawn(join(BIN, 'bridge'), { env: { CNI_COMMAND: 'VERSION' }, stdio: ['pipe', 'pipe', 'inherit'] })
    let stdout = ''
    child.stdout.on('data', (chunk) => {
      stdout += chunk
    })
    child.stdin.write(said)
    const status = await new Promise((done) => child.on('close', done))
    child.stdin.destroy()
    t.equal(status, 0)
    t.equal(JSON.parse(stdout).cniVersion, expected)
  }
})

t.test('stdin in tiny chunks, split inside a character, is read to its end', async (t) => {
  const child = spawn(join(BIN, 'bridge'), {
    env: { CNI_COMMAND: 'ADD', ...attachment },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let stdout = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  for (const byte of Buffer.from('{"name":"ünÿ"}')) {
    child.stdin.write(Buffer.from([byte]))
    await new Promise((done) => setImmediate(done))
  }
  child.stdin.end()
  await new Promise((done) => child.on('close', done))
  t.match(JSON.parse(stdout), { code: 7, msg: /ü/ })
})

t.test('malformed stdin is code 6, a stdin that cannot be read is code 5', async (t) => {
  for (const plugin of PLUGINS) {
    for (const stdin of ['', '{', '{} {}', '\ufeff{}', '[]', 'null', Buffer.from([0x7b, 0xff])]) {
      const { status, json } = run(plugin, { CNI_COMMAND: 'ADD', ...attachment }, stdin)
      t.equal(status, 1)
      t.equal(json.code, 6, `${plugin} ${JSON.stringify(String(stdin))}`)
    }
  }
  const directory = openSync('/', 'r')
  const { stdout } = spawnSync(join(BIN, 'bridge'), {
    env: { CNI_COMMAND: 'ADD', ...attachment },
    stdio: [directory, 'pipe', 'inherit'],
    encoding: 'utf8',
  })
  closeSync(directory)
  t.equal(JSON.parse(stdout).code, 5)
})

t.test('17 MiB of stdin are refused, 15 are not', async (t) => {
  const padded = (mebibytes: number) => `{"cniVersion":"1.1.0","name":"n"${' '.repeat(mebibytes << 20)}}`
  t.match(run('loopback', { CNI_COMMAND: 'ADD', ...attachment }, padded(17)).json, { code: 6, msg: /16 MiB/ })
  t.match(run('loopback', { CNI_COMMAND: 'ADD', ...attachment }, padded(15)).json, { code: 4 })
})

t.test('versions gate the commands: CHECK from 0.4.0, GC and STATUS from 1.1.0', async (t) => {
  for (const plugin of PLUGINS) {
    for (const [command, version] of [
      ['CHECK', '0.3.1'],
      ['GC', '1.0.0'],
      ['STATUS', '1.0.0'],
      ['ADD', '1.2.0'],
      ['DEL', '1.0'],
    ] as const) {
      const { json } = run(
        plugin,
        { CNI_COMMAND: command, ...attachment },
        JSON.stringify({ name: 'n', cniVersion: version }),
      )
      t.equal(json.code, 1, `${plugin} ${command} at ${version}`)
    }
  }
})

t.test('an error carries the version in use, and exit status 1', async (t) => {
  for (const version of VERSIONS) {
    const { status, json } = run(
      'bridge',
      { CNI_COMMAND: 'ADD', ...attachment },
      JSON.stringify({ name: '/', cniVersion: version }),
    )
    t.equal(status, 1)
    t.match(json, { cniVersion: version, code: 7, msg: String })
  }
})

t.test('stdout that cannot be written is a failure, not a crash', async (t) => {
  const full = openSync('/dev/full', 'w')
  const { status } = spawnSync(join(BIN, 'bridge'), {
    env: { CNI_COMMAND: 'VERSION' },
    stdio: ['ignore', full, 'ignore'],
  })
  closeSync(full)
  t.equal(status, 1)
  const closed = spawnSync('sh', ['-c', `exec ${join(BIN, 'bridge')} >&- </dev/null`], {
    env: { CNI_COMMAND: 'VERSION' },
  })
  t.equal(closed.status, 1)
})

t.test('one error names every missing variable', async (t) => {
  const { json } = run('bridge', { CNI_COMMAND: 'ADD' }, '{}')
  t.match(json, { code: 4, msg: /CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME/ })
})

t.test('asked by a person, a plugin says on stderr what it is, in the words of the reference plugins', async (t) => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
  for (const plugin of readdirSync(BIN).filter((name) => name !== 'flatnet')) {
    const said = `CNI ${plugin} plugin v1.9.1+flatnet.${version}\nCNI protocol versions supported: ${VERSIONS.join(', ')}\n`
    const ask = (words: string[], env: Record<string, string>) => {
      const { status, stdout, stderr } = spawnSync(join(BIN, plugin), words, { env, input: '', encoding: 'utf8' })
      return { status, stdout, stderr }
    }
    const expected = { status: 0, stdout: '', stderr: said }
    for (const env of [{}, { CNI_COMMAND: '' }, { CNI_CONTAINERID: 'c1', CNI_IFNAME: 'eth0' }]) {
      t.same(ask([], env), expected, plugin)
    }
    for (const word of ['--help', '-h', '--version', '-v', 'version', 'help']) {
      t.same(ask([word], { CNI_COMMAND: 'ADD' }), expected, `${plugin} ${word}`)
    }
    t.match(
      ask(['--else'], { CNI_COMMAND: 'ADD' }),
      { status: 1, stdout: /CNI_CONTAINERID/ },
      'other words are nothing',
    )
  }
})

t.test('a whole list on stdin is refused by name; DEL and GC only warn', async (t) => {
  const list = JSON.stringify({ cniVersion: '1.1.0', name: 'n', plugins: [{ type: 'bridge' }, { type: 'portmap' }] })
  for (const plugin of readdirSync(BIN).filter((name) => name !== 'flatnet')) {
    for (const command of ['ADD', 'CHECK', 'STATUS']) {
      const { status, json } = run(plugin, { CNI_COMMAND: command, ...attachment }, list)
      t.equal(status, 1)
      t.match(
        json,
        { code: 7, msg: /whole network configuration list/, details: /jq '\.plugins\[0\]/ },
        `${plugin} ${command}`,
      )
    }
  }
  const { status, stderr } = run('loopback', { CNI_COMMAND: 'DEL', ...attachment }, list)
  t.equal(status, 0)
  t.match(stderr, /whole network configuration list/)
})

t.test('"type": "flatnet" is a CNI error that names the plugins, and stops no DEL', async (t) => {
  const config = JSON.stringify({ cniVersion: '1.1.0', name: 'n', type: 'flatnet' })
  for (const command of ['ADD', 'CHECK', 'STATUS', 'VERSION', 'nonsense']) {
    const { status, json, stderr } = run('flatnet', { CNI_COMMAND: command, ...attachment }, config)
    t.equal(status, 1, command)
    t.match(json, { code: 7, msg: /not a plugin/, details: /bridge, .*portmap/ }, command)
    t.equal(stderr, '')
  }
  for (const command of ['DEL', 'GC']) {
    const { status, json, stderr } = run('flatnet', { CNI_COMMAND: command, ...attachment }, config)
    t.same({ status, json }, { status: 0, json: undefined }, command)
    t.match(stderr, /not a plugin/)
  }
  const { status, stdout } = spawnSync(join(BIN, 'flatnet'), ['help'], {
    env: { CNI_COMMAND: 'ADD' },
    encoding: 'utf8',
  })
  t.equal(status, 0, 'a command is a command')
  t.match(stdout, /usage: flatnet/)
})
