import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { packForEngine } from '../testing/engine.js'

// biome-ignore lint/suspicious/noExplicitAny: whatever the driver printed
type Value = any
type Call = [verb: string, ...args: unknown[]]

const module = fileURLToPath(new URL('../testing/store-driver.js', import.meta.url))
const driver = await packForEngine(module, t.testdir({}), 'driver')

function place(stateDir: string) {
  return { stateDir, plugin: 'bridge', network: 'net', containerId: 'c1', ifName: 'eth0' }
}

function script(stateDir: string, calls: Call[]): string {
  return [place(stateDir), ...calls].map((line) => JSON.stringify(line)).join('\n')
}

function answers(stdout: string): Value[] {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

/** Makes the calls in one process; their answers. */
function run(stateDir: string, ...calls: Call[]): Value[] {
  const { status, stdout, stderr } = spawnSync(driver, { input: script(stateDir, calls), encoding: 'utf8' })
  if (status !== 0) throw new Error(`exit ${status}: ${stderr}`)
  return answers(stdout)
}

function recordFile(stateDir: string): string {
  const folder = join(stateDir, 'net', 'bridge')
  const names = readdirSync(folder)
  if (names.length !== 1) throw new Error(`expected one record, found ${names}`)
  return join(folder, names[0] ?? '')
}

t.test('a claim creates the record, its directories, and finds it again', async (t) => {
  const dir = t.testdir({})
  t.same(run(dir, ['claimOrCreate', { veth: 'v0' }], ['write', 'ready', { veth: 'v0', mac: 'x' }], ['release'])[0], {
    value: null,
  })
  const record = JSON.parse(readFileSync(recordFile(dir), 'utf8'))
  t.match(record, { version: 1, state: 'ready', network: 'net', containerId: 'c1', ifName: 'eth0' })
  t.equal(statSync(recordFile(dir)).mode & 0o777, 0o600)
  const earlier = { state: 'ready', content: { veth: 'v0', mac: 'x' }, sameBoot: true }
  t.match(run(dir, ['claim'])[0], { value: earlier })
  t.match(run(dir, ['claimOrCreate', {}])[0], { value: earlier }, 'ADD sees it too, and leaves it')
  t.match(run(dir, ['list'])[0].value, [{ containerId: 'c1', ifName: 'eth0', state: 'ready', content: { mac: 'x' } }])
  t.same(run(dir, ['claim'], ['remove'], ['claim']).pop(), { value: 'none' })
  t.same(readdirSync(join(dir, 'net', 'bridge')), [])
})

t.test('a record that dies in ADD says adding', async (t) => {
  const dir = t.testdir({})
  run(dir, ['claimOrCreate', { step: 1 }])
  t.match(run(dir, ['claim'])[0].value, { state: 'adding', content: { step: 1 } })
})

t.test('a shorter record leaves no tail of the longer one', async (t) => {
  const dir = t.testdir({})
  run(dir, ['claimOrCreate', { long: 'x'.repeat(500) }], ['write', 'ready', {}])
  t.match(run(dir, ['claim'])[0].value, { state: 'ready', content: {} })
})

t.test('a record that would be too large to be read is refused, and nothing of it is written', async (t) => {
  const dir = t.testdir({})
  const refused = { error: /would have \d{8} bytes, more than 16777216/, code: 7, details: /give bridge a shorter/ }
  t.match(run(dir, ['claimOrCreateFilled', 16 << 20])[0], refused)
  t.same(readdirSync(join(dir, 'net', 'bridge')), [], 'no file is left')
  const [created, refusal] = run(
    dir,
    ['claimOrCreateFilled', (16 << 20) - 1000],
    ['writeFilled', 16 << 20],
    ['release'],
  )
  t.same(created, { value: null }, 'the largest that is read is written')
  t.match(refusal, refused)
  t.same(run(dir, ['claimOrCreateFilled', 1])[0], { value: 'adding' }, 'what was there can still be read')
})

t.test('what a power cut leaves is no record and no error', async (t) => {
  for (const [what, damage] of [
    ['empty', (path: string) => truncateSync(path, 0)],
    ['torn', (path: string) => truncateSync(path, 30)],
    ['zeros', (path: string) => writeFileSync(path, Buffer.alloc(100))],
    ['garbage', (path: string) => writeFileSync(path, '[[[{')],
    ['another version', (path: string) => writeFileSync(path, '{"version":9,"state":"ready","content":{}}')],
  ] as const) {
    const dir = t.testdir({})
    run(dir, ['claimOrCreate', { a: 1 }])
    damage(recordFile(dir))
    t.match(run(dir, ['list'])[0].value, [{ state: 'damaged' }], what)
    t.same(run(dir, ['claim'])[0], { value: null }, `${what}: claimed, nothing earlier`)
    t.same(run(dir, ['claimOrCreate', {}], ['write', 'ready', { b: 2 }])[0], { value: null })
    t.match(run(dir, ['claim'])[0].value, { content: { b: 2 } }, `${what}: written over`)
  }
})

t.test('a record of an earlier boot is known for one', async (t) => {
  const dir = t.testdir({})
  run(dir, ['claimOrCreate', {}])
  const path = recordFile(dir)
  writeFileSync(path, readFileSync(path, 'utf8').replace(/"boot":"[^"]*"/, '"boot":"earlier"'))
  t.match(run(dir, ['claim'])[0].value, { state: 'adding', sameBoot: false })
})

t.test('a second call waits for the first, and sees what it did', async (t) => {
  for (const [end, seen] of [
    ['release', { value: { state: 'ready', content: { by: 'first' } } }],
    ['remove', { value: 'none' }],
  ] as const) {
    const dir = t.testdir({})
    const first = spawn(driver, { stdio: ['pipe', 'pipe', 'inherit'] })
    const calls: Call[] = [['claimOrCreate', {}], ['sleep', 1000], ['write', 'ready', { by: 'first' }], [end]]
    first.stdin.end(script(dir, calls))
    await once(first.stdout, 'data') // it has the claim
    t.match(run(dir, ['claim'])[0], seen, `${end}: not what was there when it began`)
    await once(first, 'close')
  }
})

t.test('twenty calls at once on one attachment take turns', async (t) => {
  const dir = t.testdir({})
  const children = Array.from({ length: 20 }, (_, at) => {
    const child = spawn(driver, { stdio: ['pipe', 'pipe', 'inherit'] })
    child.stdin.end(
      script(dir, [['claimOrCreate', {}], ['write', 'ready', { at }], [at % 2 === 0 ? 'release' : 'remove']]),
    )
    return child
  })
  const statuses = await Promise.all(children.map(async (child) => (await once(child, 'close'))[0]))
  t.same(new Set(statuses), new Set([0]))
  run(dir, ['claim'], ['remove'])
  t.same(readdirSync(join(dir, 'net', 'bridge')), [])
})

t.test('a call killed with its claim leaves it to the next', async (t) => {
  const dir = t.testdir({})
  const first = spawn(driver, { stdio: ['pipe', 'pipe', 'inherit'] })
  first.stdin.end(
    script(dir, [
      ['claimOrCreate', { a: 1 }],
      ['sleep', 60_000],
    ]),
  )
  await once(first.stdout, 'data')
  first.kill('SIGKILL')
  await once(first, 'close')
  t.match(run(dir, ['claim'])[0].value, { state: 'adding', content: { a: 1 } })
})

t.test('replaceFile() and createFile()', async (t) => {
  const dir = t.testdir({})
  const path = join(dir, 'a', 'b', 'file')
  t.match(run(dir, ['createFile', path, 'x'])[0], { code: 'ENOENT' }, 'createFile makes no directory')
  run(dir, ['replaceFile', path, 'one'], ['replaceFile', path, '2'])
  t.equal(readFileSync(path, 'utf8'), '2')
  t.same(run(dir, ['createFile', path, 'three'])[0], { value: false }, 'a taken name')
  t.equal(readFileSync(path, 'utf8'), '2')
  t.same(readdirSync(join(dir, 'a', 'b')), ['file'], 'no temporary file')
})

t.test('flockHolder() names the process in the way', async (t) => {
  const dir = t.testdir({})
  const path = join(dir, 'lock')
  const holder = spawn('flock', [path, 'sh', '-c', 'echo; sleep 60'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  await once(holder.stdout, 'data')
  t.match(run(dir, ['flock', path])[0].value, new RegExp(`^process ${holder.pid} \\(flock\\)$`))
  process.kill(-(holder.pid ?? 0), 'SIGKILL')
  await once(holder, 'close')
  t.same(run(dir, ['flock', path])[0], { value: 'taken' })
})
