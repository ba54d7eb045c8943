/** JSON as it comes: configurations and answers are looked at member by member. */

// biome-ignore lint/suspicious/noExplicitAny: results are looked at member by member
export type Json = any

export function isObject(value: unknown): value is Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `over` laid on `base`: objects member by member, all else replaced; `undefined` removes a member. */
export function merge(base: Json, over: Json): Json {
  if (!isObject(base) || !isObject(over)) return over
  const merged: Record<string, Json> = { ...base }
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) delete merged[key]
    else define(merged, key, key in base && Object.hasOwn(base, key) ? merge(base[key], value) : value)
  }
  return merged
}

// A key may be `__proto__`.
function define(object: Record<string, Json>, key: string, value: Json): void {
  Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true })
}

/** Whether two values are the same JSON; the order of members does not count. */
export function equal(a: Json, b: Json): boolean {
  if (a === b) return true
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((x, i) => equal(x, b[i]))
  if (!isObject(a) || !isObject(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key]))
}

/** The text parsed; undefined where it is no JSON. */
export function parse(text: string): Json {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
