/**
 * The door as the engine opens it: raw system calls and the few things that must be native.
 * The other half is lib/engine/src/door.rs. Only lib/sys touches this.
 */

type Argument = number | string | Uint8Array | null | undefined

/** Returns what the kernel returned: a number, or minus the errno. */
type Call = (...args: Argument[]) => number

interface Door {
  /** System calls by their kernel names; at most six arguments. */
  readonly sys: {
    readonly [name in
      | 'bind'
      | 'clock_gettime'
      | 'clock_nanosleep'
      | 'close'
      | 'connect'
      | 'faccessat'
      | 'fcntl'
      | 'flock'
      | 'fstatfs'
      | 'ftruncate'
      | 'getdents64'
      | 'geteuid'
      | 'getpid'
      | 'getrandom'
      | 'getsockopt'
      | 'kill'
      | 'linkat'
      | 'lseek'
      | 'mkdirat'
      | 'openat'
      | 'pipe2'
      | 'ppoll'
      | 'pread64'
      | 'pwrite64'
      | 'read'
      | 'readlinkat'
      | 'recvfrom'
      | 'renameat2'
      | 'sendto'
      | 'setitimer'
      | 'setns'
      | 'setsockopt'
      | 'socket'
      | 'statx'
      | 'umask'
      | 'uname'
      | 'unlinkat'
      | 'utimensat'
      | 'wait4'
      | 'write']: Call
  }
  /** Constants that differ between architectures. */
  readonly k: { readonly O_TMPFILE: number; readonly O_DIRECTORY: number; readonly O_NOFOLLOW: number }
  /** The plugin this process is, by its name. */
  readonly plugin: string
  /** Strict UTF-8; undefined where the bytes are not. */
  decode(bytes: Uint8Array, start?: number, end?: number): string | undefined
  encode(text: string): Uint8Array
  sha256(bytes: Uint8Array): Uint8Array
  sha512(bytes: Uint8Array): Uint8Array
  /** Runs `path` with `setting` (NAME=value) in the environment, in a process group of its own; a pid or minus the errno. */
  spawn(path: string, setting: string, stdin: number, stdout: number, stderr: number): number
  /** Closes a descriptor and leaves what follows from it to the kernel, to be done when it has time. */
  abandon(fd: number): number
  /** Another plugin of this executable: its exports, undefined where there is none. */
  load(name: string): unknown
  lineMap(): string | undefined
  /** Bytes where the value is not UTF-8. */
  env(name: string): string | Uint8Array | undefined
  arguments(): string[]
  plugins(): string[]
  /** 16 bytes; copies of one build share it. */
  buildId(): Uint8Array
}

/** Read at each use, so that a module above can be imported by Node, where there is no door. */
export function door(): Door {
  return (globalThis as unknown as { readonly door: Door }).door
}
