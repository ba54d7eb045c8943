/**
 * The errnos that a system call can fail with though all that it is asked for is there: resources that have run out,
 * permissions and filesystems that have changed, signals, broken disks (section ERRORS of each manual page). Left out
 * are those that say what is so (ENOENT, EEXIST, ENODEV …): where the thing is there, the kernel does not say them.
 */

const SPACE = ['ENOSPC', 'EDQUOT', 'EROFS']
const DESCRIPTORS = ['EMFILE', 'ENFILE', 'ENOMEM']

/** By name; `undefined` marks a call that does not fail with the arguments that it gets here. */
const ERRNOS: Record<string, readonly string[]> = {
  bind: ['ENOMEM', 'EADDRINUSE', 'EACCES'],
  clone: ['EAGAIN', 'ENOMEM'],
  close: ['EINTR', 'EIO', 'ENOSPC'],
  connect: ['EAGAIN', 'ECONNREFUSED', 'EINTR', 'EACCES', 'ENOMEM', 'EPERM'],
  faccessat: ['EACCES', 'EIO', 'ENOMEM', 'EROFS'],
  fchmod: ['EIO', 'EPERM', 'EROFS'],
  fcntl: ['EAGAIN', 'EINTR', 'ENOLCK'],
  flock: ['EAGAIN', 'EINTR', 'ENOLCK'],
  fork: ['EAGAIN', 'ENOMEM'],
  fstatfs: ['EINTR', 'EIO', 'ENOMEM', 'ENOSYS'],
  ftruncate: ['EINTR', 'EIO', 'ENOSPC'],
  getdents64: ['EIO', 'ENOMEM'],
  getrandom: ['EINTR'],
  getsockname: ['ENOBUFS'],
  getsockopt: ['ENOMEM', 'ENOPROTOOPT'],
  linkat: ['EACCES', 'EIO', 'EMLINK', 'ENOMEM', 'EPERM', ...SPACE],
  lseek: [],
  madvise: ['EAGAIN', 'ENOMEM'],
  mkdirat: ['EACCES', 'EMLINK', 'ENOMEM', 'EPERM', ...SPACE],
  mmap: ['ENOMEM', 'EAGAIN'],
  mprotect: ['ENOMEM'],
  mremap: ['ENOMEM'],
  munmap: ['ENOMEM'],
  open: ['EACCES', 'EINTR', 'EIO', 'EPERM', ...DESCRIPTORS],
  openat: ['EACCES', 'EINTR', 'EIO', 'EPERM', ...DESCRIPTORS],
  pipe2: DESCRIPTORS,
  poll: ['EINTR', 'ENOMEM'],
  ppoll: ['EINTR', 'ENOMEM'],
  pread64: ['EINTR', 'EIO'],
  pwrite64: ['EINTR', 'EIO', 'EFBIG', 'ENOSPC', 'EDQUOT'],
  read: ['EINTR', 'EIO'],
  readlink: ['EACCES', 'EIO', 'ENOMEM'],
  readlinkat: ['EACCES', 'EIO', 'ENOMEM'],
  recvfrom: ['EAGAIN', 'EINTR', 'ENOBUFS', 'ENOMEM'],
  renameat2: ['EACCES', 'EBUSY', 'EIO', 'ENOMEM', 'EPERM', ...SPACE],
  sendmsg: ['EAGAIN', 'EINTR', 'ENOBUFS', 'ENOMEM', 'ETOOMANYREFS'],
  sendto: ['EAGAIN', 'ECONNREFUSED', 'EINTR', 'ENOBUFS', 'ENOMEM', 'EPERM'],
  setns: ['ENOMEM', 'EPERM'],
  setsockopt: ['ENOMEM', 'ENOPROTOOPT', 'EPERM'],
  socket: ['EACCES', 'ENOBUFS', ...DESCRIPTORS],
  socketpair: DESCRIPTORS,
  statx: ['EACCES', 'EIO', 'ENOMEM'],
  unlinkat: ['EACCES', 'EBUSY', 'EIO', 'ENOMEM', 'EPERM', 'EROFS'],
  utimensat: ['EACCES', 'EIO', 'EPERM', 'EROFS'],
  vfork: ['EAGAIN', 'ENOMEM'],
  wait4: ['EINTR'],
  write: ['EINTR', 'EIO', 'EFBIG', 'ENOSPC', 'EDQUOT'],
}

/** These fail only with wrong arguments, and ours are constants; or say by their value what they could do (brk). */
const SURE = new Set(
  (
    'arch_prctl brk clock_gettime clock_nanosleep exit exit_group getegid geteuid getgid getpid getppid gettid getuid ' +
    'kill prctl prlimit64 rseq rt_sigaction rt_sigprocmask rt_sigreturn set_robust_list set_tid_address setitimer ' +
    'sigaltstack umask uname'
  ).split(' '),
)

/** For a line of strace's. Throws for a call that the table does not have: then it is to be looked up. */
export function errnosOf(name: string, line: string): readonly string[] {
  if (SURE.has(name)) return []
  const errnos = ERRNOS[name]
  if (errnos === undefined) throw new Error(`which errnos has ${name}? ${line}`)
  if (name === 'openat' && line.includes('O_TMPFILE')) return [...errnos, ...SPACE, 'EOPNOTSUPP']
  if (name === 'openat' && line.includes('O_CREAT')) return [...errnos, ...SPACE]
  if (name === 'openat' && /O_WRONLY|O_RDWR/.test(line)) return [...errnos, 'EROFS']
  if (name === 'write' && /write\([12],/.test(line)) return [...errnos, 'EPIPE', 'EAGAIN']
  return errnos
}
