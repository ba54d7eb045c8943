/**
 * A system call that failed, with the call, what it was called on, and the errno's name.
 * Numbers: include/uapi/asm-generic/errno-base.h and errno.h (the same on amd64 and arm64).
 */

const NAMES = {
  1: 'EPERM',
  2: 'ENOENT',
  3: 'ESRCH',
  4: 'EINTR',
  5: 'EIO',
  6: 'ENXIO',
  7: 'E2BIG',
  8: 'ENOEXEC',
  9: 'EBADF',
  10: 'ECHILD',
  11: 'EAGAIN',
  12: 'ENOMEM',
  13: 'EACCES',
  14: 'EFAULT',
  16: 'EBUSY',
  17: 'EEXIST',
  18: 'EXDEV',
  19: 'ENODEV',
  20: 'ENOTDIR',
  21: 'EISDIR',
  22: 'EINVAL',
  23: 'ENFILE',
  24: 'EMFILE',
  25: 'ENOTTY',
  26: 'ETXTBSY',
  27: 'EFBIG',
  28: 'ENOSPC',
  29: 'ESPIPE',
  30: 'EROFS',
  31: 'EMLINK',
  32: 'EPIPE',
  33: 'EDOM',
  34: 'ERANGE',
  35: 'EDEADLK',
  36: 'ENAMETOOLONG',
  37: 'ENOLCK',
  38: 'ENOSYS',
  39: 'ENOTEMPTY',
  40: 'ELOOP',
  54: 'EXFULL',
  61: 'ENODATA',
  71: 'EPROTO',
  75: 'EOVERFLOW',
  90: 'EMSGSIZE',
  91: 'EPROTOTYPE',
  92: 'ENOPROTOOPT',
  93: 'EPROTONOSUPPORT',
  94: 'ESOCKTNOSUPPORT',
  95: 'EOPNOTSUPP',
  97: 'EAFNOSUPPORT',
  98: 'EADDRINUSE',
  99: 'EADDRNOTAVAIL',
  100: 'ENETDOWN',
  101: 'ENETUNREACH',
  103: 'ECONNABORTED',
  104: 'ECONNRESET',
  105: 'ENOBUFS',
  106: 'EISCONN',
  107: 'ENOTCONN',
  110: 'ETIMEDOUT',
  111: 'ECONNREFUSED',
  112: 'EHOSTDOWN',
  113: 'EHOSTUNREACH',
  114: 'EALREADY',
  115: 'EINPROGRESS',
  116: 'ESTALE',
  122: 'EDQUOT',
  125: 'ECANCELED',
} as const

export type ErrnoName = (typeof NAMES)[keyof typeof NAMES]

/** `ENOENT` for 2; `errno 200` for a number nobody named. */
export function errnoName(errno: number): string {
  return (NAMES as Record<number, string>)[errno] ?? `errno ${errno}`
}

/** A refused system call. `message` reads `open /run/x: ENOENT`. */
export class SysError extends Error {
  override readonly name = 'SysError'
  /** The errno's name, for comparisons: `error.code === 'EEXIST'`. */
  readonly code: string

  constructor(
    readonly call: string,
    readonly subject: string,
    readonly errno: number,
  ) {
    super(`${call}${subject === '' ? '' : ` ${subject}`}: ${errnoName(errno)}`)
    this.code = errnoName(errno)
  }
}

/**
 * Whether `error` carries one of these errnos; for the one condition a caller expects.
 * Works on every error with a `code`: system calls here, the kernel's refusals in lib/netlink.
 */
export function isErrno(error: unknown, ...codes: ErrnoName[]): boolean {
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'string' && (codes as string[]).includes(code)
}

/** Passes a result through, or throws what it means. */
export function checked(result: number, call: string, subject = ''): number {
  if (result < 0) throw new SysError(call, subject, -result)
  return result
}
