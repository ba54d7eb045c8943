import { atLeast, type CniVersion } from '../cni/version.js'
import type { Family } from '../ip/address.js'
import { refuse } from './refuse.js'

/** Throw code 7 where a family is there twice and the version is older than 0.3.0: its result has one address a family. */
export function requireOnePerFamily(version: CniVersion, families: readonly Family[], pointer: string): void {
  if (atLeast(version, '0.3.0')) return
  for (const family of [4, 6] as const) {
    if (families.filter((candidate) => candidate === family).length < 2) continue
    refuse(pointer, `CNI version < 0.3.0 does not support more than 1 IPv${family} address per interface`)
  }
}
