/** The configurations that the documents show and ship, each as a list that a runtime can take. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'

type Plugin = Record<string, unknown>

export interface List {
  readonly cniVersion: string
  readonly cniVersions?: readonly string[]
  readonly name: string
  readonly plugins: readonly Plugin[]
}

export interface Example {
  /** Where it stands: `docs/nodes.md, 2`, its second block of JSON. */
  readonly place: string
  readonly list: List
}

/** What the conflists that are shipped say, so that old runtimes and new ones take them. */
export const SHIPPED_VERSIONS = { cniVersion: '1.0.0', cniVersions: ['1.0.0', '1.1.0'] } as const

/** The table of nodes that the documents show, and where their conflists look for it. */
export const TABLE = {
  shown: 'docs/podnet-nodes.json',
  installed: '/etc/cni/flatnet/podnet.json',
  address: '10.0.1.2/24',
}

/** Every example of a configuration in the documents and the READMEs, and every conflist of docs. */
export function examples(): Example[] {
  const folders = ['plugins', 'ipam'].flatMap((parent) => readdirSync(parent).map((name) => `${parent}/${name}`))
  const documents = ['README.md', ...names('docs', '.md'), ...folders.flatMap((folder) => names(folder, 'README.md'))]
  const shown = documents.flatMap((path) => {
    const blocks = [...readFileSync(path, 'utf8').matchAll(/```json\n([\s\S]*?)```/g)].map(([, text = '']) =>
      parse(text),
    )
    return blocks.flatMap((block, at) => {
      const list = listOf(block)
      return list === undefined ? [] : [{ place: `${path}, ${at + 1}`, list }]
    })
  })
  const files = names('docs', '.conflist').map((path) => ({
    place: path,
    list: parse(readFileSync(path, 'utf8')) as List,
  }))
  return [...files, ...shown]
}

function names(folder: string, ending: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name}`)
}

/** Undefined where it is cut short with `…`. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A plugin by itself gets what it needs around it: a chained one comes after `bridge`. Undefined for other JSON. */
function listOf(block: unknown): List | undefined {
  const { cniVersion, name = 'podnet', ...plugin } = (block ?? {}) as Plugin & { cniVersion?: string; name?: string }
  if (Array.isArray(plugin['plugins'])) return block as List
  const type = plugin['type']
  if (typeof type !== 'string') return undefined
  const versions = cniVersion === undefined ? SHIPPED_VERSIONS : { cniVersion }
  const ipam = { type: 'host-local', ranges: [[{ subnet: '10.244.1.0/24' }]] }
  const bridge = { type: 'bridge', bridge: 'cni0', isDefaultGateway: true, ipam }
  const alone = type === 'loopback' || isInterface(type)
  return { ...versions, name, plugins: alone ? [plugin] : [bridge, plugin] }
}

function isInterface(type: string): boolean {
  const path = `plugins/${type}/main.ts`
  return existsSync(path) && readFileSync(path, 'utf8').includes('defineInterface')
}

/** The protocol versions that a list may be used with. */
export function versionsOf({ cniVersion, cniVersions = [cniVersion] }: List): readonly string[] {
  return cniVersions
}
