/** Sizes of executables, and whether they need anything of the host. */

import { readdirSync, readFileSync, statSync } from 'node:fs'

export interface Executables {
  readonly names: readonly string[]
  readonly inodes: number
  /** Bytes on disk, hard links counted once. */
  readonly bytes: number
  readonly static: boolean
}

/** `names`, or whatever is in `folder`. */
export function executables(folder: string, names: readonly string[] = readdirSync(folder)): Executables {
  const sizes = new Map(
    names.map((name) => {
      const { ino, size } = statSync(`${folder}/${name}`)
      return [ino, size] as const
    }),
  )
  return {
    names,
    inodes: sizes.size,
    bytes: [...sizes.values()].reduce((sum, size) => sum + size, 0),
    static: names.every((name) => isStatic(`${folder}/${name}`)),
  }
}

const PT_INTERP = 3

/** No program interpreter: the kernel starts it as it is. elf(5), 64 bits, little-endian. */
export function isStatic(path: string): boolean {
  const elf = readFileSync(path)
  const offset = Number(elf.readBigUInt64LE(32))
  const size = elf.readUInt16LE(54)
  const count = elf.readUInt16LE(56)
  return Array.from({ length: count }, (_, at) => elf.readUInt32LE(offset + at * size)).every(
    (type) => type !== PT_INTERP,
  )
}
