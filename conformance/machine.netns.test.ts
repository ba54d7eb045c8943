import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url))
const CANARY = 'flatnet-conformance-canary'
const PLACES = ['/etc', '/run', '/tmp', '/var/lib'].map((place) => join(place, CANARY))

t.afterEach(() => {
  for (const place of PLACES) rmSync(place, { recursive: true, force: true })
})

/** A chained plugin that does this on ADD and otherwise nothing, and what the suite needs to test it. */
function folder(t: Test, onAdd: string, descriptor: object) {
  const path = mkdtempSync('/var/tmp/machine-')
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  mkdirSync(join(path, 'bin'))
  const answer = `const { prevResult } = JSON.parse(require('fs').readFileSync(0)); console.log(JSON.stringify(prevResult))`
  // One version is enough: what a plugin writes does not depend on it.
  const versions = JSON.stringify({ cniVersion: '1.1.0', supportedVersions: ['1.1.0'] })
  const script = `#!/bin/sh
case $CNI_COMMAND in ADD) ;; VERSION) echo '${versions}'; exit ;; *) exit 0 ;; esac
${onAdd}
exec '${process.execPath}' -e "${answer}"
`
  writeFileSync(join(path, 'bin/writer'), script, { mode: 0o755 })
  writeFileSync(
    join(path, 'writer.json'),
    JSON.stringify({ type: 'writer', kind: 'chained', config: {}, ...descriptor }),
  )
  return (search = process.env['PATH'], prefix: readonly string[] = []) => {
    // Without what tap has its children write.
    const clean = [process.execPath, MAIN, '--jobs', '1', '--only', 'DEL-01,DEL-02,DEL-03']
    const args = [...clean, '--bin', join(path, 'bin'), '--plugin', join(path, 'writer.json')]
    return spawnSync('env', ['-i', `PATH=${search}`, ...prefix, ...args], { encoding: 'utf8' })
  }
}

t.test('what a plugin writes where it has declared nothing is told, and does not reach the machine', async (t) => {
  const run = folder(t, PLACES.map((place) => `echo secret >${place}`).join('\n'), {})
  const { status, stdout } = run()
  t.equal(status, 1)
  for (const place of PLACES) {
    t.match(stdout, `+ file ${place} 644 7`)
    t.notOk(existsSync(place), place)
  }
  t.equal(stdout.match(/^ok .* DEL-03/gm)?.length, 1, 'nor the next case')
})

t.test('a state directory the machine lacks is the plugin’s alone', async (t) => {
  const state = `/etc/${CANARY}`
  const run = folder(t, `[ -d ${state} ] && echo secret >${state}/of-all`, {
    state: [state],
    leaves: [`file ${state}/*`],
  })
  const { status, stdout } = run()
  t.equal(status, 0, stdout)
  t.notOk(existsSync(state))
})

t.test('one the machine has keeps what is in it', async (t) => {
  const state = mkdtempSync('/etc/machine-')
  t.teardown(() => rmSync(state, { recursive: true, force: true }))
  writeFileSync(join(state, 'kept'), 'kept')
  const run = folder(t, `[ ! -e ${state}/kept ] && echo secret >${state}/mine`, {
    state: [state],
    leaves: [`file ${state}/*`],
  })
  const { status, stdout } = run()
  t.equal(status, 0, stdout)
  t.ok(existsSync(join(state, 'kept')))
  t.notOk(existsSync(join(state, 'mine')))
})

t.test('a directory for a network may stay, one for an attachment may not', async (t) => {
  t.equal(folder(t, 'mkdir -p /run/cni/suite/writer', {})().status, 0)
  const { status, stdout } = folder(t, 'mkdir -p /run/cni/suite/$CNI_CONTAINERID', {})()
  t.equal(status, 1)
  t.match(stdout, '+ dir /run/cni/suite/c1 755')
})

/** A folder with a `mount` that knows no overlays. */
function withoutOverlays(t: Test): string {
  const tools = mkdtempSync('/var/tmp/tools-')
  t.teardown(() => rmSync(tools, { recursive: true, force: true }))
  const script = '#!/bin/sh\ncase $* in *overlay*) echo unknown filesystem >&2; exit 32 ;; esac\nexec /bin/mount "$@"\n'
  writeFileSync(join(tools, 'mount'), script, { mode: 0o755 })
  return `${tools}:${process.env['PATH']}`
}

t.test('without overlays nothing reaches the machine either, and it is said that nobody watches', async (t) => {
  const existing = mkdtempSync('/var/lib/machine-')
  t.teardown(() => rmSync(existing, { recursive: true, force: true }))
  const state = `/var/lib/${CANARY}`
  const writes = [...PLACES.filter((place) => place !== state), `${existing}/more`, `${state}/own`]
  const all = writes.map((path) => `echo secret >${path}`).join('\n')
  const run = folder(t, `[ -d ${state} ] || exit 1\n${all}`, { state: [state], leaves: [`file ${state}/*`] })
  const { status, stdout, stderr } = run(withoutOverlays(t))
  t.equal(status, 0, stdout)
  t.match(stderr, 'no overlay can be laid over /etc')
  for (const path of writes) t.notOk(existsSync(path), path)
})

t.test('in a user namespace, where mounts cannot be taken apart, nothing does either', async (t) => {
  const run = folder(t, PLACES.map((place) => `echo secret >${place}`).join('\n'), {})
  const { status, stderr } = run(undefined, ['unshare', '--user', '--map-root-user', '--mount'])
  t.ok(status === 0 || status === 1, stderr)
  for (const place of PLACES) t.notOk(existsSync(place), place)
})
