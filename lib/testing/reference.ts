/**
 * The reference plugins, for tests that compare: v1.9.x built as a Go module where Go is present, what
 * Debian packages (1.1.1, up to specification 1.0.0) otherwise.
 *
 * The build wants a network, which tests do not have: the runner calls `installReference` before it
 * enters namespaces of its own, the tests ask for `reference`.
 */

import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { REFERENCE_BIN } from './cni.js'

const VERSION = 'v1.9.1'
const MODULE = 'github.com/containernetworking/plugins'
const PACKAGES = [
  'plugins/main/bridge',
  'plugins/main/loopback',
  'plugins/main/ptp',
  'plugins/main/host-device',
  'plugins/ipam/host-local',
  'plugins/ipam/static',
  'plugins/meta/portmap',
  'plugins/meta/bandwidth',
  'plugins/meta/firewall',
  'plugins/meta/tuning',
  'plugins/meta/sbr',
]
const BUILT = resolve('build/reference', VERSION)

export interface Reference {
  readonly directory: string
  readonly version: '1.9.1' | '1.1.1'
}

/** Undefined where there is none at all. */
export function reference(): Reference | undefined {
  if (existsSync(join(BUILT, 'bridge'))) return { directory: BUILT, version: '1.9.1' }
  if (existsSync(join(REFERENCE_BIN, 'bridge'))) return { directory: REFERENCE_BIN, version: '1.1.1' }
  return undefined
}

/** Builds the newer one, once; what stands in its way is said and no error. */
export function installReference(): void {
  if (existsSync(BUILT) || spawnSync('go', ['version']).status !== 0) return
  mkdirSync(resolve('build/reference'), { recursive: true })
  const directory = mkdtempSync(`${BUILT}.`)
  const { status, stderr } = spawnSync(
    'go',
    ['install', '-trimpath', '-ldflags=-s -w', ...PACKAGES.map((path) => `${MODULE}/${path}@${VERSION}`)],
    { env: { ...process.env, GOBIN: directory, CGO_ENABLED: '0' }, encoding: 'utf8', timeout: 300_000 },
  )
  if (status === 0) {
    try {
      chmodSync(directory, 0o755)
      renameSync(directory, BUILT)
      return
    } catch {
      // Another runner was quicker.
    }
  } else console.log(`the reference ${VERSION} cannot be built, so Debian's is compared with: ${stderr.slice(-500)}`)
  rmSync(directory, { recursive: true, force: true })
}
