/**
 * Tables that a process keeps for itself (NFT_TABLE_F_OWNER, nft's `flags owner`): the kernel lets no other change them,
 * and says EPERM, as it does to those who lack CAP_NET_ADMIN. So the owner is looked for and named.
 */

import { CniError, ErrorCode } from '../cni/error.js'
import type { TableName } from '../netlink/nftables/message.js'
import { OwnedTableError } from '../netlink/nftables/nftables.js'
import { NETLINK_NETFILTER } from '../netlink/socket.js'
import { isErrno } from '../sys/errno.js'
import { readDirectory, readKernelText, readLink } from '../sys/file.js'

/** How the names of all tables of ours begin. */
const OUR_TABLES = 'flatnet-'

/** What a change of such a table means to the operator; any other error as it is. */
export function withOwner(error: unknown): unknown {
  return error instanceof OwnedTableError ? ownedByAnother(error.table, error.owner) : error
}

export function ownedByAnother(name: TableName, port: number, code: number = ErrorCode.KernelRefused): CniError {
  const { family, table } = name
  const pid = processBehind(port)
  const shown = pid === undefined ? '' : ` (ps -fp ${pid} shows it)`
  // Of our own name it can only be somebody's copy; any other is a firewall that is wanted.
  const remedy = table.startsWith(OUR_TABLES)
    ? 'stop it, or have it give the table up: the next ADD makes the table anew'
    : 'have it accept what pods send, or give the table up; firewalld is asked by itself where "backend" is left out'
  return new CniError(
    code,
    `cannot change table ${family} ${table}: ${ownership(name, port)}`,
    `the kernel lets only that process${shown} change the table (nft: flags owner): ${remedy}`,
  )
}

/** Whose a table is, in words. */
export function ownership({ family, table }: TableName, port: number): string {
  const pid = processBehind(port)
  const name = pid === undefined ? '' : (readKernelText(`/proc/${pid}/comm`) ?? '').trim()
  const who = pid === undefined ? `the process with netlink port ${port}` : `process ${pid} (${name})`
  return `table ${family} ${table} is owned by ${who}`
}

/**
 * The process with a netfilter socket of this netlink port. The kernel has a socket's inode (/proc/net/netlink), and a
 * process its descriptors. Undefined where it is out of our sight.
 */
function processBehind(port: number): number | undefined {
  const inode = inodeOf(port)
  if (inode === undefined) return undefined
  const wanted = `socket:[${inode}]`
  // A program's first netlink socket has its own number for a port.
  const pids = readDirectory('/proc').map(({ name }) => Number(name))
  return [port, ...pids].find((pid) => pid > 0 && hasDescriptor(pid, wanted))
}

function inodeOf(port: number): string | undefined {
  for (const line of (readKernelText('/proc/net/netlink') ?? '').split('\n')) {
    const [, protocol, portId, , , , , , , inode] = line.split(' ').filter((word) => word !== '')
    if (Number(protocol) === NETLINK_NETFILTER && Number(portId) === port) return inode
  }
  return undefined
}

function hasDescriptor(pid: number, target: string): boolean {
  const directory = `/proc/${pid}/fd`
  try {
    return readDirectory(directory).some(({ name }) => readLink(`${directory}/${name}`) === target)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EACCES', 'EPERM', 'ENOTDIR', 'ESRCH')) return false
    throw error
  }
}
