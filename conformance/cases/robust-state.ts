/** State directories that are full, read-only, something else, or full of rubbish. */

import { existsSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { check, done, err, ok0, same, seen } from '../assert.js'
import type { Attachment } from '../attachment.js'
import type { Case } from '../case.js'
import type { Context } from '../context.js'
import type { Json } from '../json.js'
import { outermost } from '../snapshot.js'
import { addressesIn, filesBelow, fill, readOnly, small } from '../witness.js'

/** Members of a configuration in which the state directory is `path`. */
function stateAt(context: Context, path: unknown): Json {
  const keys = (context.plugin.stateKey ?? '').split('.')
  return keys.reverse().reduce((inner: Json, key) => ({ [key]: inner }), path)
}

/** Whether an ADD writes a file; skips plugins that do not. */
function mustWrite(context: Context, one: Attachment): void {
  one.added()
  const files = (context.plugin.state ?? []).flatMap(filesBelow)
  ok0(one.del())
  if (files.length === 0) context.skip('the plugin keeps no files')
}

/** ADD fails with one of these codes, and then `refused` holds; or it needed no file, and CHECK passes. */
function refusedOrWhole(context: Context, one: Attachment, codes: number[], refused: () => void): void {
  const answer = one.add()
  if (answer.status !== 0) {
    err(answer, ...codes)
    refused()
  } else if (context.since('0.4.0')) ok0(one.check())
  ok0(one.del())
}

/** Makes the directories of the plugin's state. */
function prepared(context: Context): string[] {
  const directories = outermost(context.plugin.state ?? [])
  for (const directory of directories) mkdirSync(directory, { recursive: true })
  return directories
}

export const cases: Case[] = [
  {
    id: 'ROB-36',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim: 'on a full disk ADD fails with code 5 or 11 and keeps nothing; DEL succeeds',
    needs: { descriptor: ['state'], root: true },
    run(context) {
      const one = context.attachment()
      mustWrite(context, one)
      const before = context.snapshot()
      for (const used of [false, true]) {
        const directories = prepared(context)
        const undos = directories.map((directory) => small(context, directory))
        if (used) {
          one.added()
          ok0(one.del())
        }
        for (const directory of directories) fill(directory)
        const filled = context.snapshot()
        refusedOrWhole(context, one, [5, 11], () => context.noResidue(filled, 'ADD on a full disk keeps nothing'))
        same(context.fake.held(), [], 'addresses that the delegate has not got back')
        ok0(one.del())
        for (const undo of undos) undo()
      }
      context.noResidue(before)
      one.added()
    },
  },
  {
    id: 'ROB-37',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['P'],
    claim:
      'with a read-only state directory ADD fails with code 5 or 7 and keeps nothing, STATUS with 50, and DEL succeeds',
    needs: { descriptor: ['state'], root: true },
    run(context) {
      const one = context.attachment()
      mustWrite(context, one)
      const before = context.snapshot()
      const undos = prepared(context).map((directory) => readOnly(context, directory))
      refusedOrWhole(context, one, [5, 7], () => {
        context.noResidue(before, 'ADD with a read-only directory keeps nothing')
        if (context.since('1.1.0')) err(context.call('STATUS', { config: context.config() }), 50)
      })
      same(context.fake.held(), [], 'addresses that the delegate has not got back')
      ok0(one.del())
      for (const undo of undos) undo()
      one.added()
    },
  },
  {
    id: 'ROB-37.kind',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['P'],
    claim:
      'with a state directory that is a file or a dangling link ADD fails with code 5 or 7, STATUS with 50; a missing one is made',
    needs: { descriptor: ['state', 'stateKey'] },
    run(context) {
      const one = context.attachment()
      mustWrite(context, one)
      const before = context.snapshot()
      const where = context.temp('odd')
      writeFileSync(join(where, 'file'), '')
      symlinkSync(join(where, 'nowhere', 'at', 'all'), join(where, 'link'))
      for (const name of ['file', 'link']) {
        const config = stateAt(context, join(where, name))
        const answer = one.add({ config })
        if (name === 'file' || answer.status !== 0) err(answer, 5, 7)
        if (answer.status !== 0) context.noResidue(before, `ADD whose state directory is a ${name} keeps nothing`)
        if (context.since('1.1.0') && answer.status !== 0) {
          err(context.call('STATUS', { config: context.config(config) }), 50)
        }
        ok0(one.del({ config }))
      }
      const config = stateAt(context, join(where, 'made', 'by', 'plugin'))
      one.added({ config })
      ok0(one.del({ config }))
      context.noResidue(before)
    },
  },
  {
    id: 'ROB-38',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim: 'truncated, foreign and temporary files in the state directory do no harm; no address is given twice',
    needs: { descriptor: ['state'] },
    run(context) {
      const one = context.attachment()
      const two = context.attachment()
      const three = context.attachment()
      const first = addressesIn(one.added())
      three.added()
      const mine = (context.plugin.state ?? []).flatMap(filesBelow)
      if (mine.length === 0) context.skip('the plugin keeps no files')
      for (const folder of new Set(mine.map(dirname))) {
        writeFileSync(join(folder, 'README'), 'a stranger\n')
        writeFileSync(join(folder, 'garbage.json'), '{"version":')
        writeFileSync(join(folder, '.tmp-1234'), '')
        writeFileSync(join(folder, '10.1.2.3.swp'), Buffer.from([0, 255, 1, 254]))
        mkdirSync(join(folder, 'a-directory'), { recursive: true })
      }
      const second = addressesIn(two.added())
      same(
        second.filter((address) => first.includes(address) && context.plugin.kind === 'ipam'),
        [],
        'addresses given twice',
      )
      if (context.since('0.4.0')) for (const each of [one, two]) ok0(each.check())
      if (context.since('1.1.0')) {
        const valid = [one, two, three].map((each) => each.valid)
        ok0(context.call('GC', { config: { ...context.config(), 'cni.dev/valid-attachments': valid } }))
      }
      const locks = (path: string) => /(^|[/.])lock$/.test(path)
      for (const path of mine.filter((path) => existsSync(path) && !locks(path))) truncateSync(path, 0)
      for (const each of [one, two, three]) ok0(each.del())
    },
  },
  {
    id: 'ROB-39',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['IPAM'],
    claim: 'leases of the reference plugin in a shared directory are respected, and released by DEL',
    needs: { descriptor: ['state', 'stateKey'] },
    run(context) {
      if (context.plugin.stateKey !== 'ipam.dataDir') context.skip('the directory is not that of the reference plugin')
      const store = join(context.temp('shared'))
      const network = join(store, 'suite')
      mkdirSync(network, { recursive: true })
      const config = { ipam: { dataDir: store, ranges: [[{ subnet: '10.66.0.0/29' }]] } }
      for (const [address, id] of [
        ['10.66.0.2', 'theirs'],
        ['10.66.0.4', 'older'],
      ] as const) {
        writeFileSync(join(network, address), id === 'older' ? id : `${id}\r\neth0`)
      }
      writeFileSync(join(network, 'last_reserved_ip.0'), '10.66.0.2')
      writeFileSync(join(network, 'lock'), '')
      const mine = [context.attachment({ config }), context.attachment({ config }), context.attachment({ config })]
      const addresses = mine.flatMap((one) => addressesIn(one.added()))
      same(addresses.sort(), ['10.66.0.3/29', '10.66.0.5/29', '10.66.0.6/29'], 'addresses')
      const [one] = mine
      const [address = ''] = addressesIn(one?.result ?? {}).map((each) => each.split('/')[0] ?? '')
      const text = readFileSync(join(network, address), 'utf8').split(/\r?\n/)
      same(text.slice(0, 2), [one?.containerId, one?.ifName], 'lines of a lease')
      err(context.attachment({ config }).add())
      ok0(context.attachment({ config, containerId: 'theirs', ifName: 'eth0', netns: context.container }).del())
      check(!existsSync(join(network, '10.66.0.2')), 'the lease of the reference plugin is released')
      ok0(context.attachment({ config, containerId: 'older', ifName: 'eth0', netns: context.container }).del())
      check(!existsSync(join(network, '10.66.0.4')), 'the lease in the older form is released')
    },
  },
  {
    id: 'ROB-40',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'very long container IDs and network names work, or fail with code 4 or 7 and leave nothing',
    run(context) {
      for (const length of [255, 300, 5000]) {
        const long = 'x'.repeat(length)
        const byId = context.attachment({ containerId: long })
        const byName = context.attachment({ config: { name: long } })
        const before = context.snapshot()
        for (const one of [byId, byName]) {
          const answer = one.add()
          if (answer.status !== 0) {
            err(answer, 4, 5, 7)
            context.noResidue(before, `a failed ADD with ${length} characters leaves nothing`)
          } else {
            if (context.since('0.4.0')) ok0(one.check())
            ok0(one.del())
          }
          context.noResidue(before, `ADD and DEL with ${length} characters leave nothing`)
        }
      }
    },
  },
  {
    id: 'ROB-41',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['P'],
    claim: 'a state directory that is relative, has dot-dot or is empty means a documented place, or fails with code 7',
    needs: { descriptor: ['stateKey'] },
    run(context) {
      const one = context.attachment()
      const here = context.temp('here')
      for (const path of ['relative/dir', '../../up', '', './x']) {
        const config = stateAt(context, path)
        const answer = one.add({ config, shell: `cd ${here}` })
        if (answer.status !== 0) err(answer, 7)
        same(filesBelow(here), [], `files in the working directory with ${JSON.stringify(path)}`)
        done(one.del({ config, shell: `cd ${here}` }))
      }
    },
  },
  {
    id: 'ROB-38.kinds',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['P'],
    claim:
      'where state is a FIFO or a link to nothing DEL ends soon and the next container is attached; a directory may be code 5',
    needs: { descriptor: ['state'] },
    run(context) {
      for (const make of ['mkfifo "$0"', 'mkdir "$0"', 'ln -s /nowhere "$0"']) {
        const one = context.attachment()
        one.added()
        const mine = (context.plugin.state ?? []).flatMap(filesBelow).filter((path) => !/(^|[/.])lock$/.test(path))
        if (mine.length === 0) context.skip('the plugin keeps no files')
        for (const path of mine) context.host.try(['sh', '-c', `rm -f "$0" && ${make}`, path])
        const answer = one.del({ timeout: 10_000 })
        check(!answer.timedOut, `DEL ends after ${make}; ${seen(answer)}`)
        if (answer.status !== 0) err(answer)
        const two = context.attachment()
        const next = two.add({ timeout: 10_000 })
        if (make.startsWith('mkdir') && next.status !== 0) err(next, 5)
        else check(next.status === 0, `another container is attached after ${make}; ${seen(next)}`)
        for (const path of mine) context.host.try(['rm', '-rf', path])
        ok0(two.del())
        done(one.del())
      }
    },
  },
]
