/** Who holds a lock that we waited for in vain. */

import { readKernelText, stat } from '../sys/file.js'

/**
 * The process that holds flock(2) on the file behind `fd`, as words for an error: `process 12 (host-local)`.
 * `''` where the kernel does not say: a holder outside our process namespace, no /proc.
 */
export function flockHolder(fd: number): string {
  const inode = stat(fd)?.inode
  // 1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF (proc_locks(5)); the device differs on some filesystems
  for (const line of (readKernelText('/proc/locks') ?? '').split('\n')) {
    const [, kind, , , pid = '', place = ''] = line.split(' ').filter((word) => word !== '')
    if (kind !== 'FLOCK' || place.split(':')[2] !== String(inode) || !(Number(pid) > 0)) continue
    const command = (readKernelText(`/proc/${pid}/comm`) ?? '').trim()
    return `process ${pid}${command === '' ? '' : ` (${command})`}`
  }
  return ''
}
