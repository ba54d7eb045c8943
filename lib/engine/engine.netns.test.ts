import { spawn, spawnSync } from 'node:child_process'
import { linkSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { BIN } from '../testing/cni.js'

/** Bytes of the last part of an executable (lib/engine/src/archive.rs). */
const FOOTER = 128

const env = { CNI_COMMAND: 'VERSION' }
const input = '{"cniVersion":"1.0.0"}'

function run(path: string, extra: Record<string, string> = {}, stdin = input) {
  const { status, stdout, stderr } = spawnSync(path, { env: { ...env, ...extra }, input: stdin, encoding: 'utf8' })
  return { status, stdout, stderr }
}

t.test('the executable is static: no interpreter, no libraries', async (t) => {
  const elf = readFileSync(join(BIN, 'bridge'))
  const programHeaders = Number(elf.readBigUInt64LE(32))
  const size = elf.readUInt16LE(54)
  const types = Array.from({ length: elf.readUInt16LE(56) }, (_, at) => elf.readUInt32LE(programHeaders + at * size))
  t.notOk(types.includes(3), 'PT_INTERP')
  t.notOk(types.includes(2), 'PT_DYNAMIC')
  t.match(spawnSync('ldd', [join(BIN, 'bridge')], { encoding: 'utf8' }).stderr, /not a dynamic executable/)
})

t.test('the suite is one inode of at most 4.5 MB', async (t) => {
  const stats = readdirSync(BIN).map((name) => statSync(join(BIN, name)))
  t.equal(new Set(stats.map(({ ino }) => ino)).size, 1)
  t.ok((stats[0]?.size ?? Number.POSITIVE_INFINITY) <= 4_500_000)
})

t.test('the name decides the plugin, whatever stands around it', async (t) => {
  const dir = t.testdir({})
  for (const name of ['cnv-bridge', 'bridge-amd64', 'bridge.old', 'my-host-local', 'host-local', 'flatnet-bridge']) {
    linkSync(join(BIN, 'bridge'), join(dir, name))
    const { status, stdout } = run(join(dir, name))
    t.equal(status, 0, name)
    t.match(JSON.parse(stdout), { cniVersion: '1.0.0', supportedVersions: ['0.1.0'] }, name)
  }
  symlinkSync(join(BIN, 'bridge'), join(dir, 'another-name'))
  t.equal(run(join(dir, 'another-name')).status, 0, 'a link of another name is what it points at')
})

t.test('an unknown name is a CNI error that lists the known ones', async (t) => {
  const dir = t.testdir({})
  linkSync(join(BIN, 'bridge'), join(dir, 'frobnicator'))
  const { status, stdout } = run(join(dir, 'frobnicator'))
  t.equal(status, 1)
  t.match(JSON.parse(stdout), { code: 999, msg: /frobnicator/, details: /bridge.*host-local/ })
})

t.test('a damaged executable still prints one CNI error and exits 1', async (t) => {
  const dir = t.testdir({})
  const whole = readFileSync(join(BIN, 'bridge'))
  const footer = whole.length - FOOTER
  const offset = (section: number) => Number(whole.readBigUInt64LE(footer + section * 16))
  const flipped = (from: number, to: number) => {
    const copy = Buffer.from(whole)
    for (let at = from; at < to; at += 500) copy[at] = (copy[at] ?? 0) ^ 0x10
    return copy
  }
  const damage: Record<string, Buffer> = {
    'a truncated file': whole.subarray(0, whole.length - 1000),
    'a stripped file': whole.subarray(0, offset(0)),
    'flipped bits in the footer': flipped(footer, footer + 1),
    'flipped bits in the names': flipped(offset(2), offset(2) + 1),
    'flipped bits in the heap of the image': flipped(offset(3) + 4096, footer),
  }
  for (const [what, bytes] of Object.entries(damage)) {
    const path = join(dir, 'bridge')
    writeFileSync(path, bytes, { mode: 0o755 })
    const { status, stdout } = run(path)
    t.equal(status, 1, what)
    t.match(JSON.parse(stdout), { code: 999, msg: String, details: String }, what)
  }
  const path = join(dir, 'bridge')
  writeFileSync(path, flipped(offset(0), offset(1)), { mode: 0o755 })
  const { status, stdout } = run(path, { FLATNET_DEBUG: '1' })
  t.equal(status, 1, 'flipped bits in the bytecode')
  t.match(JSON.parse(stdout), { code: 999 }, 'flipped bits in the bytecode')
})

t.test('an image that is none is passed over', async (t) => {
  const dir = t.testdir({})
  const whole = Buffer.from(readFileSync(join(BIN, 'bridge')))
  const image = Number(whole.readBigUInt64LE(whole.length - FOOTER + 48))
  whole[image] = (whole[image] ?? 0) ^ 1
  writeFileSync(join(dir, 'bridge'), whole, { mode: 0o755 })
  t.same(run(join(dir, 'bridge')), run(join(BIN, 'bridge')))
})

t.test('without its image, as in debugging, a plugin does the same', async (t) => {
  t.same(run(join(BIN, 'bridge'), { FLATNET_DEBUG: '1' }), run(join(BIN, 'bridge')))
})

t.test('out of memory and deep recursion are CNI errors', async (t) => {
  const attachment = { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'c', CNI_NETNS: '/x', CNI_IFNAME: 'eth0', CNI_PATH: BIN }
  const deep = `{"name":"n","cniVersion":"1.0.0","x":${'['.repeat(20_000)}${']'.repeat(20_000)}}`
  const nested = run(join(BIN, 'bridge'), attachment, deep)
  t.equal(nested.status, 1)
  t.type(JSON.parse(nested.stdout).code, 'number')
  const engine = Number(readFileSync(join(BIN, 'bridge')).readBigUInt64LE(statSync(join(BIN, 'bridge')).size - FOOTER))
  // Room for the executable itself and not for its heap.
  const command = `ulimit -v ${(engine >> 10) + 900}; exec ${join(BIN, 'bridge')}`
  const limited = spawnSync('sh', ['-c', command], { env, input, encoding: 'utf8' })
  t.equal(limited.status, 1)
  t.match(JSON.parse(limited.stdout), { code: 999 })
  const smallStack = spawnSync('sh', ['-c', `ulimit -s 128; exec ${join(BIN, 'bridge')}`], {
    env: { ...env, ...attachment },
    input: deep,
    encoding: 'utf8',
  })
  t.equal(smallStack.status, 1)
  t.type(JSON.parse(smallStack.stdout).code, 'number')
})

t.test('an input for which there is no memory is refused in words', async (t) => {
  // 256 MiB hold fewer objects than 15 MB of text can ask for.
  const many = `{"cniVersion":"1.1.0","name":"n","type":"loopback","x":[${'{},'.repeat(5_000_000)}{}]}`
  const attachment = { CNI_CONTAINERID: 'c', CNI_NETNS: '/x', CNI_IFNAME: 'eth0', CNI_PATH: BIN }
  const { status, stdout } = run(join(BIN, 'loopback'), { CNI_COMMAND: 'ADD', ...attachment }, many)
  t.equal(status, 1)
  t.match(JSON.parse(stdout), { code: 6, msg: /out of memory$/ })
})

t.test('little memory is called by its name', async (t) => {
  for (const size of [2600, 2700, 2800, 2900, 3000]) {
    const { status, stdout } = spawnSync('sh', ['-c', `ulimit -d ${size}; exec ${join(BIN, 'bridge')}`], {
      env: { CNI_COMMAND: 'STATUS', CNI_PATH: BIN },
      input: '{"cniVersion":"1.1.0","name":"n","type":"bridge"}',
      encoding: 'utf8',
    })
    if (status !== 0) t.match(stdout, /out of memory/, `ulimit -d ${size}: ${stdout}`)
  }
})

t.test('flatnet verify says what is wrong with a path that is no executable', async (t) => {
  const dir = t.testdir({})
  const [fifo, loop] = [join(dir, 'fifo'), join(dir, 'loop')]
  spawnSync('mkfifo', [fifo])
  symlinkSync(loop, loop)
  const paths = [join(dir, 'nowhere'), fifo, dir, loop, '/dev/zero']
  const { status, stderr } = spawnSync(join(BIN, 'flatnet'), ['verify', ...paths], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  t.equal(status, 1)
  t.match(stderr, new RegExp(`^${paths[0]}: there is no such file$`, 'm'))
  t.match(stderr, new RegExp(`^${loop}: it is a symbolic link that leads back to itself$`, 'm'))
  for (const path of [fifo, dir, '/dev/zero']) t.match(stderr, new RegExp(`^${path}: it is not a regular file$`, 'm'))
})

t.test('SIGTERM while it waits gives one CNI error and exit status 1', async (t) => {
  const attachment = { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'c', CNI_NETNS: '/x', CNI_IFNAME: 'eth0', CNI_PATH: BIN }
  const child = spawn(join(BIN, 'bridge'), { env: attachment, stdio: ['pipe', 'pipe', 'ignore'] })
  let stdout = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  child.stdin.write('{"name":')
  // It is waiting once its only task sleeps in the pipe.
  const deadline = Date.now() + 60_000
  while (!readFileSync(`/proc/${child.pid}/stat`, 'utf8').includes(') S ') && Date.now() < deadline) {
    await new Promise((done) => setTimeout(done, 5))
  }
  child.kill('SIGTERM')
  const status = await new Promise((done) => child.on('close', done))
  t.equal(status, 1)
  t.match(JSON.parse(stdout), { code: 11, msg: /SIGTERM/ })
})

t.test('FLATNET_DEBUG=1 prints the stack in TypeScript lines', async (t) => {
  const attachment = { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'c', CNI_NETNS: '/x', CNI_IFNAME: 'eth0', CNI_PATH: BIN }
  const { stderr, stdout } = run(join(BIN, 'bridge'), { ...attachment, FLATNET_DEBUG: '1' }, '{"name":"/"}')
  t.match(stderr, /readIdentity \(lib\/cni\/config\.ts:\d+\)/)
  t.equal(JSON.parse(stdout).code, 7)
  const quiet = run(join(BIN, 'bridge'), attachment, '{"name":"/"}')
  t.equal(quiet.stderr, '')
})

/** `flatnet verify`, of a copy with one bit flipped, or of none. */
function verify(directory: string, at?: number) {
  const copy = Buffer.from(readFileSync(join(BIN, 'flatnet')))
  if (at !== undefined) copy[at] = (copy[at] ?? 0) ^ (1 << (at % 8))
  const path = join(directory, 'flatnet')
  writeFileSync(path, copy, { mode: 0o755 })
  const { status, stdout, stderr } = spawnSync(join(BIN, 'flatnet'), ['verify', path], { encoding: 'utf8' })
  return { status, stdout, stderr, own: spawnSync(path, ['verify'], { encoding: 'utf8' }).status }
}

t.test('flatnet verify finds one flipped bit wherever it is', async (t) => {
  const dir = t.testdir({})
  t.match(verify(dir), { status: 0, stdout: `${join(dir, 'flatnet')}: as it was built\n`, stderr: '', own: 0 })
  const size = statSync(join(BIN, 'flatnet')).size
  const image = Number(readFileSync(join(BIN, 'flatnet')).readBigUInt64LE(size - FOOTER + 48))
  const places = [
    0,
    5000,
    ...Array.from({ length: 12 }, (_, n) => image + 4096 + n * 150_001),
    size - FOOTER - 1,
    size - 30,
  ]
  for (const at of places) {
    const { status, stderr } = verify(dir, at)
    t.equal(status, 1, `byte ${at}`)
    t.match(stderr, /differs from what was built|damaged/, `byte ${at}`)
  }
  t.equal(verify(dir, image + 100_000).own, 1, 'a damaged heap judges itself, too: it is not started')
  for (const file of ['/bin/true', '/nowhere', '/']) {
    t.equal(spawnSync(join(BIN, 'flatnet'), ['verify', join(BIN, 'bridge'), file]).status, 1, file)
  }
})
