/** What went wrong, in the protocol's words: https://www.cni.dev/docs/spec/#error */

/** Codes below 100 are the specification's; ours start at 100; 999 is for what nobody classified. */
export const ErrorCode = {
  IncompatibleVersion: 1,
  UnsupportedField: 2,
  UnknownContainer: 3,
  InvalidEnvironment: 4,
  IoFailure: 5,
  DecodingFailure: 6,
  InvalidConfig: 7,
  TryAgainLater: 11,
  NotAvailable: 50,
  NotAvailableDegraded: 51,

  /** CHECK: the kernel or the store differs from what ADD left; `details` lists each difference. */
  NotAsConfigured: 100,
  /** ADD: the attachment, or something it would create, is there already. */
  AlreadyExists: 101,
  /** ADD: no address is left. */
  RangeExhausted: 102,
  /** ADD: a requested address belongs to someone else, or to nobody's range. */
  AddressUnavailable: 103,
  /** ADD: a host port is held by another container. */
  HostPortTaken: 104,
  /** The kernel refused something. */
  KernelRefused: 105,
  /** GC, DEL: something of ours could not be removed. */
  LeftBehind: 106,
  /** A delegated plugin failed without saying how. */
  DelegateFailed: 107,

  Unclassified: 999,
} as const

export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode]

/**
 * An error a runtime will show. `message` keeps the words people search for; `details` says the cause
 * and, where there is one, the command that fixes it.
 *
 * A plugin that runs inside another's process comes from another bundle with a class of its own, so
 * these are told by shape (`isCniError`), never by `instanceof`.
 */
export class CniError extends Error {
  override readonly name = 'CniError'

  constructor(
    readonly code: number,
    message: string,
    readonly details = '',
  ) {
    super(message)
  }
}

export function isCniError(error: unknown): error is CniError {
  const candidate = error as { name?: unknown; code?: unknown } | null | undefined
  return candidate?.name === 'CniError' && typeof candidate.code === 'number'
}

/** Whether `error` is a signal that asked us to stop: raised once, at the next system call. */
export function isInterrupted(error: unknown): boolean {
  return (error as { name?: unknown } | null | undefined)?.name === 'Interrupted'
}

/** The words of any thrown value. */
export function messageOf(error: unknown): string {
  // The engine throws null where there is no memory left for an error, and these words where there is none for its own.
  if (error === null || (error as Error | undefined)?.message === 'Invalid error message') return 'out of memory'
  return error instanceof Error || typeof (error as Error | undefined)?.message === 'string'
    ? (error as Error).message
    : String(error)
}

/**
 * `error` as the protocol sees it, with the step it happened at in front: `cannot attach eth0: …`.
 * What is classified already keeps its code.
 */
export function toCniError(error: unknown, step = ''): CniError {
  const prefix = step === '' ? '' : `${step}: `
  if (isCniError(error)) {
    return step === '' ? error : new CniError(error.code, `${prefix}${error.message}`, error.details)
  }
  const name = (error as { name?: unknown } | undefined)?.name
  const message = `${prefix}${messageOf(error)}`
  if (isInterrupted(error)) {
    return new CniError(ErrorCode.TryAgainLater, `${prefix}stopped by ${messageOf(error)}`, 'what was done is undone')
  }
  if (name === 'NetlinkError') return new CniError(ErrorCode.KernelRefused, message, hintOf(error))
  if (name === 'SysError') return new CniError(ErrorCode.IoFailure, message, hintOf(error))
  return new CniError(ErrorCode.Unclassified, message)
}

/** The usual cause of an errno, where there is one. */
function hintOf(error: unknown): string {
  const code = (error as { code?: unknown }).code
  const kernel = (error as { kernelMessage?: unknown }).kernelMessage
  const said = typeof kernel === 'string' && kernel !== '' ? `the kernel says: ${kernel}` : ''
  const causes: Record<string, string> = {
    EPERM: 'this needs CAP_NET_ADMIN and CAP_SYS_ADMIN over the namespaces concerned',
    EACCES: 'permission denied: run as root, and look at SELinux or AppArmor if you are',
    ENOSPC: 'the disk is full: df -h',
    EFBIG: 'a file would become larger than ulimit -f allows: raise it for the runtime (LimitFSIZE of its unit)',
    EROFS: 'the filesystem is read-only',
    EMFILE: 'too many open files: raise the limit with ulimit -n',
    EOPNOTSUPP: 'the running kernel lacks this feature, or its module is not loaded',
    EXFULL: 'the bridge is at the kernel limit of 1023 ports',
  }
  // Of reading it means that a file is larger than flatnet takes.
  const isRead = (error as { call?: unknown }).call === 'read'
  const cause = typeof code === 'string' && !(code === 'EFBIG' && isRead) ? (causes[code] ?? '') : ''
  return said !== '' && cause !== '' ? `${said}; ${cause}` : said + cause
}
