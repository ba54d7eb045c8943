/** `scripts/install.sh`, while a runtime executes what it replaces. */

import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { BIN } from '../lib/testing/cni.js'

const NAMES = readdirSync(BIN).filter((name) => name !== 'flatnet')

function install(executable: string, directory: string, ...names: string[]): string {
  return execFileSync('scripts/install.sh', [executable, directory, ...names], { encoding: 'utf8' })
}

/** One VERSION call; what went wrong, or undefined. */
function version(executable: string): Promise<string | undefined> {
  return new Promise((done) => {
    const env = { CNI_COMMAND: 'VERSION' }
    const child = execFile(executable, { env }, (error, stdout) => {
      if (error !== null) return done(String(error))
      done(stdout.includes('"supportedVersions"') ? undefined : `printed ${stdout}`)
    })
    child.stdin?.end('{"cniVersion":"1.0.0"}')
  })
}

t.test('install replaces executables that run, and no exec of them fails', async (t) => {
  const directory = t.testdir()
  const another = `${t.testdir({ other: {} })}/other/flatnet`
  copyFileSync(`${BIN}/flatnet`, another)
  install(`${BIN}/flatnet`, directory, ...NAMES)

  let installing = true
  let calls = 0
  const failures: string[] = []
  const runtime = async (name: string) => {
    while (installing) {
      const failure = await version(`${directory}/${name}`)
      calls++
      if (failure !== undefined) failures.push(`${name}: ${failure}`)
    }
  }
  const loops = NAMES.map(runtime)
  for (let round = 0; round < 20; round++) {
    await new Promise((done) =>
      execFile('scripts/install.sh', [round % 2 === 0 ? another : `${BIN}/flatnet`, directory, ...NAMES], done),
    )
  }
  installing = false
  await Promise.all(loops)
  t.same(failures, [])
  t.ok(calls > 100, `${calls} calls`)
})

t.test('install leaves one file with a hard link for each name, and nothing else', async (t) => {
  const directory = `${t.testdir()}/opt/cni/bin`
  const said = install(`${BIN}/flatnet`, directory, ...NAMES)
  t.match(said, directory)
  t.same(readdirSync(directory).toSorted(), [...NAMES, 'flatnet'].toSorted())
  t.equal(new Set(readdirSync(directory).map((name) => statSync(`${directory}/${name}`).ino)).size, 1)
  t.equal(statSync(`${directory}/bridge`).mode & 0o777, 0o755)
  t.ok(readFileSync(`${directory}/bridge`).equals(readFileSync(`${BIN}/bridge`)), 'the executable, byte for byte')
})

t.test('install refuses a damaged executable and leaves what was there', async (t) => {
  const { directory, damaged } = ((root) => ({ directory: `${root}/bin`, damaged: `${root}/flatnet` }))(t.testdir())
  install(`${BIN}/flatnet`, directory, ...NAMES)
  const bytes = readFileSync(`${BIN}/flatnet`)
  const middle = bytes.length >> 1
  bytes[middle] = (bytes[middle] ?? 0) ^ 4
  writeFileSync(damaged, bytes, { mode: 0o755 })
  const before = statSync(`${directory}/bridge`).ino
  const { status, stderr } = spawnSync('scripts/install.sh', [damaged, directory, ...NAMES], { encoding: 'utf8' })
  t.equal(status, 1)
  t.match(stderr, /not installed: .* is damaged/)
  t.equal(statSync(`${directory}/bridge`).ino, before)
  t.same(readdirSync(directory).toSorted(), [...NAMES, 'flatnet'].toSorted())
})

t.test('install keeps plugins of others', async (t) => {
  const directory = t.testdir({ dhcp: 'the reference plugin' })
  install(`${BIN}/flatnet`, directory, ...NAMES)
  t.equal(readFileSync(`${directory}/dhcp`, 'utf8'), 'the reference plugin')
})

t.test('make install puts everything under DESTDIR and BINDIR', async (t) => {
  const destination = t.testdir()
  // `-o build`: what is built, as it is.
  execFileSync('make', ['--silent', '-o', 'build', 'install', `DESTDIR=${destination}`, 'BINDIR=/usr/lib/cni'])
  t.same(readdirSync(`${destination}/usr/lib/cni`).toSorted(), [...NAMES, 'flatnet'].toSorted())
})
