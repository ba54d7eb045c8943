/** Leases of other networks in the store that host-local keeps for all networks of a node. */

import { formatAddress, type IpAddress } from '../../lib/ip/address.js'
import { readText } from '../../lib/sys/content.js'
import { isErrno } from '../../lib/sys/errno.js'
import { readDirectory, stat } from '../../lib/sys/file.js'

export interface OtherLease {
  readonly network: string
  readonly containerId: string
  /** `''` in a lease of the old form. */
  readonly ifName: string
  readonly address: IpAddress
}

/** Neither program writes a longer one. */
const LONGEST = 4096

/** Those of any of the addresses. A file that cannot be read is none. */
export function otherLeases(dataDir: string, network: string, addresses: readonly IpAddress[]): OtherLease[] {
  return otherNetworks(dataDir, network).flatMap((other) =>
    addresses.flatMap((address) => {
      const [containerId = '', ifName = ''] = contentOf(`${dataDir}/${other}/${formatAddress(address)}`).split('\r\n')
      return containerId === '' ? [] : [{ network: other, containerId, ifName, address }]
    }),
  )
}

function contentOf(path: string): string {
  try {
    if (stat(path)?.kind !== 'file') return ''
    return (readText(path, LONGEST) ?? '').trim()
  } catch {
    return ''
  }
}

/**
 * Every ADD asks, so what says that there are none comes first: the links of a directory are its name, its own `.`, and
 * the `..` of each directory in it (a filesystem that does not count has 1).
 */
function otherNetworks(dataDir: string, network: string): string[] {
  const OWN_ALONE = 4 // with .flatnet
  try {
    if (stat(dataDir)?.links === OWN_ALONE && stat(`${dataDir}/.flatnet`) !== undefined) return []
    return readDirectory(dataDir)
      .filter(({ name, kind }) => (kind === 'directory' || kind === 'unknown') && name !== network && name[0] !== '.')
      .map(({ name }) => name)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP')) return []
    throw error
  }
}
