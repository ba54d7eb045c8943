/** Which flatnet this is. */

/** `version` of package.json; the build puts it here (scripts/bundle.ts). */
declare const FLATNET_VERSION: string

/** Absent only in tests of pure code. */
export const RELEASE = typeof FLATNET_VERSION === 'string' ? FLATNET_VERSION : '0.0.0'

/** The release of the reference plugins whose features ours have. */
export const REFERENCE_RELEASE = '1.9.1'
