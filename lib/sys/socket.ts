/** Sockets, as far as netlink, raw packets and a local bus need them. All are close-on-exec. */

import { door } from './door.js'
import { checked, SysError } from './errno.js'

// include/linux/socket.h, include/uapi/linux/if_packet.h; asm-generic where architectures differ
export const AF_UNIX = 1
export const AF_INET = 2
export const AF_INET6 = 10
export const AF_NETLINK = 16
export const AF_PACKET = 17
export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3
export const SOL_SOCKET = 1
const SOCK_CLOEXEC = 0o2000000

/** Opens a socket in the current network namespace, where it stays for life. */
export function openSocket(domain: number, type: number, protocol: number): number {
  return checked(door().sys.socket(domain, type | SOCK_CLOEXEC, protocol), 'socket')
}

/** `address` is a struct sockaddr of the socket's family. */
export function bindSocket(fd: number, address: Uint8Array): void {
  checked(door().sys.bind(fd, address, address.length), 'bind')
}

export function connectSocket(fd: number, address: Uint8Array, subject: string): void {
  checked(door().sys.connect(fd, address, address.length), 'connect', subject)
}

/**
 * Closes a socket without waiting for what that entails: since Linux 6.10, closing one of netfilter's waits until all
 * that was removed from nf_tables is freed, some 10 ms.
 */
export function abandonSocket(fd: number): void {
  door().abandon(fd)
}

/** Sends one datagram; returns the number of bytes the kernel took. */
export function send(fd: number, bytes: Uint8Array, address?: Uint8Array): number {
  for (;;) {
    const n = door().sys.sendto(fd, bytes, bytes.length, 0, address, address?.length ?? 0)
    if (n !== -4) return checked(n, 'send')
  }
}

/**
 * Receives one datagram and returns its real length, which is larger than the buffer when it was cut.
 * Waits at most `milliseconds` (default 10 s, then ETIMEDOUT).
 */
export function receive(fd: number, buffer: Uint8Array, milliseconds = 10_000): number {
  const MSG_DONTWAIT = 0x40
  const MSG_TRUNC = 0x20
  for (;;) {
    const n = door().sys.recvfrom(fd, buffer, buffer.length, MSG_DONTWAIT | MSG_TRUNC, null, null)
    if (n === -4) continue
    if (n !== -11) return checked(n, 'receive')
    if (!waitReadable(fd, milliseconds)) throw new SysError('receive', '', 110)
  }
}

/** Waits until a descriptor can be read (or was hung up). False when the time passed. */
export function waitReadable(fd: number, milliseconds: number): boolean {
  return wait([{ fd, events: 1 }], milliseconds).length > 0
}

export interface Interest {
  readonly fd: number
  /** POLLIN 1, POLLOUT 4. */
  readonly events: number
}

/** poll(2): the interests that are ready, with what is ready (POLLHUP 16 and POLLERR 8 included). */
export function wait(interests: readonly Interest[], milliseconds: number): { fd: number; events: number }[] {
  const set = new Uint8Array(interests.length * 8) // struct pollfd: fd 4, events 2, revents 2
  const view = new DataView(set.buffer)
  for (const [at, { fd, events }] of interests.entries()) {
    view.setInt32(at * 8, fd, true)
    view.setInt16(at * 8 + 4, events, true)
  }
  const time = new Uint8Array(16)
  new DataView(time.buffer).setUint32(0, Math.floor(milliseconds / 1000), true)
  new DataView(time.buffer).setUint32(8, Math.floor((milliseconds % 1000) * 1e6), true)
  const n = door().sys.ppoll(set, interests.length, time, null, 0)
  if (n === -4) return []
  checked(n, 'poll')
  const ready: { fd: number; events: number }[] = []
  for (const [at, { fd }] of interests.entries()) {
    const events = view.getInt16(at * 8 + 6, true)
    if (events !== 0) ready.push({ fd, events })
  }
  return ready
}

/** Sets an integer option. */
export function setOption(fd: number, level: number, name: number, value: number): void {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setInt32(0, value, true)
  checked(door().sys.setsockopt(fd, level, name, bytes, 4), 'setsockopt')
}

/** Reads an option of `length` bytes. */
export function getOption(fd: number, level: number, name: number, length: number): Uint8Array {
  const value = new Uint8Array(length)
  const size = new Uint8Array(4)
  new DataView(size.buffer).setUint32(0, length, true)
  checked(door().sys.getsockopt(fd, level, name, value, size), 'getsockopt')
  return value
}

/** `SO_NETNS_COOKIE` of a socket's namespace as decimal text: unique for this boot. `''` before Linux 5.14. */
export function namespaceCookie(fd: number): string {
  const SO_NETNS_COOKIE = 71
  const value = new Uint8Array(8)
  const size = new Uint8Array([8, 0, 0, 0])
  const ENOPROTOOPT = 92
  const result = door().sys.getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, value, size)
  if (result === -ENOPROTOOPT) return ''
  checked(result, 'getsockopt')
  const view = new DataView(value.buffer)
  return String(view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32)
}
