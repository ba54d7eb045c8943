/**
 * What a config schema becomes at build time (scripts/compile-schemas.ts): a standalone validator made
 * by ajv, and the tree of keys it knows.
 */

/** Known keys: a tree where the value is an object, a list of such trees in an array of one, anything where it is
 * `true`. A key `*` says that unknown keys beside it are no news. */
export type KeyTree = { readonly [key: string]: KeyTree } | readonly [KeyTree] | true

export interface Violation {
  /** JSON pointer to the value: `/ipam/ranges/0/0/subnet`. */
  readonly instancePath: string
  readonly message?: string
  readonly params: Record<string, unknown>
}

export interface Schema {
  readonly validate: ((value: unknown) => boolean) & { errors?: readonly Violation[] | null }
  readonly keys: KeyTree
}
