/** Input that no runtime should send: bytes, sizes, numbers, keys and names. */

import { isUtf8 } from 'node:buffer'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { check, done, err, fail, ok, ok0, same, seen, show, wellFormed } from '../assert.js'
import type { Answer } from '../call.js'
import type { Case } from '../case.js'
import type { Context } from '../context.js'
import { type Json, merge } from '../json.js'
import { addressesIn } from '../witness.js'

/** A well-formed outcome; after an error nothing has changed, and DEL restores what was before. */
function survives(
  context: Context,
  answer: Answer,
  del: () => Answer,
  before: readonly string[],
  what: string,
): boolean {
  check(!answer.timedOut, `ADD with ${what} ends`)
  const succeeded = wellFormed(answer)
  if (!succeeded) context.noResidue(before, `after ADD with ${what} all is as before`)
  done(del())
  context.noResidue(before, `after ADD with ${what} and DEL all is as before`)
  return succeeded
}

/** A configuration as JSON text in which the word FAULT, given as a value, is replaced by raw JSON. */
function raw(config: Json, by: string): string {
  return JSON.stringify(config).replaceAll('"FAULT"', by)
}

const DEEP = 20_000

/** Keys with a number in them, by which plugins know them. */
const NUMERIC: Record<string, readonly Json[]> = {
  bridge: [{ mtu: 'FAULT' }, { vlan: 'FAULT' }],
  portmap: [{ runtimeConfig: { portMappings: [{ hostPort: 'FAULT', containerPort: 80, protocol: 'tcp' }] } }],
  bandwidth: [{ ingressRate: 'FAULT', ingressBurst: 1_000_000 }],
  vxlan: [{ vni: 'FAULT' }, { port: 'FAULT' }],
}

const LONG = 'x'.repeat(65_536)
const NAMES: Record<string, readonly Json[]> = {
  bridge: [{ bridge: LONG }],
  vxlan: [{ device: LONG }],
  firewall: [{ iptablesAdminChainName: LONG }],
}

export const cases: Case[] = [
  {
    id: 'ROB-01',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'malformed UTF-8 in a string of stdin is code 6 or replaced; stdout is valid UTF-8',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const text = JSON.stringify(one.config('ADD', { dns: { domain: 'FAULT' } }))
      const [head = '', tail = ''] = text.split('FAULT')
      for (const bytes of [[0xff], [0xc3, 0x28], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80]]) {
        const stdin = Buffer.concat([Buffer.from(head), Buffer.from(bytes), Buffer.from(tail)])
        const answer = one.add({ stdin })
        if (answer.status !== 0) err(answer, 6)
        survives(context, answer, () => one.del(), before, `bytes ${bytes.map((byte) => byte.toString(16))}`)
        const file = join(context.directory, 'stdout')
        const again = one.add({ stdin, shell: `exec >${file}` })
        same(again.status, answer.status, 'status of the same ADD')
        check(isUtf8(readFileSync(file)), `stdout is valid UTF-8: ${readFileSync(file, 'latin1')}`)
        ok0(one.del())
      }
    },
  },
  {
    id: 'ROB-02',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim: 'malformed UTF-8 in the environment never makes a link whose name is not that of the result',
    run(context) {
      for (const [name, value] of [
        ['CNI_CONTAINERID', "c$(printf '\\377')"],
        ['CNI_IFNAME', "e$(printf '\\377')"],
        ['CNI_ARGS', "IgnoreUnknown=1;K8S_POD_NAME=$(printf '\\377')"],
      ] as const) {
        const one = context.attachment()
        const before = context.snapshot()
        const shell = `${name}=${value.includes(';') ? `'IgnoreUnknown=1;K8S_POD_NAME='"$(printf '\\377')"` : value}; export ${name}`
        const answer = one.add({ shell })
        if (wellFormed(answer)) {
          check(name !== 'CNI_CONTAINERID', `a container ID that is no text is refused; ${seen(answer)}`)
          // JSON has no word for the name of such a link.
          const made =
            name === 'CNI_IFNAME' && context.plugin.kind === 'interface' && context.plugin.ifName === undefined
          check(!made, `no link gets a name that the result cannot have; ${seen(answer)}`)
          done(one.del({ shell }))
        } else if (name !== 'CNI_ARGS') err(answer, 4)
        context.noResidue(before, `after malformed ${name} all is as before`)
      }
    },
  },
  {
    id: 'ROB-03',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim: 'lone surrogates and escaped NULs in the name fail with code 7 or 6, and make no path',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      for (const name of ['"net\\u0000"', '"net\\u0000/../x"', '"\\ud800"', '"n\\udc00t"']) {
        err(one.add({ stdin: raw(one.config('ADD', { name: 'FAULT' }), name) }), 6, 7)
        context.unchanged(before, `ADD with name ${name} changes nothing`)
      }
    },
  },
  {
    id: 'ROB-04',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'stdin of 32 MiB ends in seconds, with a result or with code 5 or 6; of 256 MiB within bounded memory',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      for (const [megabytes, shell] of [
        [32, ''],
        [256, 'ulimit -v 4000000'],
      ] as const) {
        const stdin = Buffer.concat([
          Buffer.from(JSON.stringify(one.config('ADD'))),
          Buffer.alloc(megabytes << 20, ' '),
        ])
        const answer = one.add({ stdin, timeout: 50_000, ...(shell === '' ? {} : { shell }) })
        check(!answer.timedOut, `ADD with ${megabytes} MiB ends in time`)
        if (answer.status !== 0) err(answer, 5, 6)
        survives(context, answer, () => one.del(), before, `${megabytes} MiB`)
      }
    },
  },
  {
    id: 'ROB-05',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim: 'nesting 20,000 deep is code 6 or no matter; the stack does not overflow',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const deep = [
        `${'['.repeat(DEEP)}${']'.repeat(DEEP)}`,
        `${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`,
        '['.repeat(DEEP),
      ]
      for (const text of deep) {
        const answer = one.add({ stdin: raw(one.config('ADD', { 'io.example/deep': 'FAULT' }), text) })
        if (answer.status !== 0) err(answer, 6)
        survives(context, answer, () => one.del(), before, 'deep nesting')
      }
    },
  },
  {
    id: 'ROB-06',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'of duplicate keys the last one counts, for the plugin and its delegate, or they are code 6',
    run(context) {
      const one = context.attachment()
      const config = JSON.stringify(one.config('ADD'))
      const twice = `{"name":"../first",${config.slice(1)}`
      const answer = one.add({ stdin: twice })
      if (!wellFormed(answer)) {
        err(answer, 6)
        return
      }
      const delegated = context.fake.calls()[0]
      if (delegated !== undefined) same(delegated.config.name, 'suite', 'name of the network for the delegate')
      done(one.del())
      const { delegates, kind } = context.plugin
      const section = kind === 'ipam' ? 'ipam' : delegates
      if (section === undefined) return
      const other = '{"type":"no-such-plugin","ranges":[[{"subnet":"10.199.0.0/24"}]]}'
      const result = ok(one.add({ stdin: `{"${section}":${other},${config.slice(1)}` }))
      check(!show(addressesIn(result)).includes('10.199.'), `the first ${section} does not count: ${show(result)}`)
      done(one.del())
    },
  },
  {
    id: 'ROB-07',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'of keys that differ in case the exact one counts',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const config = one.config('ADD')
      done(one.add({ stdin: JSON.stringify({ Name: '../other', ...config }) }))
      ok0(one.del())
      context.noResidue(before)
      done(one.add({ stdin: JSON.stringify({ ...config, NAME: '../other', CNIVERSION: '0.9.9' }) }))
      ok0(one.del())
      context.noResidue(before)
    },
  },
  {
    id: 'ROB-08',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim: 'keys named like members of prototypes are data, and reach the delegate',
    run(context) {
      const evil =
        '{"__proto__":{"name":"../x","mtu":9},"constructor":{"prototype":{"isGateway":true}},"toString":1,"hasOwnProperty":null}'
      const one = context.attachment()
      const before = context.snapshot()
      const plain = one.added()
      const link = one.netns.link(one.ifName)
      ok0(one.del())
      const laced = (value: Json, more: Json = {}) => ({ ...(value ?? {}), ...more, 'io.example/x': 'FAULT' })
      const config = one.config('ADD')
      const base = {
        ...config,
        args: 'FAULT',
        'io.example/x': 'FAULT',
        runtimeConfig: laced(config.runtimeConfig),
        ...(context.plugin.kind === 'chained' ? { prevResult: laced(config.prevResult) } : {}),
      }
      // Beside the members of each object, and as an object of its own.
      const text = raw(base, evil).replaceAll(`"io.example/x":${evil}}`, `"io.example/x":${evil},${evil.slice(1)}`)
      const stdin = `${text.slice(0, -1)},${evil.slice(1)}`
      const result = ok(one.add({ stdin }))
      same(addressesIn(result).length, addressesIn(plain).length, 'number of addresses')
      same(one.netns.link(one.ifName)?.mtu, link?.mtu, `mtu of ${one.ifName}`)
      const delegated = context.fake.calls().at(-1)
      if (delegated !== undefined) same(JSON.parse(delegated.stdin), JSON.parse(stdin), 'stdin of the delegate')
      ok0(one.del({ stdin }))
      context.noResidue(before)
    },
  },
  {
    id: 'ROB-09',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim: 'numbers that do not fit are refused, or taken exactly; none wraps around',
    run(context) {
      const overlays = NUMERIC[context.plugin.type] ?? []
      if (overlays.length === 0) context.skip('no numeric key of the plugin is known')
      const one = context.attachment()
      const before = context.snapshot()
      const numbers = [
        '-1',
        '1.5',
        '65536.5',
        '4294967297',
        '9007199254740993',
        '18446744073709551617',
        '1e400',
        '-4294967296',
        '1e-7',
      ]
      for (const overlay of overlays) {
        for (const number of numbers) {
          const stdin = raw(merge(one.config('ADD'), overlay), number)
          const answer = one.add({ stdin })
          // A rate may be that high, a negative mtu stand for the default.
          if (answer.status === 0) {
            const links = [...one.netns.ip('link', 'show'), ...context.host.ip('link', 'show')]
            const wrapped = links.filter(({ mtu, ifname }) => mtu === 1 && ifname !== 'lo')
            same(wrapped, [], `links whose mtu is ${number} wrapped around`)
            if (context.plugin.type !== 'bandwidth' && number !== '-1') {
              fail(`${show(overlay)} with ${number} is refused; ${seen(answer)}`)
            }
          } else err(answer)
          done(one.del())
          context.noResidue(before, `after ADD with ${number} in ${show(overlay)} and DEL all is as before`)
        }
      }
    },
  },
  {
    id: 'ROB-10',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim: 'without a configuration on stdin ADD fails with code 6, and VERSION answers though stdin never ends',
    async run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      err(one.add({ shell: 'exec </dev/null' }), 6)
      err(one.add({ shell: 'exec <&-' }), 5, 6)
      context.unchanged(before, 'ADD without stdin changes nothing')
      const fifo = `${context.directory}/fifo`
      check(spawnSync('mkfifo', [fifo]).status === 0, 'there is a FIFO')
      const version = await context.start('VERSION', { shell: `exec <>${fifo}`, timeout: 5000 }).done
      check(version.status === 0 && version.json?.supportedVersions?.length > 0, `VERSION answers; ${seen(version)}`)
      const waiting = one.start('ADD', { shell: `exec <>${fifo}`, timeout: 300 })
      const answer = await waiting.done
      check(answer.timedOut || answer.status !== 0, `ADD does not succeed without a configuration; ${seen(answer)}`)
      context.unchanged(before, 'ADD that waits for its configuration changes nothing')
    },
  },
  {
    id: 'ROB-11',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim: 'stdin that ends halfway is code 6',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const text = JSON.stringify(one.config('ADD'))
      for (const part of [0.25, 0.5, 0.75]) err(one.add({ stdin: text.slice(0, Math.floor(text.length * part)) }), 6)
      err(one.add({ stdin: text.slice(0, -1) }), 6)
      context.unchanged(before, 'ADD with half a configuration changes nothing')
    },
  },
  {
    id: 'ROB-12',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'strings of 64 KiB where a name belongs fail with code 7 and leave nothing',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      // The network's may be part of a name, or of none.
      const config = { name: LONG }
      const answer = one.add({ config })
      if (answer.status !== 0) err(answer, 7)
      if (answer.status === 0) ok0(one.del({ config }))
      context.noResidue(before, 'after ADD with a long name, and DEL, all is as before')
      for (const overlay of NAMES[context.plugin.type] ?? []) {
        err(one.add({ config: overlay }), 7)
        context.noResidue(before, `after ADD with a long ${Object.keys(overlay)} all is as before`)
      }
    },
  },
  {
    id: 'ROB-13',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim: 'characters that mean something to a shell or a rule language are taken literally, or refused',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const evil = '"; } flush ruleset; #\n$(touch /run/cni/pwned)`touch /run/cni/pwned`\\'
      const answers = [
        one.add({ config: { name: `net${evil}` } }),
        one.add({ containerId: `c1${evil}` }),
        one.add({ containerId: '../../run/cni/pwned' }),
      ]
      for (const answer of answers) err(answer)
      context.unchanged(before, 'refused names change nothing')
      const args = `IgnoreUnknown=1;K8S_POD_NAME=${evil.replaceAll(';', '').replaceAll('=', '')};K8S_POD_NAMESPACE=" x`
      const runtimeConfig = { ...(one.config('ADD').runtimeConfig ?? {}), aliases: [evil] }
      const answer = one.add({ args, config: { runtimeConfig } })
      wellFormed(answer)
      check(!existsSync('/run/cni/pwned'), 'no command was run')
      done(one.del({ args }))
      context.noResidue(before, 'after DEL all is as before')
    },
  },
]
