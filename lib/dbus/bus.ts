/**
 * Method calls on a message bus, as far as firewalld needs them: text in, nothing or one basic value out.
 * https://dbus.freedesktop.org/doc/dbus-specification.html
 */

import { SysError } from '../sys/errno.js'
import { close, read, writeAll } from '../sys/file.js'
import { effectiveUser } from '../sys/process.js'
import { AF_UNIX, connectSocket, openSocket, SOCK_STREAM, waitReadable } from '../sys/socket.js'
import { decodeUtf8, encodeUtf8, hex } from '../sys/text.js'
import { encodeCall, messageLength, readMessage } from './message.js'

export interface BusObject {
  readonly destination: string
  readonly path: string
  readonly interface: string
}

/** An error that the other side answered. */
export class BusError extends Error {
  override readonly name = 'BusError'
}

export interface Bus {
  /** The first value of the answer. Throws BusError where the answer is an error, ETIMEDOUT after 10 s. */
  call(object: BusObject, member: string, args: readonly string[]): string | boolean | number | undefined
  close(): void
}

const PATIENCE = 10_000

/** Connects to the bus behind a socket and says hello. */
export function connectBus(path: string): Bus {
  const fd = openSocket(AF_UNIX, SOCK_STREAM, 0)
  try {
    const text = encodeUtf8(path)
    const address = new Uint8Array(2 + text.length + 1) // struct sockaddr_un
    new DataView(address.buffer).setUint16(0, AF_UNIX, true)
    address.set(text, 2)
    connectSocket(fd, address, path)
    authenticate(fd, path)
  } catch (error) {
    close(fd)
    throw error
  }
  let serial = 0
  let rest = new Uint8Array()
  const bus: Bus = {
    call(object, member, args) {
      const own = ++serial
      writeAll(fd, encodeCall(own, object, member, args), path)
      for (;;) {
        const length = messageLength(rest)
        if (length === undefined || rest.length < length) {
          rest = joined(rest, receive(fd, path))
          continue
        }
        const message = readMessage(rest.subarray(0, length))
        rest = rest.slice(length)
        if (message.replySerial !== own) continue // a signal, such as NameAcquired
        if (message.kind === 'error') throw new BusError(`${message.errorName}: ${String(message.value ?? '')}`)
        return message.value
      }
    },
    close: () => close(fd),
  }
  bus.call(
    { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus' },
    'Hello',
    [],
  )
  return bus
}

/** SASL EXTERNAL: the bus sees who we are. */
function authenticate(fd: number, path: string): void {
  const user = hex(encodeUtf8(String(effectiveUser())))
  writeAll(fd, encodeUtf8(`\0AUTH EXTERNAL ${user}\r\n`), path)
  const answer = decodeUtf8(receive(fd, path)) ?? ''
  if (!answer.startsWith('OK ')) throw new SysError('authenticate at', path, 13)
  writeAll(fd, encodeUtf8('BEGIN\r\n'), path)
}

function receive(fd: number, path: string): Uint8Array {
  if (!waitReadable(fd, PATIENCE)) throw new SysError('receive from', path, 110)
  const buffer = new Uint8Array(16384)
  const n = read(fd, buffer, path)
  if (n === 0) throw new SysError('receive from', path, 104)
  return buffer.slice(0, n)
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}
