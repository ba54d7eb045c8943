/** The released versions of the specification, oldest first. */
export const VERSIONS = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const

export type CniVersion = (typeof VERSIONS)[number]

/** Inside, everything speaks the newest. */
export const NEWEST: CniVersion = '1.1.0'

/** What a configuration without `cniVersion` means. */
export const OLDEST: CniVersion = '0.1.0'

/** Exact match: `1.1` and `v1.1.0` are not versions. */
export function isReleased(version: string): version is CniVersion {
  return (VERSIONS as readonly string[]).includes(version)
}

/** Whether `version` is `floor` or newer. */
export function atLeast(version: CniVersion, floor: CniVersion): boolean {
  return VERSIONS.indexOf(version) >= VERSIONS.indexOf(floor)
}
