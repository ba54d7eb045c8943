/** The shape of JSON that we wrote, checked before it is believed: a file can have been written by anyone. */

/** A type, a list of it, or members by name; a member whose name ends with `?` may be absent. */
export type Shape = 'string' | 'number' | 'boolean' | readonly [Shape] | { readonly [name: string]: Shape }

export function hasShape(value: unknown, shape: Shape): boolean {
  if (typeof shape === 'string') return typeof value === shape
  if (Array.isArray(shape)) return Array.isArray(value) && value.every((one) => hasShape(one, shape[0] as Shape))
  if (typeof value !== 'object' || value === null) return false
  const members = value as Record<string, unknown>
  return Object.entries(shape).every(([name, inner]) => {
    const optional = name.endsWith('?')
    const member = members[optional ? name.slice(0, -1) : name]
    return member === undefined ? optional : hasShape(member, inner)
  })
}
