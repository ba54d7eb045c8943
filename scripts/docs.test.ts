/** What the documents show is what the files have. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'

const DOCUMENTS = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...readdirSync('docs').map((name) => `docs/${name}`)]
  .filter((path) => path.endsWith('.md'))
  .map((path) => ({ path, text: readFileSync(path, 'utf8') }))

t.test('every link of the documents leads to a file', async (t) => {
  for (const { path, text } of DOCUMENTS) {
    for (const [, target = ''] of text.matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (target.startsWith('https:')) continue
      const file = normalize(join(dirname(path), target))
      t.ok(existsSync(file), `${path}: ${target}`)
    }
  }
})

t.test('every configuration file in docs is shown word for word', async (t) => {
  for (const name of readdirSync('docs').filter((name) => name.endsWith('.conflist') || name.endsWith('.json'))) {
    const shown = `\`\`\`json\n${readFileSync(`docs/${name}`, 'utf8')}\`\`\``
    t.ok(
      DOCUMENTS.some(({ text }) => text.includes(shown)),
      name,
    )
  }
})

t.test('package, engine and changelog are of one release', async (t) => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
  const [crate] = /(?<=^version = ")[^"]*/m.exec(readFileSync('lib/engine/Cargo.toml', 'utf8')) ?? []
  const [released] = /(?<=^## )\d[^ \n]*/m.exec(readFileSync('CHANGELOG.md', 'utf8')) ?? []
  t.same({ crate, released }, { crate: version, released: version })
})

t.test('every make target that the documents name is there', async (t) => {
  const makefile = readFileSync('Makefile', 'utf8')
  for (const { path, text } of DOCUMENTS) {
    for (const [, target = ''] of text.matchAll(/(?:^|`)make ([a-z][a-z-]*)/gm)) {
      t.match(makefile, new RegExp(`^${target}:`, 'm'), `${path}: make ${target}`)
    }
  }
})

t.test('every plugin is in the table of the README', async (t) => {
  const readme = DOCUMENTS[0]?.text ?? ''
  for (const parent of ['plugins', 'ipam']) {
    for (const name of readdirSync(parent).filter((name) => existsSync(`${parent}/${name}/config.schema.json`))) {
      t.ok(readme.includes(`[\`${name}\`](${parent}/${name})`), name)
    }
  }
})

t.test('how-it-works lists every room, and shows dummy as it is', async (t) => {
  const text = readFileSync('docs/how-it-works.md', 'utf8')
  const rooms = readdirSync('lib').filter((name) => readdirSync(`lib/${name}`).some((file) => file !== 'target'))
  for (const room of rooms) t.ok(text.includes(`    lib/${room}/ `), room)
  const [, shown = 'nothing'] = /## Write a plugin[\s\S]*?```ts\n([\s\S]*?)```/.exec(text) ?? []
  t.ok(readFileSync('plugins/dummy/main.ts', 'utf8').endsWith(shown), shown)
})
