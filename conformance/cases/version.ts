/** VERSION: section 4 of the list. */

import { check, err, ok, ok0, same } from '../assert.js'
import type { Case } from '../case.js'
import { compareVersions, VERSIONS } from '../version.js'

export const cases: Case[] = [
  {
    id: 'VER-01',
    section: 'S5 VERSION',
    level: 'MUST',
    duty: ['P'],
    claim: 'VERSION answers an object with a cniVersion and a list of supported versions',
    run(t) {
      const reply = ok(t.call('VERSION', { config: { cniVersion: t.version } }))
      check(typeof reply.cniVersion === 'string', 'cniVersion is a string')
      const list = reply.supportedVersions
      check(Array.isArray(list) && list.length > 0, 'supportedVersions is a list that is not empty')
      check(
        list.every((version) => typeof version === 'string'),
        'supportedVersions holds strings',
      )
    },
  },
  {
    id: 'VER-02',
    section: 'S5 VERSION',
    level: 'MUST',
    duty: ['P'],
    claim: 'VERSION repeats the version of the input',
    versions: 'each',
    run(t) {
      same(ok(t.call('VERSION', { config: { cniVersion: t.version } })).cniVersion, t.version, 'cniVersion')
    },
  },
  {
    id: 'VER-05',
    section: 'S2, UP',
    level: 'MUST',
    duty: ['P'],
    claim: 'ADD and DEL work at every advertised version, in that version',
    versions: 'each',
    run(t) {
      const attachment = t.attachment()
      const before = t.snapshot()
      same(attachment.added().cniVersion, t.version, 'cniVersion of the result')
      ok0(attachment.del())
      t.noResidue(before)
    },
  },
  {
    id: 'VER-06',
    section: 'S5 err',
    level: 'MUST',
    duty: ['P'],
    claim: 'ADD and DEL at a version that is not advertised are refused with code 1, and nothing changes',
    run(t) {
      const attachment = t.attachment()
      const before = t.snapshot()
      for (const version of ['1.2.0', '2.0.0', '0.5.0']) {
        for (const verb of ['ADD', 'DEL']) {
          err(attachment.call(verb, { config: { cniVersion: version, prevResult: undefined } }), 1)
        }
      }
      t.unchanged(before, 'a refused version changes nothing')
    },
  },
  {
    id: 'VER-07',
    section: 'S5',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'The supported versions are released ones, distinct and ascending',
    run(t) {
      const list: string[] = ok(t.call('VERSION', { config: { cniVersion: t.version } })).supportedVersions
      const released: readonly string[] = VERSIONS
      check(
        list.every((version) => released.includes(version)),
        `all are released versions: ${list}`,
      )
      check(
        list.every((version, i) => i === 0 || compareVersions(list[i - 1] as string, version) < 0),
        `the list ascends: ${list}`,
      )
    },
  },
]
