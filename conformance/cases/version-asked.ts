/** VERSION, as libraries and runtimes use it: section 4 of the list. */

import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { check, err, ok, same, seen } from '../assert.js'
import type { Case } from '../case.js'

export const cases: Case[] = [
  {
    id: 'VER-03',
    section: 'S2 VERSION',
    level: 'MUST',
    duty: ['P'],
    claim: 'VERSION wants nothing but CNI_COMMAND, no privileges and no namespaces, and changes nothing',
    run(t) {
      const before = t.snapshot()
      const empty = { CNI_CONTAINERID: '', CNI_NETNS: '', CNI_IFNAME: '', CNI_ARGS: '', CNI_PATH: '', PATH: '' }
      const env = Object.fromEntries(Object.keys(empty).map((name) => [name, undefined]))
      ok(t.call('VERSION', { config: { cniVersion: t.version }, env }))
      if (spawnSync('setpriv', ['--version']).status === 0 && process.getuid?.() === 0 && readableByAll(t.executable)) {
        const shell = `exec setpriv --reuid=65534 --regid=65534 --clear-groups ${t.executable}`
        const answer = t.call('VERSION', {
          config: { cniVersion: t.version },
          env: { ...env, PATH: undefined },
          shell: `PATH=/usr/bin:/bin; ${shell}`,
        })
        check(Array.isArray(ok(answer).supportedVersions), `nobody may ask for the versions; ${seen(answer)}`)
      }
      t.unchanged(before, 'VERSION changes nothing')
    },
  },
  {
    id: 'VER-04',
    section: 'S0.2–S0.4',
    level: 'DF',
    duty: ['P'],
    claim: 'VERSION answers the same list whatever is on stdin, an end or none included',
    async run(t) {
      const list = ok(t.call('VERSION', { config: { cniVersion: t.version } })).supportedVersions
      for (const stdin of ['', 'garbage', '{"cniVersion":"9.9.9"}', '[]', 'null', '{}']) {
        same(ok(t.call('VERSION', { stdin })).supportedVersions, list, `versions where stdin is ${stdin}`)
      }
      const open = t.call('VERSION', { shell: `mkfifo ${t.directory}/open; exec <>${t.directory}/open`, timeout: 3000 })
      same(ok(open).supportedVersions, list, 'versions where stdin stays open')
    },
  },
  {
    id: 'VER-06.strings',
    section: 'S5 err',
    level: 'MUST',
    duty: ['P'],
    claim: 'A version is compared as it is written: two parts, a prefix, a suffix or blanks are code 1 or 6',
    run(t) {
      const attachment = t.attachment()
      const before = t.snapshot()
      for (const version of [
        '1.0',
        '1',
        'v1.0.0',
        '1.0.0-rc1',
        '1.0.0-alpha',
        ' 1.0.0',
        '1.0.0 ',
        '01.0.0',
        '1.0.0.0',
        'x',
      ]) {
        for (const verb of ['ADD', 'DEL']) {
          err(attachment.call(verb, { config: { cniVersion: version, prevResult: undefined } }), 1, 6)
        }
      }
      t.unchanged(before, 'a refused version changes nothing')
    },
  },
  {
    id: 'VER-08',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'VERSION succeeds as libcni asks for it: dummy for namespace, interface and path',
    run(t) {
      const dummy = { netns: 'dummy', ifName: 'dummy', path: 'dummy' }
      ok(t.call('VERSION', { ...dummy, config: { cniVersion: '1.1.0' } }))
      ok(t.call('VERSION', { ...dummy, config: { cniVersion: '1.0.0' } }))
    },
  },
]

function readableByAll(path: string): boolean {
  if (path.startsWith('/root/')) return false
  try {
    accessSync(path, constants.X_OK)
    return spawnSync('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', 'test', '-x', path]).status === 0
  } catch {
    return false
  }
}
