/** Configurations for tests of bridge: state in directories of the test's own, IPAM ours or a scripted one. */

import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { BIN, type Json } from './cni.js'

interface NetworkOptions {
  readonly name?: string
  readonly subnets?: readonly string[]
  /** More keys of bridge. */
  readonly config?: Json
}

function ownDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'flatnet-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** bridge with host-local, a default gateway unless `config` says otherwise. */
export function network(t: Test, { name = 'net', subnets = ['10.1.2.0/24'], config = {} }: NetworkOptions = {}): Json {
  const directory = ownDirectory(t)
  return {
    cniVersion: '1.1.0',
    name,
    type: 'bridge',
    isDefaultGateway: true,
    stateDir: join(directory, 'state'),
    ipam: {
      type: 'host-local',
      dataDir: join(directory, 'ipam'),
      ranges: subnets.map((subnet) => [{ subnet }]),
    },
    ...config,
  }
}

export interface FakeIpam {
  readonly list: Json
  /** CNI_PATH with our executables and the script. */
  readonly bin: string
  /** The verbs it was called with since the last time. */
  calls(): string[]
  /** What it fails with, by verb: a code. */
  fail(codes: Record<string, number>): void
}

/** bridge with an IPAM plugin that answers `result`, or fails as it is told. */
export function fakeIpam(t: Test, result: Json, { config = {}, ...options }: NetworkOptions = {}): FakeIpam {
  const directory = ownDirectory(t)
  const script = join(directory, 'fake')
  writeFileSync(join(directory, 'result'), typeof result === 'string' ? result : JSON.stringify(result))
  writeFileSync(
    script,
    `#!/bin/sh
cd ${directory}
cat > stdin
echo "$CNI_COMMAND" >> calls
if [ -e "fail.$CNI_COMMAND" ]; then cat "fail.$CNI_COMMAND"; exit 1; fi
if [ "$CNI_COMMAND" = ADD ]; then cat result; fi
`,
  )
  chmodSync(script, 0o755)
  let seen = 0
  return {
    list: { ...network(t, { ...options, config }), ipam: { type: 'fake' } },
    bin: `${BIN}:${directory}`,
    calls() {
      const path = join(directory, 'calls')
      const all = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []
      const fresh = all.slice(seen)
      seen = all.length
      return fresh
    },
    fail(codes) {
      for (const verb of ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS']) {
        const error = { code: codes[verb], msg: `fake fails ${verb}` }
        const path = join(directory, `fail.${verb}`)
        if (codes[verb] !== undefined) writeFileSync(path, JSON.stringify(error))
        else rmSync(path, { force: true })
      }
    },
  }
}

/** Everything below a directory that is a file: records, leases, leftovers. */
export function filesBelow(directory: string): string[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
}
