/** What becomes a bundle: every folder of plugins/ and ipam/ with a main.ts. */

import { existsSync, readdirSync } from 'node:fs'

export interface PluginFolder {
  /** The executable's name: `bridge`. */
  readonly name: string
  /** `plugins/bridge` */
  readonly folder: string
  /** A plugin has a configuration; the `flatnet` command has not. */
  readonly hasSchema: boolean
}

export function pluginFolders(): PluginFolder[] {
  return ['plugins', 'ipam']
    .filter((parent) => existsSync(parent))
    .flatMap((parent) => readdirSync(parent).map((name) => ({ name, folder: `${parent}/${name}` })))
    .filter(({ folder }) => existsSync(`${folder}/main.ts`))
    .map(({ name, folder }) => ({ name, folder, hasSchema: existsSync(`${folder}/config.schema.json`) }))
    .sort((a, b) => a.name.localeCompare(b.name))
}
