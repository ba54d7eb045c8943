import t from 'tap'
import { readEnvironment } from './environment.js'

const attachment = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'c1',
  CNI_NETNS: '/run/netns/x',
  CNI_IFNAME: 'eth0',
  CNI_PATH: '/a::/b',
  CNI_ARGS: '',
}

function read(changes: Record<string, string | Uint8Array | undefined>) {
  const variables: Record<string, string | Uint8Array | undefined> = { ...attachment, ...changes }
  return readEnvironment((name) => variables[name])
}

t.test('readEnvironment() reads an attachment', async (t) => {
  t.same(read({}), {
    command: 'ADD',
    containerId: 'c1',
    netns: '/run/netns/x',
    ifName: 'eth0',
    args: '',
    path: ['/a', '/b'],
  })
})

t.test('readEnvironment() names every missing variable in one error', async (t) => {
  const nothing = { CNI_CONTAINERID: '', CNI_NETNS: undefined, CNI_IFNAME: '' }
  t.throws(() => read(nothing), { code: 4, message: /CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME/ })
  t.throws(() => read({ CNI_COMMAND: '' }), { code: 4, message: /CNI_COMMAND/ })
  t.throws(() => read({ CNI_COMMAND: 'GC', CNI_PATH: '' }), { code: 4, message: /CNI_PATH/ })
})

t.test('readEnvironment() refuses commands in other spellings', async (t) => {
  for (const command of ['add', 'ADD ', 'FROB']) {
    t.throws(() => read({ CNI_COMMAND: command }), { code: 4, message: /CNI_COMMAND/ }, command)
  }
})

t.test('readEnvironment() refuses malformed container IDs and names the variable', async (t) => {
  for (const id of ['.a', '-a', '_a', 'a/b', 'a b', 'a:b', 'a%b', 'a\nb', 'ä', '../x']) {
    t.throws(() => read({ CNI_CONTAINERID: id }), { code: 4, message: /CNI_CONTAINERID/ }, id)
  }
  for (const id of ['a', '0', 'a._-b', 'f'.repeat(64), 'x'.repeat(255)])
    t.equal(read({ CNI_CONTAINERID: id }).containerId, id)
})

t.test('readEnvironment() refuses interface names Linux would refuse or rewrite', async (t) => {
  for (const name of ['.', '..', 'a/b', 'a:b', 'a b', 'a\tb', 'eth%d', '0123456789abcdef', 'ääääääää', 'a\u00a0b']) {
    t.throws(() => read({ CNI_IFNAME: name }), { code: 4, message: /CNI_IFNAME/ }, name)
  }
  for (const name of ['all', 'default']) {
    t.throws(() => read({ CNI_IFNAME: name }), { code: 4, message: new RegExp(`net.ipv4.conf.${name}`) }, name)
  }
  for (const name of ['All', 'all0', '0123456789abcde', '-x', '#', 'äääääää', 'eth0'])
    t.equal(read({ CNI_IFNAME: name }).ifName, name)
})

t.test('readEnvironment() refuses bytes that are no UTF-8', async (t) => {
  const bytes = new Uint8Array([0xff, 0xfe])
  for (const name of ['CNI_CONTAINERID', 'CNI_IFNAME', 'CNI_ARGS', 'CNI_COMMAND']) {
    t.throws(() => read({ [name]: bytes }), { code: 4, message: new RegExp(name) }, name)
  }
})

t.test('readEnvironment() does not look at variables the command does not use', async (t) => {
  const garbage = { CNI_CONTAINERID: '///', CNI_IFNAME: '', CNI_NETNS: '', CNI_ARGS: '%%%' }
  for (const command of ['GC', 'STATUS', 'VERSION'])
    t.equal(read({ ...garbage, CNI_COMMAND: command }).command, command)
  t.equal(read({ CNI_COMMAND: 'DEL', CNI_NETNS: '' }).netns, '')
})
