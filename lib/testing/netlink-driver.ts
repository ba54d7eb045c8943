/**
 * Runs calls of lib/netlink on the engine: JSON lines in, JSON lines out. A call is `[noun, verb, ...arguments]`; in
 * arguments `{"ip": "10.0.0.1"}`, `{"prefix": "10.0.0.0/8"}` and `{"open": "/run/netns/x"}` stand for what they name.
 * An answer is `{"value": …}` or `{"error": message, "code": …}`.
 */

import { formatAddress, type IpAddress, parseAddress } from '../ip/address.js'
import { formatPrefix, type Prefix, parsePrefix } from '../ip/prefix.js'
import { type ConnectionFilter, Conntrack } from '../netlink/conntrack/conntrack.js'
import { openNetlink } from '../netlink/netlink.js'
import { openNftables } from '../netlink/nftables/nftables.js'
import { addRoute, type Route } from '../netlink/routes.js'
import { open, readAll, writeAll } from '../sys/file.js'
import { decodeUtf8, encodeUtf8 } from '../sys/text.js'

function revive(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const { ip, prefix, open: path } = value as { ip?: string; prefix?: string; open?: string }
  if (ip !== undefined) return parseAddress(ip)
  if (typeof prefix === 'string') return parsePrefix(prefix)
  return path === undefined ? value : open(path)
}

function show(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if ((value as IpAddress).bytes instanceof Uint8Array) return formatAddress(value as IpAddress)
  const { address, length } = value as Prefix
  return address?.bytes instanceof Uint8Array && length !== undefined ? formatPrefix(value as Prefix) : value
}

/** Connections, and `forgetListed`, which deletes one by one what a filter finds. */
function openConntrack() {
  const conntrack = new Conntrack(openNftables().socket)
  return {
    count: () => conntrack.count(),
    list: (filter: ConnectionFilter) => conntrack.list(filter),
    forgetAll: (doomed: Parameters<Conntrack['forgetAll']>[0]) => conntrack.forgetAll(doomed),
    forgetListed: (filter: ConnectionFilter) => conntrack.forget(conntrack.list(filter)).length,
  }
}

export function main(): number {
  const netlink = openNetlink()
  type Nouns = Record<string, Record<string, (...args: unknown[]) => unknown>>
  const nouns = netlink as unknown as Nouns
  const lines = (decodeUtf8(readAll(0, 16 << 20)) ?? '').split('\n').filter((line) => line !== '')
  for (const line of lines) {
    const [noun = '', verb = '', ...args] = JSON.parse(line, revive) as [string, string, ...unknown[]]
    let answer: unknown
    try {
      const value =
        noun === 'batch'
          ? netlink
              .batch((args[0] as Route[]).map((route) => addRoute(route, 'create-exclusive')))
              .map(({ index, error }) => [index, error.message])
          : noun === 'conntrack'
            ? (openConntrack() as unknown as Nouns[string])?.[verb]?.(...args)
            : nouns[noun]?.[verb]?.(...args)
      answer = { value: value ?? null }
    } catch (error) {
      const { message, code } = error as { message: string; code?: string }
      answer = { error: message, code }
    }
    writeAll(1, encodeUtf8(`${JSON.stringify(answer, show)}\n`))
  }
  return 0
}
