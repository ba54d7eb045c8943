/**
 * Configuration keys as people write them: an exact match first, else a match that ignores case (the
 * reference ignores it), else unknown, with the nearest known name. `null` means absent.
 */

import { nearest } from './nearest.js'
import type { KeyTree } from './schema.js'

type Json = Record<string, unknown>

/**
 * A copy of `value` with every key in its known spelling. `say` hears of each that was not.
 * Below `runtimeConfig` another spelling is no news: containerd writes Go field names there.
 */
export function normalizeKeys(value: unknown, tree: KeyTree, say: (text: string) => void, pointer = ''): unknown {
  if (tree === true || value === null || typeof value !== 'object') return value
  if (Array.isArray(tree)) {
    const [item] = tree as readonly [KeyTree]
    if (!Array.isArray(value)) return value
    return value.map((entry, at) => normalizeKeys(entry, item, say, `${pointer}/${at}`))
  }
  if (Array.isArray(value)) return value
  if (isNormal(value as Json, tree as { readonly [key: string]: KeyTree })) return value
  const known = tree as { readonly [key: string]: KeyTree }
  const open = '*' in known
  const names = Object.keys(known).filter((name) => name !== '*')
  const normal: Json = Object.create(null) as Json
  const exact = Object.keys(value).filter((key) => names.includes(key))
  for (const [key, member] of Object.entries(value as Json)) {
    const name = names.includes(key) ? key : names.find((candidate) => candidate.toLowerCase() === key.toLowerCase())
    if (name === undefined) {
      normal[key] = member
      if (!open && !isForeign(key, pointer)) say(unknownKey(`${pointer}/${key}`, key, names))
      continue
    }
    if (name !== key) {
      if (exact.includes(name)) continue // the exact spelling wins
      if (!pointer.startsWith('/runtimeConfig')) say(`"${pointer}/${key}" is taken as "${name}"`)
    }
    if (member === null && pointer + name !== 'cni.dev/valid-attachments') continue
    normal[name] = normalizeKeys(member, known[name] ?? true, say, `${pointer}/${name}`)
  }
  return { ...normal }
}

/** Whether every key down from here is in its known spelling and set: then nothing needs to be copied. */
function isNormal(value: Json, known: { readonly [key: string]: KeyTree }): boolean {
  for (const key of Object.keys(value)) {
    const member = value[key]
    if (member === null) return false
    if (!Object.hasOwn(known, key) || key === '*') {
      if (!('*' in known)) return false
      for (const name in known) {
        if (name.length === key.length && name.toLowerCase() === key.toLowerCase()) return false
      }
      continue
    }
    if (!isNormalItem(member, known[key] as KeyTree)) return false
  }
  return true
}

function isNormalItem(item: unknown, tree: KeyTree): boolean {
  if (tree === true || typeof item !== 'object' || item === null) return true
  if (Array.isArray(tree) !== Array.isArray(item)) return true
  if (Array.isArray(item)) return item.every((entry) => isNormalItem(entry, (tree as readonly [KeyTree])[0]))
  return isNormal(item as Json, tree as { readonly [key: string]: KeyTree })
}

/** Keys that are none of a plugin's business: the protocol's own, and what sits in runtimeConfig for others. */
function isForeign(key: string, pointer: string): boolean {
  return key.includes('/') || pointer.startsWith('/runtimeConfig')
}

function unknownKey(pointer: string, key: string, names: readonly string[]): string {
  const best = nearest(key, names)
  return `unknown key "${pointer}" is ignored${best === undefined ? '' : `: did you mean "${best}"?`}`
}
