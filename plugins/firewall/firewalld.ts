/** firewalld, where it runs: container addresses are sources of a zone. https://firewalld.org/documentation/man-pages/firewalld.dbus.html */

import { CniError, ErrorCode, messageOf } from '../../lib/cni/error.js'
import { type Bus, BusError, connectBus } from '../../lib/dbus/bus.js'
import { formatAddress, type IpAddress } from '../../lib/ip/address.js'
import { formatPrefix, hostPrefix } from '../../lib/ip/prefix.js'
import { isErrno } from '../../lib/sys/errno.js'
import { warn } from '../../lib/sys/log.js'
import { environment } from '../../lib/sys/process.js'

const NAME = 'org.fedoraproject.FirewallD1'
const ZONES = { destination: NAME, path: '/org/fedoraproject/FirewallD1', interface: `${NAME}.zone` } as const

/** Where its own chains are, with nftables as its backend: they let its sources pass, and only it may change them. */
export const FIREWALLD_TABLE = 'firewalld'

/** Undefined where there is no system bus. */
function connect(): Bus | undefined {
  const address = environment('DBUS_SYSTEM_BUS_ADDRESS')
  const path =
    typeof address === 'string' && address.startsWith('unix:path=')
      ? (address.slice(10).split(',')[0] ?? '')
      : '/run/dbus/system_bus_socket'
  try {
    return connectBus(path)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ECONNREFUSED', 'EACCES', 'ENOTDIR')) return undefined
    throw error
  }
}

function withBus<T>(work: (bus: Bus) => T): T {
  const bus = connect()
  if (bus === undefined) {
    throw new CniError(ErrorCode.NotAvailable, 'firewalld cannot be asked: there is no system bus', 'is dbus running?')
  }
  try {
    return work(bus)
  } finally {
    bus.close()
  }
}

/** Whether the name has an owner on the system bus. */
export function isRunning(): boolean {
  const bus = connect()
  if (bus === undefined) return false
  try {
    const reply = bus.call(
      { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus' },
      'NameHasOwner',
      [NAME],
    )
    return reply === true
  } finally {
    bus.close()
  }
}

export function addSource(zone: string, addresses: readonly IpAddress[]): void {
  withBus((bus) => {
    for (const address of addresses) {
      try {
        bus.call(ZONES, 'addSource', [zone, formatPrefix(hostPrefix(address))])
      } catch (error) {
        if (!(error instanceof BusError) || !error.message.includes('ZONE_ALREADY_SET')) throw refused(error, zone)
      }
    }
  })
}

/** On DEL firewalld may be gone, and its sources with it. */
export function removeSource(zone: string, addresses: readonly IpAddress[]): void {
  try {
    withBus((bus) => {
      for (const address of addresses) {
        try {
          bus.call(ZONES, 'removeSource', [zone, formatPrefix(hostPrefix(address))])
        } catch (error) {
          if (!(error instanceof BusError)) throw error
        }
      }
    })
  } catch (error) {
    warn(`cannot ask firewalld to forget the container: ${messageOf(error)}`)
  }
}

/** For CHECK: addresses that are no source of the zone. */
export function hasSource(zone: string, addresses: readonly IpAddress[]): string[] {
  return withBus((bus) =>
    addresses
      .filter((address) => bus.call(ZONES, 'querySource', [zone, formatPrefix(hostPrefix(address))]) !== true)
      .map((address) => `${formatAddress(address)} is no source of firewalld's zone ${zone}`),
  )
}

function refused(error: unknown, zone: string): CniError {
  return new CniError(
    ErrorCode.NotAvailable,
    `firewalld refuses the container in zone ${zone}: ${messageOf(error)}`,
    'firewall-cmd --get-zones lists the zones; set "firewalldZone", or "backend": "nftables"',
  )
}
