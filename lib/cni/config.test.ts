import { Ajv } from 'ajv'
import t from 'tap'
import { applySchema, parseStdin, readIdentity } from './config.js'
import type { Schema } from './schema.js'

const decode = (bytes: Uint8Array) => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
const parse = (text: string | Uint8Array) =>
  parseStdin(typeof text === 'string' ? new TextEncoder().encode(text) : text, decode)

t.test('parseStdin() refuses what is not one JSON object with code 6', async (t) => {
  for (const text of ['', '{', 'text', '{} x', '{}{}', '\ufeff{}', '[]', '"x"', '5', 'null']) {
    t.throws(() => parse(text), { code: 6 }, JSON.stringify(text))
  }
  t.throws(() => parse(new Uint8Array([0x22, 0xff, 0x22])), { code: 6, message: /UTF-8/ })
})

t.test('readIdentity() asks for a name (7), a text version (6) and a released one (1)', async (t) => {
  t.same(readIdentity({ name: 'net', cniVersion: '1.0.0' }), { name: 'net', version: '1.0.0' })
  t.same(readIdentity({ name: 'net' }), { name: 'net', version: '0.1.0' })
  t.same(readIdentity({ NAME: 'net', CNIVERSION: '0.4.0' }), { name: 'net', version: '0.4.0' })
  t.throws(() => readIdentity({ cniVersion: '1.0.0' }), { code: 7, message: /missing network name/ })
  for (const name of ['', '../x', 'a/b', 'a b', 'a%b', 'a\u0000b', 'ä', 'x'.repeat(201)]) {
    t.throws(() => readIdentity({ name }), { code: 7 }, name)
  }
  t.throws(() => readIdentity({ name: 'net', cniVersion: 1 }), { code: 6 })
  for (const cniVersion of ['1.2.0', '2.0.0', '1.0', 'v1.0.0', '1.0.0-rc1', ' 1.0.0']) {
    t.throws(() => readIdentity({ name: 'net', cniVersion }), { code: 1, details: /supports/ }, cniVersion)
  }
})

const jsonSchema = {
  type: 'object',
  required: ['name'],
  properties: {
    name: { type: 'string' },
    ipMasq: { type: 'boolean' },
    mtu: { type: 'integer', minimum: 0 },
    list: { type: 'array', items: { type: 'object', properties: { id: { type: 'integer' } } } },
    runtimeConfig: {
      type: 'object',
      properties: {
        portMappings: { type: 'array', items: { type: 'object', properties: { hostPort: { type: 'integer' } } } },
      },
    },
  },
}
const schema = {
  validate: new Ajv().compile(jsonSchema),
  keys: {
    name: true,
    ipMasq: true,
    mtu: true,
    list: [{ id: true }],
    runtimeConfig: { portMappings: [{ hostPort: true }] },
  },
} as unknown as Schema

function apply(raw: Record<string, unknown>, lenient = false) {
  const said: string[] = []
  return { config: applySchema<Record<string, unknown>>(raw, schema, (text) => said.push(text), lenient), said }
}

t.test('applySchema() refuses a wrong type with code 7 and the JSON pointer', async (t) => {
  t.throws(() => apply({ name: 'n', mtu: '1500' }), { code: 7, message: /"\/mtu" must be integer.*"1500"/ })
  t.throws(() => apply({ name: 'n', list: [{ id: 1 }, { id: 'x' }] }), { code: 7, message: /"\/list\/1\/id"/ })
  t.throws(() => apply({ name: 'n', mtu: 1.5 }), { code: 7 })
  t.throws(() => apply({}), { code: 7, message: /name/ })
})

t.test('applySchema() names the nearest key for an unknown one and ignores it', async (t) => {
  const { said } = apply({ name: 'n', ipMask: true })
  t.equal(said.length, 1)
  t.match(said[0], /ipMask.*did you mean "ipMasq"/)
  t.same(apply({ name: 'n', 'cni.dev/whatever': 1 }).said, [])
})

t.test('applySchema() takes a key in another case, with a warning; the exact spelling wins', async (t) => {
  const { config, said } = apply({ name: 'n', IPMASQ: true })
  t.equal(config['ipMasq'], true)
  t.match(said[0], /taken as "ipMasq"/)
  t.equal(apply({ name: 'n', MTU: 1, mtu: 2 }).config['mtu'], 2)
})

t.test("applySchema() takes containerd's Go spelling below runtimeConfig in silence", async (t) => {
  const { config, said } = apply({
    name: 'n',
    runtimeConfig: { portMappings: [{ HostPort: 80, Protocol: 'tcp' }], other: {} },
  })
  t.match(config, { runtimeConfig: { portMappings: [{ hostPort: 80 }] } })
  t.same(said, [])
})

t.test('applySchema() treats null as absent', async (t) => {
  t.notOk('mtu' in apply({ name: 'n', mtu: null }).config)
  t.same(apply({ name: 'n', runtimeConfig: { portMappings: null } }).config['runtimeConfig'], {})
})

t.test('applySchema() on DEL drops the faulty member, warns, and keeps the rest', async (t) => {
  const { config, said } = apply({ name: 'n', mtu: 'x', ipMasq: true, list: [{ id: 'x' }] }, true)
  t.same(config, { name: 'n', ipMasq: true })
  t.equal(said.length, 2)
})

t.test('applySchema() keeps a key named like a prototype member as data', async (t) => {
  const raw = JSON.parse('{"name":"n","__proto__":{"mtu":9},"constructor":1}') as Record<string, unknown>
  const { config } = apply(raw)
  t.equal(config['mtu'], undefined)
  t.ok(Object.hasOwn(config, '__proto__'))
})
