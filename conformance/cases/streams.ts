/** Streams and exit status: section 3 of the list. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { check, done, err, fail, ok, ok0, same, seen } from '../assert.js'
import type { Case } from '../case.js'
import type { Context } from '../context.js'
import { failures } from '../failures.js'
import { isObject, type Json } from '../json.js'

/** Stdin that is no configuration is refused with the codes, on every verb that reads it. */
function refusesInput(t: Context, inputs: Record<string, string | Buffer>, ...codes: number[]): void {
  const attachment = t.attachment()
  const before = t.snapshot()
  for (const verb of ['ADD', 'DEL', 'CHECK']) {
    for (const stdin of Object.values(inputs)) err(attachment.call(verb, { stdin }), ...codes)
  }
  t.unchanged(before, 'stdin that is no configuration changes nothing')
}

const STRANGE: readonly Json[] = [null, -1, 'x', [], [null], {}, [{}]]

export const cases: Case[] = [
  {
    id: 'IO-01',
    section: 'S2 err',
    level: 'MUST',
    duty: ['P'],
    claim:
      'Success ends with status 0, failure with another; an error object never with 0, a bare result never without',
    run(t) {
      const attachment = t.attachment()
      const add = attachment.add()
      check(add.status === 0 && !('code' in (add.json ?? {})), `ADD ends with 0 and no error object; ${seen(add)}`)
      check(attachment.del().status === 0, 'DEL ends with 0')
      for (const answer of failures(t)) {
        check(answer.status !== 0, `a failure ends with another status than 0; ${seen(answer)}`)
        check(isObject(answer.json) && 'code' in answer.json, `a failure has no bare result; ${seen(answer)}`)
      }
    },
  },
  {
    id: 'IO-02',
    section: 'S5',
    level: 'MUST',
    duty: ['P'],
    claim: 'A successful ADD writes one JSON object to stdout and nothing else',
    run(t) {
      const answer = t.attachment().add()
      check(isObject(answer.json), `stdout is one JSON object; ${seen(answer)}`)
    },
  },
  {
    id: 'IO-03',
    section: 'S5 err',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'A failure writes one JSON error object to stdout and nothing before or after it',
    run(t) {
      for (const answer of failures(t)) {
        check(isObject(answer.json) && 'code' in answer.json, `stdout is one error object; ${seen(answer)}`)
      }
    },
  },
  {
    id: 'IO-05',
    section: 'S2 GC, examples',
    level: 'MUST',
    duty: ['P'],
    needs: { since: '0.4.0' },
    claim: 'A successful CHECK or GC writes nothing to stdout',
    run(t) {
      const attachment = t.attachment()
      attachment.added()
      ok0(attachment.check())
      if (t.since('1.1.0')) ok0(t.call('GC', { config: t.config({ 'cni.dev/valid-attachments': [attachment.valid] }) }))
    },
  },
  {
    id: 'IO-05.del',
    section: 'S2, examples',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'A successful DEL or STATUS writes nothing to stdout',
    run(t) {
      const attachment = t.attachment()
      attachment.added()
      ok0(attachment.del())
      if (t.since('1.1.0')) ok0(t.call('STATUS', { config: t.config() }))
    },
  },
  {
    id: 'IO-06',
    section: 'S5 err',
    level: 'MUST',
    duty: ['P'],
    claim: 'Stdin that is empty, cut, text, more than one object, or begins with a byte-order mark is code 6',
    run(t) {
      const config = JSON.stringify(t.attachment().config('ADD'))
      refusesInput(
        t,
        {
          empty: '',
          blank: ' \n',
          cut: config.slice(0, -1),
          text: 'hello',
          trailing: `${config} x`,
          two: `${config}${config}`,
          mark: `\ufeff${config}`,
        },
        6,
      )
    },
  },
  {
    id: 'IO-06.closed',
    section: 'S5 err',
    level: 'MUST',
    duty: ['P'],
    claim: 'A closed stdin is code 6, or code 5',
    run(t) {
      const attachment = t.attachment()
      const before = t.snapshot()
      err(attachment.add({ shell: 'exec <&-' }), 5, 6)
      err(attachment.add({ shell: 'exec </dev/null' }), 6)
      t.unchanged(before, 'a closed stdin changes nothing')
    },
  },
  {
    id: 'IO-07',
    section: 'S5 err',
    level: 'MUST',
    duty: ['P'],
    claim: 'Stdin that is an array, a string, a number or a boolean is code 6; null is 6 or 7',
    run(t) {
      refusesInput(t, { array: '[]', string: '"x"', number: '7', boolean: 'true' }, 6)
      refusesInput(t, { null: 'null' }, 6, 7)
    },
  },
  {
    id: 'IO-08',
    section: 'S5 err',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'Stdin that cannot be read is code 5',
    run(t) {
      err(t.attachment().add({ shell: 'exec </' }), 5)
    },
  },
  {
    id: 'IO-09',
    section: 'S2',
    level: 'MUST',
    duty: ['P'],
    claim: 'Stdin in tiny slow chunks, cut inside a character, is read to its end',
    run(t) {
      const attachment = t.attachment()
      const config = attachment.config('ADD', { args: { 'example.org': { note: 'äöüßéèñ€漢字🙂'.repeat(3) } } })
      const file = join(t.directory, 'config')
      writeFileSync(file, JSON.stringify(config))
      const fifo = join(t.directory, 'fifo')
      const size = Buffer.byteLength(JSON.stringify(config))
      const feed = `i=0; while [ $i -le ${Math.floor(size / 13)} ]; do dd if=${file} bs=13 skip=$i count=1 2>/dev/null; i=$((i+1)); done; sleep 0.2`
      ok(attachment.add({ shell: `mkfifo ${fifo}; (${feed}) >${fifo} & exec <${fifo}` }))
      done(attachment.del())
    },
  },
  {
    id: 'IO-10',
    section: 'S5 err',
    level: 'MUST',
    duty: ['P'],
    claim: 'Values of the wrong shape anywhere end in an error object or in success, never in a crash or silence',
    run(t) {
      const attachment = t.attachment()
      const config = attachment.config('ADD')
      const keys = new Set([...Object.keys(config), 'ipam', 'dns', 'args', 'runtimeConfig', 'prevResult'])
      for (const name of ['name', 'cniVersion', 'type']) keys.delete(name)
      for (const key of keys) {
        for (const value of STRANGE) {
          const answer = attachment.call('ADD', { stdin: JSON.stringify({ ...config, [key]: value }) })
          if (answer.status !== 0) err(answer)
          else {
            if (answer.stdout === '') fail(`ADD answers with silence; ${seen(answer)}`)
            ok(answer)
            attachment.call('DEL', { stdin: JSON.stringify({ ...config, [key]: value }) })
            done(attachment.del())
          }
        }
      }
    },
  },
  {
    id: 'IO-10.inside',
    section: 'S5 err',
    level: 'MUST',
    duty: ['P'],
    claim: 'Values of the wrong shape inside prevResult, runtimeConfig and dns end in an error object or in success',
    run(t) {
      const attachment = t.attachment()
      const config = attachment.config('ADD')
      const members = {
        prevResult: ['interfaces', 'ips', 'routes', 'dns', 'cniVersion'],
        runtimeConfig: ['portMappings', 'ips', 'ipRanges', 'mac', 'bandwidth', 'dns', 'aliases'],
        dns: ['nameservers', 'search', 'options', 'domain'],
        args: ['cni'],
      }
      for (const [key, names] of Object.entries(members)) {
        for (const name of names) {
          for (const value of [null, 'x', [null], [{}]]) {
            const base = isObject(config[key]) ? config[key] : {}
            const stdin = JSON.stringify({ ...config, [key]: { ...base, [name]: value } })
            const answer = attachment.call('ADD', { stdin })
            if (answer.status !== 0) err(answer)
            else {
              ok(answer)
              done(attachment.del())
            }
          }
        }
      }
    },
  },
  {
    id: 'IO-04',
    section: 'S5',
    level: 'MAY',
    duty: ['P'],
    claim: 'Whatever the plugin logs is on stderr: the result is the same with and without a terminal to log to',
    run(t) {
      const attachment = t.attachment()
      const first = ok(attachment.add())
      done(attachment.del())
      const second = ok(
        attachment.add({ shell: 'exec 2>/dev/null', env: { FLATNET_DEBUG: '1', DEBUG: '*', CNI_LOG: 'debug' } }),
      )
      same(Object.keys(second).sort(), Object.keys(first).sort(), 'members of the result')
    },
  },
]
