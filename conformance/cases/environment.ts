/** Protocol parameters: section 2 of the list. */

import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { check, err, ok, ok0, same, seen, show, wellFormed } from '../assert.js'
import type { CallOptions } from '../call.js'
import type { Case } from '../case.js'
import type { Context } from '../context.js'
import type { Json } from '../json.js'
import { linksSettled, vethsOf } from '../witness.js'

const ATTACHMENT_VERBS = ['ADD', 'DEL', 'CHECK']

/** Whether one of the names is in the error's text. */
function names(error: Json, ...words: string[]): void {
  const text = `${error.msg} ${error.details ?? ''}`
  for (const word of words) check(text.includes(word), `the error names ${word}: ${show(error)}`)
}

/** Calls with each of the values of a variable are refused with code 4, and nothing changes. */
function refuses(
  t: Context,
  variable: string,
  values: readonly (string | undefined)[],
  verbs = ATTACHMENT_VERBS,
): void {
  const attachment = t.attachment()
  const before = t.snapshot()
  for (const verb of verbs) {
    for (const value of values) {
      const answer = attachment.call(verb, { env: { [variable]: value } })
      names(err(answer, 4), variable)
    }
  }
  t.unchanged(before, `a refused ${variable} changes nothing`)
}

/** An attachment works, and another one does under each set of options. */
function works(t: Context, options: CallOptions): void {
  const attachment = t.attachment()
  const before = t.snapshot()
  ok(attachment.add(options))
  if (t.since('0.4.0')) ok0(attachment.check(options))
  ok0(attachment.del(options))
  t.noResidue(before)
}

const BAD_IDS = ['.c1', '-c1', '_c1', 'a/b', '../c1', 'a b', 'a:b', 'a%b', 'a\nb', 'cé', 'c1 ']
const BAD_NAMES = ['a234567890123456', 'ééééééééé', '.', '..', 'a/b', 'a:b', 'a b', 'a\tb', 'a\nb', ' ', 'a\vb']

/** A path that names no network namespace, by what it is. */
function noNamespaces(t: Context): Record<string, string> {
  const file = join(t.temp('paths'), 'file')
  writeFileSync(file, '')
  return { file, directory: t.temp('paths'), 'another namespace': '/proc/self/ns/uts' }
}

export const cases: Case[] = [
  {
    id: 'ENV-01',
    section: 'S2 param, S5 err',
    level: 'MUST',
    duty: ['P'],
    claim: 'Without CNI_COMMAND the answer is code 4 and names it, or a usage text on stderr alone',
    run(t) {
      const attachment = t.attachment()
      for (const command of [undefined, '']) {
        const answer = attachment.call('', { env: { CNI_COMMAND: command } })
        if (answer.status === 0) {
          check(answer.stdout === '' && answer.stderr !== '', `only a usage text on stderr; ${seen(answer)}`)
        } else names(err(answer, 4), 'CNI_COMMAND')
      }
    },
  },
  {
    id: 'ENV-02',
    section: 'S2',
    level: 'MUST',
    duty: ['P'],
    claim: 'An unknown verb is refused with code 4',
    run(t) {
      const attachment = t.attachment()
      const before = t.snapshot()
      for (const verb of ['UPDATE', 'add', 'Add', 'ADD ', ' ADD', 'ADD\n']) {
        err(attachment.call(verb, { config: attachment.config('ADD') }), 4)
      }
      t.unchanged(before, 'an unknown verb changes nothing')
    },
  },
  {
    id: 'ENV-03',
    section: 'S2 param',
    level: 'MUST',
    duty: ['P'],
    claim: 'ADD, DEL and CHECK without a container ID are refused with code 4 that names the variable',
    run: (t) => refuses(t, 'CNI_CONTAINERID', [undefined, '']),
  },
  {
    id: 'ENV-04',
    section: 'S2 param',
    level: 'MUST',
    duty: ['P'],
    claim: 'A malformed container ID is refused with code 4 that names the variable, and no state is written',
    run: (t) => refuses(t, 'CNI_CONTAINERID', BAD_IDS),
  },
  {
    id: 'ENV-05',
    section: 'S2 param',
    level: 'MUST',
    duty: ['P'],
    claim: 'Container IDs of one character, 64 hex digits, 255 characters, and with dots, underscores and hyphens work',
    run(t) {
      const attachment = t.attachment()
      const before = t.snapshot()
      for (const env of ['7', '0123456789abcdef'.repeat(4), 'x'.repeat(255), 'a._-.b', 'A-']) {
        ok(attachment.add({ env: { CNI_CONTAINERID: env } }))
        ok0(attachment.del({ env: { CNI_CONTAINERID: env } }))
        t.noResidue(before)
      }
    },
  },
  {
    id: 'ENV-06',
    section: 'S2 ADD, CHECK',
    level: 'MUST',
    duty: ['P'],
    claim: 'ADD and CHECK without a network namespace are refused with code 4 that names the variable',
    run: (t) => refuses(t, 'CNI_NETNS', [undefined, ''], ['ADD', 'CHECK']),
  },
  {
    id: 'ENV-07',
    section: 'S2 DEL',
    level: 'MUST',
    duty: ['P'],
    claim: 'DEL without a network namespace succeeds and releases what can be released',
    async run(t) {
      for (const netns of [undefined, '']) {
        const attachment = t.attachment()
        const before = t.snapshot()
        const links = vethsOf(t.host)
        attachment.added()
        const fresh = vethsOf(t.host).filter((name) => !links.includes(name))
        attachment.netns.remove()
        ok0(attachment.del({ env: { CNI_NETNS: netns } }))
        await linksSettled(t, fresh)
        t.noResidue(
          before.filter((line) => !line.startsWith('container')),
          'DEL without a namespace releases what is on the host',
          ['container*', 'host *suite-h*', 'host *suite0*'],
        )
      }
    },
  },
  {
    id: 'ENV-08',
    section: 'S2',
    level: 'MUST',
    duty: ['P'],
    claim: 'ADD, DEL and CHECK without an interface name are refused with code 4 that names the variable',
    run: (t) => refuses(t, 'CNI_IFNAME', [undefined, '']),
  },
  {
    id: 'ENV-09',
    section: 'S2 param, LIB',
    level: 'MUST',
    duty: ['P'],
    claim: 'A malformed interface name is refused with code 4 that names the variable, and nothing is created',
    run: (t) => refuses(t, 'CNI_IFNAME', BAD_NAMES),
  },
  {
    id: 'ENV-10',
    section: 'S2 param',
    level: 'MUST',
    duty: ['IF'],
    needs: { link: true },
    claim: 'Unusual interface names give a link of exactly that name, or an error',
    run(t) {
      for (const ifName of ['abcdefghijklmno', '-eth', '#1', 'ééééééé', 'eth0.5']) {
        const attachment = t.attachment({ ifName })
        const before = attachment.netns.ip('link')
        const answer = attachment.add()
        const links = attachment.netns.ip('link').filter(({ ifname }) => ifname !== 'lo')
        const fresh = links.filter(({ ifindex }) => !before.some((link) => link.ifindex === ifindex))
        if (wellFormed(answer)) {
          same(
            fresh.map(({ ifname }) => ifname),
            [ifName],
            'new links in the container',
          )
          ok0(attachment.del())
        } else same(fresh, [], 'new links in the container after a refusal')
      }
    },
  },
  {
    id: 'ENV-11',
    section: 'S2 param',
    level: 'MUST',
    duty: ['IF'],
    needs: { link: true },
    claim: 'An interface name with %d is an error or literal, never the kernel’s template',
    run(t) {
      const attachment = t.attachment({ ifName: 'eth%d' })
      const before = t.snapshot()
      const answer = attachment.add()
      check(attachment.netns.link('eth0') === undefined, `no eth0 may appear; ${seen(answer)}`)
      if (wellFormed(answer)) check(attachment.netns.link('eth%d') !== undefined, 'the link is called eth%d')
      else t.unchanged(before, 'a refused name changes nothing', t.lastingDirectories)
    },
  },
  {
    id: 'ENV-12',
    section: 'S5 err, LIB',
    level: 'DF',
    duty: ['P'],
    claim: 'One error names all required variables that are missing',
    run(t) {
      const answer = t.call('ADD', { config: t.attachment().config('ADD') })
      names(err(answer, 4), 'CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME')
    },
  },
  {
    id: 'ENV-13',
    section: 'S2',
    level: 'DF',
    duty: ['P'],
    claim: 'Without CNI_PATH ADD, CHECK, STATUS and DEL work, or are refused with code 4 that names it',
    run(t) {
      const attachment = t.attachment()
      attachment.added()
      const other = t.attachment()
      const env = { CNI_PATH: undefined }
      const answers = [other.add({ env })]
      if (t.since('1.1.0')) answers.push(t.call('STATUS', { config: t.config(), env }))
      if (t.since('0.4.0')) answers.push(attachment.check({ env }))
      answers.push(attachment.del({ env }))
      for (const answer of answers) if (!wellFormed(answer)) names(err(answer, 4), 'CNI_PATH')
    },
  },
  {
    id: 'ENV-14',
    section: 'S2 GC',
    level: 'MUST',
    duty: ['P'],
    needs: { since: '1.1.0' },
    claim: 'GC without CNI_PATH is refused with code 4 that names it',
    run(t) {
      const config = t.config({ 'cni.dev/valid-attachments': [] })
      for (const path of [undefined, '']) names(err(t.call('GC', { config, env: { CNI_PATH: path } }), 4), 'CNI_PATH')
    },
  },
  {
    id: 'ENV-15',
    section: 'S2 param',
    level: 'MUST',
    duty: ['DL'],
    claim:
      'The first regular file on CNI_PATH is the delegate; missing entries and directories of its name are passed over',
    run(t) {
      const type = t.fake.type
      const second = t.temp('second')
      writeFileSync(join(second, type), '#!/bin/sh\necho \'{"code":199,"msg":"second copy"}\'; exit 1\n', {
        mode: 0o755,
      })
      const misleading = t.temp('misleading')
      mkdirSync(join(misleading, type))
      const path = [join(t.directory, 'missing'), misleading, t.bin, t.fake.bin, second].join(':')
      const attachment = t.attachment()
      ok(attachment.add({ path }))
      same(t.fake.verbs(), ['ADD'], 'calls of the first copy')
      ok0(attachment.del({ path }))
    },
  },
  {
    id: 'ENV-16',
    section: 'LIB',
    level: 'DF',
    duty: ['P'],
    needs: { since: '1.1.0' },
    claim: 'GC, STATUS and VERSION take empty ID, namespace, interface and args',
    run(t) {
      ok0(t.call('STATUS', { config: t.config() }))
      ok0(t.call('GC', { config: t.config({ 'cni.dev/valid-attachments': [] }) }))
      ok(t.call('VERSION', { config: { cniVersion: t.version } }))
    },
  },
  {
    id: 'ENV-17',
    section: 'S2 VERSION',
    level: 'MUST',
    duty: ['P'],
    claim: 'VERSION succeeds whatever the other variables hold',
    run(t) {
      const answer = t.call('VERSION', {
        config: { cniVersion: t.version },
        containerId: '../..',
        netns: '/no/such/namespace',
        ifName: 'much too long for an interface/',
        args: ';;=;',
        path: ':::',
      })
      check(ok(answer).supportedVersions !== undefined, `there are versions; ${seen(answer)}`)
    },
  },
  {
    id: 'ENV-18',
    section: 'S2 ADD, CHECK',
    level: 'MUST',
    duty: ['IF', 'CH'],
    claim: 'ADD and CHECK fail where CNI_NETNS names nothing, and nothing changes',
    run(t) {
      const attachment = t.attachment()
      const before = t.snapshot()
      err(attachment.add({ netns: '/run/netns/no-such-namespace' }))
      t.noResidue(before, 'a namespace that is not there changes nothing')
      same(t.fake.held(), [], 'addresses that are still held')
      if (!t.since('0.4.0')) return
      attachment.added()
      const added = t.snapshot()
      err(attachment.check({ netns: '/run/netns/no-such-namespace' }))
      t.unchanged(added, 'CHECK of a namespace that is not there changes nothing')
    },
  },
  {
    id: 'ENV-19',
    section: 'S2 ADD, CHECK',
    level: 'MUST',
    duty: ['IF', 'CH'],
    claim:
      'ADD and CHECK fail where CNI_NETNS is a file, a directory or another kind of namespace, and nothing changes',
    run(t) {
      const attachment = t.attachment()
      const paths = noNamespaces(t)
      const before = t.snapshot()
      for (const netns of Object.values(paths)) err(attachment.add({ netns }))
      t.noResidue(before, 'what is no network namespace changes nothing')
      same(t.fake.held(), [], 'addresses that are still held')
      if (!t.since('0.4.0')) return
      attachment.added()
      const added = t.snapshot()
      for (const netns of Object.values(paths)) err(attachment.check({ netns }))
      t.unchanged(added, 'CHECK of what is no network namespace changes nothing')
    },
  },
  {
    id: 'ENV-20',
    section: 'S2, LIB',
    level: 'DF',
    duty: ['IF', 'CH'],
    claim:
      'The plugin’s own namespace as the container’s is never acted on: ADD refuses, DEL refuses or leaves it alone',
    run(t) {
      const attachment = t.attachment()
      const before = t.snapshot()
      err(attachment.add({ netns: t.host }))
      t.noResidue(before, 'ADD into its own namespace changes nothing')
      const answer = attachment.del({ netns: t.host })
      if (answer.status !== 0) err(answer)
      t.noResidue(before, 'DEL of its own namespace changes nothing')
    },
  },
  {
    id: 'ENV-20.override',
    section: 'LIB',
    level: 'DF',
    duty: ['IF'],
    needs: { link: true, descriptor: ['layer2'] },
    claim: 'CNI_NETNS_OVERRIDE lifts the refusal of the plugin’s own namespace',
    run(t) {
      const attachment = t.attachment({ config: t.plugin.layer2 })
      for (const value of ['1', 'true']) {
        const env = { CNI_NETNS_OVERRIDE: value }
        ok(attachment.add({ netns: t.host, env }))
        check(t.host.link(attachment.ifName) !== undefined, 'the link is in the plugin’s own namespace')
        ok0(attachment.del({ netns: t.host, env }))
      }
    },
  },
  {
    id: 'ENV-21',
    section: 'S2, S5',
    level: 'SHOULD',
    duty: ['IF'],
    claim: 'A namespace given as a mount, a symlink or a path in /proc works, and sandbox repeats the path as given',
    async run(t) {
      const link = join(t.temp('paths'), 'link')
      symlinkSync(t.container.path, link)
      const pidFile = join(t.directory, 'pid')
      const sleeper = t.start('', {
        executable: '/bin/sleep',
        host: t.container,
        shell: `echo $$ >${pidFile}; set -- 60; exec sleep 60`,
      })
      t.cleanup(() => sleeper.child.kill('SIGKILL'))
      while (!readPid(pidFile)) await new Promise((resolve) => setTimeout(resolve, 5))
      const attachment = t.attachment()
      for (const netns of [t.container.path, link, `/proc/${readPid(pidFile)}/ns/net`]) {
        const result = ok(attachment.add({ netns }))
        const link = result.interfaces?.find((one: Json) => one.name === attachment.ifName)
        if (t.since('0.3.0')) same(link?.sandbox, netns, 'sandbox of the container’s link')
        ok0(attachment.del({ netns }))
      }
    },
  },
  {
    id: 'ENV-23',
    section: 'S2',
    level: 'DF',
    duty: ['P'],
    claim: 'Surplus variables, no PATH, no HOME and a deleted working directory have no influence',
    run(t) {
      works(t, {
        env: {
          PATH: undefined,
          HOME: undefined,
          CAP_ARGS: '{"mac":"x"}',
          NETCONFPATH: '/nowhere',
          TRACEPARENT: '00-1-2-3',
          http_proxy: 'http://192.0.2.1:1',
          LD_DEBUG: '',
        },
        shell: `mkdir -p ${t.directory}/gone; cd ${t.directory}/gone; rmdir ${t.directory}/gone`,
      })
    },
  },
]

function readPid(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}
