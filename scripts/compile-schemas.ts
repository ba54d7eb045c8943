/**
 * Compiles every config.schema.json to `config.generated.js` beside it: a standalone ajv validator and
 * the tree of known keys (lib/cni/schema.ts). Done ahead of time because ajv's own start-up is longer
 * than a plugin's whole life, and because the engine has no compiler.
 *
 * Two markers of ours: `x-base` at the root merges lib/cni/base.schema.json, the keys every plugin
 * meets; `x-open` on an object says that unknown keys there are no news. A `$ref` is the path of a file with a part
 * that several schemas have.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Ajv } from 'ajv'
import standalone from 'ajv/dist/standalone/index.js'
import { pluginFolders } from './plugin-folders.js'

type JsonSchema = { [key: string]: unknown; properties?: Record<string, JsonSchema>; items?: JsonSchema }

/** The schema in a file, with what a `$ref` names in its place. */
function readSchema(path: string): JsonSchema {
  return JSON.parse(readFileSync(path, 'utf8'), (_, value) =>
    typeof value?.$ref === 'string' ? readSchema(join(dirname(path), value.$ref)) : value,
  ) as JsonSchema
}

const base = readSchema('lib/cni/base.schema.json')

/** The keys a schema knows, as lib/cni/keys.ts walks them. */
function keyTree(schema: JsonSchema): unknown {
  const variants = [schema, ...((schema['anyOf'] ?? schema['oneOf'] ?? []) as JsonSchema[])]
  const items = variants.find((variant) => variant.items)?.items
  if (items) return [keyTree(items)]
  const properties = Object.assign({}, ...variants.map((variant) => variant.properties ?? {})) as Record<
    string,
    JsonSchema
  >
  if (Object.keys(properties).length === 0) return true
  const tree = Object.fromEntries(Object.entries(properties).map(([key, member]) => [key, keyTree(member)]))
  return schema['x-open'] === true ? { ...tree, '*': true } : tree
}

for (const { folder, name } of pluginFolders().filter(({ hasSchema }) => hasSchema)) {
  const schema = readSchema(`${folder}/config.schema.json`)
  if (schema['x-base'] === true) schema.properties = { ...base.properties, ...schema.properties }
  const ajv = new Ajv({
    code: { source: true, esm: true, lines: true },
    strictTypes: false,
    logger: false,
    unicode: false, // lengths in UTF-16 units need no helper
    allowUnionTypes: true,
    keywords: ['x-base', 'x-open'],
  })
  const validate = ajv.compile(schema)
  const make = ((standalone as { default?: unknown }).default ?? standalone) as (ajv: Ajv, f: unknown) => string
  // ajv writes CommonJS calls for its own helpers even in ESM mode.
  const helpers: string[] = []
  const code = make(ajv, validate).replace(/const (\w+) = require\("([^"]+)"\)\.default;?/g, (_, local, path) => {
    helpers.push(`import ${local}Module from '${path}.js'`)
    return `const ${local} = ${local}Module.default ?? ${local}Module;`
  })
  // Nothing reads where in the schema a rule stands, and the paths are a twelfth of the code.
  const short = code.replace(/schemaPath:"[^"]*",/g, '')
  const keys = JSON.stringify(keyTree(schema))
  writeFileSync(
    `${folder}/config.generated.js`,
    `${helpers.join('\n')}\n${short}\nexport const schema = { validate, keys: ${keys} }\n`,
  )
  writeFileSync(
    `${folder}/config.generated.d.ts`,
    `import type { Schema } from '${'../'.repeat(folder.split('/').length)}lib/cni/schema.js'\n\nexport declare const schema: Schema\n`,
  )
  // The whole schema, base keys included, for editors.
  mkdirSync('build/schemas', { recursive: true })
  writeFileSync(`build/schemas/${name}.schema.json`, `${JSON.stringify(schema, null, 2)}\n`)
}
