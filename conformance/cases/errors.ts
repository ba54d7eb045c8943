/** Errors: section 10 of the list. */

import { check, err, ok, ok0, same, seen, show } from '../assert.js'
import type { Case } from '../case.js'
import { configuredFailures, failures } from '../failures.js'
import { isObject } from '../json.js'

const KNOWN = [1, 2, 3, 4, 5, 6, 7, 11, 50, 51]

export const cases: Case[] = [
  {
    id: 'ERR-01',
    section: 'S5 err',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'An error has a code that is a natural number, a msg that is a string, and details that are one or absent',
    run(t) {
      for (const answer of failures(t)) {
        if (!isObject(answer.json)) continue
        const { code, msg, details } = answer.json
        check(Number.isInteger(code) && code >= 0, `code is a natural number; ${seen(answer)}`)
        check(typeof msg === 'string' && msg !== '', `msg is a string with text; ${seen(answer)}`)
        check(details === undefined || typeof details === 'string', `details is a string or absent; ${seen(answer)}`)
      }
    },
  },
  {
    id: 'ERR-02',
    section: 'S5 err',
    level: 'SHOULD',
    duty: ['P'],
    versions: 'each',
    claim: 'An error says the version in use',
    run(t) {
      for (const answer of configuredFailures(t)) {
        if (!isObject(answer.json)) continue
        same(answer.json?.cniVersion, t.version, `cniVersion of the error (${seen(answer)})`)
      }
    },
  },
  {
    id: 'ERR-03',
    section: 'S5 err',
    level: 'MUST',
    duty: ['P'],
    claim: 'Codes below 100 are those the specification lists; a plugin’s own are 100 and above',
    run(t) {
      const answers = failures(t)
      const attachment = t.attachment()
      answers.push(attachment.add({ netns: t.host }), attachment.add({ config: { dns: 'x' } }))
      for (const answer of answers) {
        if (answer.status === 0 || !isObject(answer.json)) continue
        const code = answer.json['code']
        check(KNOWN.includes(code) || code >= 100, `code ${code} is listed, or above 99; ${seen(answer)}`)
      }
    },
  },
  {
    id: 'ERR-04',
    section: 'S5 err',
    level: 'MUST',
    duty: ['P'],
    claim: 'Code 2 comes with a text that has the key and the value',
    run(t) {
      const answer = t.attachment().add({ config: { 'x-unheard-of': 'chartreuse' } })
      if (answer.json?.code !== 2) t.skip('the plugin refuses no unknown key')
      const text = `${answer.json.msg} ${answer.json.details}`
      check(
        text.includes('x-unheard-of') && text.includes('chartreuse'),
        `key and value are named: ${show(answer.json)}`,
      )
    },
  },
  {
    id: 'ERR-05',
    section: 'S5 err',
    level: 'MUST',
    duty: ['P'],
    claim: 'Code 4 comes with a text that names the variable',
    run(t) {
      const attachment = t.attachment()
      const wrong: [string, string][] = [
        ['CNI_CONTAINERID', ''],
        ['CNI_CONTAINERID', 'a/b'],
        ['CNI_IFNAME', ''],
        ['CNI_IFNAME', 'a/b'],
        ['CNI_NETNS', ''],
        ['CNI_COMMAND', 'UPDATE'],
      ]
      for (const [variable, value] of wrong) {
        const answer = attachment.add({ env: { [variable]: value } })
        if (answer.json?.code !== 4) continue
        const error = err(answer)
        check(`${error.msg} ${error.details ?? ''}`.includes(variable), `${variable} is named; ${seen(answer)}`)
      }
    },
  },
  {
    id: 'ERR-06',
    section: 'S5 err',
    level: 'MAY',
    duty: ['DL'],
    claim: 'A fault of the delegate that passes is code 11, and the same call succeeds when it has passed',
    run(t) {
      const attachment = t.attachment()
      t.fake.fails('ADD', 11)
      err(attachment.add(), 11)
      t.fake.on('ADD')
      ok0(attachment.del())
      ok(attachment.add())
    },
  },
  {
    id: 'ERR-07',
    section: 'S5 err',
    level: 'MAY',
    duty: ['P'],
    needs: { since: '0.4.0' },
    claim: 'Where CHECK of an unknown container is code 3, its DEL has nothing to do',
    run(t) {
      const attachment = t.attachment()
      attachment.added()
      const stranger = { CNI_CONTAINERID: 'never-added' }
      const answer = attachment.check({ env: stranger })
      if (answer.status === 0 || answer.json?.code !== 3) t.skip('the plugin does not use code 3 here')
      const before = t.snapshot()
      ok0(attachment.del({ env: stranger }))
      t.unchanged(before, 'DEL of a container that CHECK called unknown changes nothing')
    },
  },
  {
    id: 'ERR-08',
    section: 'S5 err',
    level: 'SHOULD',
    duty: ['P'],
    needs: { descriptor: ['faults'] },
    claim: 'A configuration that is wrong in meaning is code 7, and nothing changes',
    run(t) {
      const attachment = t.attachment()
      const before = t.snapshot()
      for (const [fault, config] of Object.entries(t.plugin.faults ?? {})) {
        const answer = attachment.add({ config })
        check(answer.status !== 0 && answer.json?.code === 7, `${fault} is code 7; ${seen(answer)}`)
        t.noResidue(before, `${fault} changes nothing`)
      }
    },
  },
  {
    id: 'ERR-09',
    section: 'S5, S2 overview',
    level: 'MUST',
    duty: ['P'],
    claim: 'The error object is on stdout',
    run(t) {
      for (const answer of failures(t)) {
        check(isObject(answer.json) && 'msg' in answer.json, `the error is on stdout; ${seen(answer)}`)
      }
    },
  },
  {
    id: 'ERR-09.repeat',
    section: 'S5 err',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'The same mistake gives the same code, and the call without it succeeds afterwards',
    run(t) {
      const attachment = t.attachment()
      const codes = [1, 2].map(() => err(attachment.add({ config: { name: '../x' } })).code)
      same(codes[1], codes[0], 'the second code')
      ok(attachment.add())
      ok0(attachment.del())
    },
  },
]
