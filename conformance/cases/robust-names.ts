/** Names that are paths, that resemble one another, or that are taken. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { done, err, ok, ok0, same, wellFormed } from '../assert.js'
import type { Attachment } from '../attachment.js'
import type { Case } from '../case.js'
import type { Context } from '../context.js'
import type { Json } from '../json.js'
import { vethsOf } from '../witness.js'

/** Members of a configuration with the name of a link of the host, by plugin. */
function linkName(context: Context, name: string): Json | undefined {
  const { type, config } = context.plugin
  if (config.bridge !== undefined) return { bridge: name }
  return type === 'vxlan' ? { device: name } : undefined
}

/** Names of the host's veths that an ADD makes; a DEL takes them away again. */
function hostEnds(context: Context, one: Attachment): string[] {
  const before = vethsOf(context.host)
  one.added()
  const made = vethsOf(context.host).filter((name) => !before.includes(name))
  ok0(one.del())
  return made
}

export const cases: Case[] = [
  {
    id: 'ROB-43',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim:
      'paths in a container ID, an interface name, a network name or a link name are refused, and no file is touched',
    run(context) {
      const one = context.attachment()
      const canary = context.temp('canary')
      writeFileSync(join(canary, 'file'), 'untouched')
      const before = context.snapshot()
      const evil = ['../canary/file', '/etc/passwd', '..', '.', `../..${canary}/file`, 'a/../../b']
      for (const path of evil) {
        err(one.add({ containerId: path }), 4)
        err(one.add({ config: { name: path } }), 7)
        if (context.plugin.ifName === undefined) err(one.add({ ifName: path }), 4)
        const link = linkName(context, path)
        if (link !== undefined) err(one.add({ config: link }))
        err(one.del({ containerId: path }), 4)
      }
      context.noResidue(before, 'refused names change nothing')
    },
  },
  {
    id: 'ROB-43.delegate',
    section: 'robustness',
    level: 'MUST',
    duty: ['DL'],
    claim: 'a path as the type of the delegate is refused, and nothing is executed',
    run(context) {
      const one = context.attachment()
      const before = context.snapshot()
      const key = context.plugin.delegates ?? 'ipam'
      const { bin, type } = context.fake
      for (const path of [`${bin}/${type}`, `../${bin.split('/').at(-1)}/${type}`, `./${type}`, '..', '']) {
        const answer = one.add({ config: { [key]: { type: path } }, path: bin, shell: `cd ${bin}` })
        // An empty type may mean that there is no delegate.
        if (path !== '' || answer.status !== 0) err(answer)
        else ok0(one.del({ config: { [key]: { type: path } } }))
        same(context.fake.verbs(), [], `verbs of a delegate of type ${path}`)
        context.noResidue(before, `ADD with a delegate of type ${path} leaves nothing`)
      }
    },
  },
  {
    id: 'ROB-43.path',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['DL'],
    claim: 'empty entries of CNI_PATH are not the working directory; relative ones are refused, or mean what they say',
    run(context) {
      const { bin } = context.fake
      const one = context.attachment()
      for (const path of [':', '::', `${context.bin}:`, `:${context.bin}`]) {
        err(one.add({ path, shell: `cd ${bin}` }))
        same(context.fake.verbs(), [], `verbs of a delegate found through ${JSON.stringify(path)}`)
        done(one.del())
        context.fake.forget()
      }
      // The documentation of cnitool calls it with CNI_PATH=./bin.
      const answer = one.add({ path: '.', shell: `cd ${bin}` })
      if (answer.status !== 0) err(answer)
      else done(one.del())
    },
  },
  {
    id: 'ROB-44',
    section: 'robustness',
    level: 'MUST',
    duty: ['P'],
    claim: 'container IDs that differ in case, or contain one another, are different attachments for every verb',
    run(context) {
      const names = ['c1', 'C1', 'c10', 'c', 'c1.eth0', 'c1-eth0', 'c1_eth0', 'c1..', '1']
      const all = names.map((containerId) => context.attachment({ containerId }))
      for (const one of all) one.added()
      const [first, ...others] = all
      if (first === undefined) return
      ok0(first.del())
      if (context.since('0.4.0')) for (const one of others) ok0(one.check())
      if (context.since('1.1.0')) {
        const valid = others.map((one) => one.valid)
        ok0(context.call('GC', { config: { ...context.config(), 'cni.dev/valid-attachments': valid } }))
        for (const one of others) ok0(one.check())
      }
      first.added()
      for (const one of others) ok0(one.del())
      if (context.since('0.4.0')) ok0(first.check())
    },
  },
  {
    id: 'ROB-45',
    section: 'robustness',
    level: 'MUST',
    duty: ['IF', 'CH'],
    claim:
      "a namespace path that is a file, a directory, a socket or another namespace is refused; the caller's is never used",
    async run(context) {
      const one = context.attachment()
      const where = context.temp('paths')
      writeFileSync(join(where, 'file'), 'text')
      mkdirSync(join(where, 'directory'))
      const socket = createServer()
      await new Promise<void>((resolve) => socket.listen(join(where, 'socket'), resolve))
      context.cleanup(() => socket.close())
      const before = context.snapshot()
      const paths = ['file', 'directory', 'socket', 'missing'].map((name) => join(where, name))
      for (const netns of [...paths, '/proc/self/ns/mnt', '/proc/self/ns/uts', '/dev/null', '/proc/1/comm']) {
        err(one.add({ netns }))
        context.noResidue(before, `ADD with namespace ${netns} changes nothing`)
        wellFormed(one.del({ netns }))
        context.noResidue(before, `DEL with namespace ${netns} changes nothing`)
      }
      same(context.fake.held(), [], 'addresses that the delegate has not got back')
      // A relative path means what it says, or is refused.
      const [folder, name] = [dirname(one.netns.path), basename(one.netns.path)]
      const answer = one.add({ netns: name, shell: `cd ${folder}` })
      if (answer.status === 0) done(one.del({ netns: name, shell: `cd ${folder}` }))
      else err(answer)
      context.noResidue(before, 'after ADD and DEL with a relative path all is as before')
      err(one.add({ netns: name, shell: 'cd /' }))
      context.noResidue(before, 'ADD with a relative path elsewhere changes nothing')
    },
  },
  {
    id: 'ROB-46',
    section: 'robustness',
    level: 'MUST',
    duty: ['IF', 'CH'],
    claim:
      'a name for a link of the host that another kind of link has, or that is no name, is refused; that link stays',
    run(context) {
      if (linkName(context, 'x') === undefined) context.skip('the plugin makes no named link on the host')
      context.host.sh(
        'ip link add taken0 type veth peer name taken1',
        'ip addr add 192.0.2.9/24 dev taken0',
        'ip link set taken0 up',
      )
      const one = context.attachment()
      const before = context.snapshot()
      for (const name of ['taken0', 'lo', 'x'.repeat(16), 'a b', 'a/b', 'a:b']) {
        err(one.add({ config: linkName(context, name) }), 7)
        context.noResidue(before, `ADD with the link name ${name} changes nothing`)
      }
    },
  },
  {
    id: 'ROB-46.same',
    section: 'robustness',
    level: 'SHOULD',
    duty: ['IF'],
    claim: 'a bridge of the same name as the interface works, or is refused and leaves nothing',
    needs: { link: true },
    run(context) {
      const one = context.attachment()
      const config = linkName(context, one.ifName)
      if (config === undefined) context.skip('the plugin makes no named link on the host')
      const before = context.snapshot()
      const answer = one.add({ config })
      if (answer.status !== 0) {
        err(answer)
        context.noResidue(before)
      } else if (context.since('0.4.0')) ok0(one.check({ config }))
    },
  },
  {
    id: 'ROB-47',
    section: 'robustness',
    level: 'MUST',
    duty: ['IF'],
    claim: 'a host name for the link that is taken is left alone, and another one is used',
    needs: { link: true },
    run(context) {
      const one = context.attachment()
      const [name] = hostEnds(context, one)
      if (name === undefined) return context.skip('ADD makes no veth on the host')
      if (!hostEnds(context, one).includes(name)) context.skip('the host name is another one each time')
      context.host.sh(`ip link add ${name} type bridge`)
      const { ifindex } = context.host.link(name)
      const answer = one.add()
      ok(answer)
      same(context.host.link(name)?.ifindex, ifindex, `index of ${name}`)
      if (context.since('0.4.0')) ok0(one.check())
      ok0(one.del())
      same(context.host.link(name)?.ifindex, ifindex, `index of ${name} after DEL`)
    },
  },
]
