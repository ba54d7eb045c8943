/** The core of lib/nodes is for an agent, too: it knows neither CNI's errors nor a plugin's configuration. */

import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'

const FOLDER = 'lib/nodes'
const CORE = readdirSync(FOLDER).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))

t.test('no file of the core imports the protocol, its attachments or the rim', async (t) => {
  t.ok(CORE.length > 10)
  for (const name of CORE) {
    const imports = [...readFileSync(`${FOLDER}/${name}`, 'utf8').matchAll(/from '([^']+)'/g)].map(
      ([, path = '']) => path,
    )
    t.same(
      imports.filter(
        (path) => path.startsWith('../cni/') || path.startsWith('../attachment/') || path.startsWith('./cni/'),
      ),
      [],
      name,
    )
  }
})
