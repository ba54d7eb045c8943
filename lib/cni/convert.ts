/**
 * Results of other versions, converted at the door: up when read (prevResult, an IPAM plugin's answer),
 * down when printed. Field matrix: the specification's versions 0.2.0 to 1.1.0, section "Result".
 */

import { CniError, ErrorCode } from './error.js'
import type { Result } from './result.js'
import { atLeast, type CniVersion, isReleased } from './version.js'

type Json = Record<string, unknown>

/** Members that 1.1.0 added; an older reader must not meet them. */
const NEW_IN_1_1 = {
  interfaces: ['mtu', 'socketPath', 'pciID'],
  routes: ['mtu', 'advmss', 'priority', 'table', 'scope'],
} as const

/**
 * The result as a reader of `version` expects it, `cniVersion` included. `keepRoutes`: with all members of routes
 * from 0.3.0 on, as the reference's IPAM plugins tell them to its bridge.
 * Throws InvalidConfig where the version has no words for it: 0.1.0 and 0.2.0 need an address.
 */
export function toVersion(result: Result, version: CniVersion, { keepRoutes = false } = {}): Json {
  if (!atLeast(version, '0.3.0')) return toFamilies(result, version)
  const { interfaces, ips, routes, dns, ...unknown } = result
  const old = !atLeast(version, '1.1.0')
  const converted: Json = { ...unknown, cniVersion: version }
  if (interfaces !== undefined && interfaces.length > 0) {
    converted['interfaces'] = old ? interfaces.map((entry) => without(entry, NEW_IN_1_1.interfaces)) : interfaces
  }
  if (ips !== undefined && ips.length > 0) {
    converted['ips'] = atLeast(version, '1.0.0') ? ips : ips.map((ip) => ({ version: familyOf(ip.address), ...ip }))
  }
  if (routes !== undefined && routes.length > 0) {
    converted['routes'] = old && !keepRoutes ? routes.map((route) => without(route, NEW_IN_1_1.routes)) : routes
  }
  if (!atLeast(version, '1.0.0')) converted['dns'] = dns ?? {}
  else if (dns !== undefined && Object.keys(dns).length > 0) converted['dns'] = dns
  return converted
}

/** 0.1.0 and 0.2.0: `ip4` and `ip6`, the first address of each, and that family's routes under it. */
function toFamilies(result: Result, version: CniVersion): Json {
  const converted: Json = { cniVersion: version }
  for (const [key, family] of [
    ['ip4', '4'],
    ['ip6', '6'],
  ] as const) {
    const ip = result.ips?.find(({ address }) => familyOf(address) === family)
    if (ip === undefined) continue
    const routes = (result.routes ?? [])
      .filter(({ dst }) => familyOf(dst) === family)
      .map(({ dst, gw }) => (gw === undefined ? { dst } : { dst, gw }))
    converted[key] = {
      ip: ip.address,
      ...(ip.gateway === undefined ? {} : { gateway: ip.gateway }),
      ...(routes.length === 0 ? {} : { routes }),
    }
  }
  if (converted['ip4'] === undefined && converted['ip6'] === undefined) {
    throw new CniError(
      ErrorCode.InvalidConfig,
      `cannot convert the result to ${version}: no valid IPs`,
      `a result of ${version} must hold an address; use cniVersion 0.3.0 or newer for layer-2 networks`,
    )
  }
  converted['dns'] = result.dns ?? {}
  return converted
}

/**
 * A result of any released version in the shape of 1.1.0. `assumed` is the version of a result that
 * carries none. Throws DecodingFailure for what is no result, with `subject` in the message.
 */
export function fromAnyVersion(value: unknown, assumed: CniVersion, subject: string): Result {
  const wrong = (why: string, details = '') =>
    new CniError(ErrorCode.DecodingFailure, `could not parse ${subject}: ${why}`, details)
  if (!isObject(value)) throw wrong('it is not an object')
  const own = value['cniVersion']
  if (own !== undefined && typeof own !== 'string') throw wrong('its cniVersion is not a string')
  const version = own === undefined || own === '' ? assumed : own
  if (!isReleased(version)) throw wrong(`unknown cniVersion "${version}"`)
  const upgraded = atLeast(version, '0.3.0') ? { ...value } : fromFamilies(value, wrong)
  delete upgraded['cniVersion']
  return validated(upgraded, wrong)
}

function fromFamilies(value: Json, wrong: (why: string) => CniError): Json {
  const ips: Json[] = []
  const routes: unknown[] = []
  for (const key of ['ip4', 'ip6']) {
    const entry = value[key]
    if (entry === undefined || entry === null) continue
    if (!isObject(entry)) throw wrong(`${key} is not an object`)
    ips.push({ address: entry['ip'], ...(isSet(entry['gateway']) ? { gateway: entry['gateway'] } : {}) })
    if (Array.isArray(entry['routes'])) routes.push(...entry['routes'])
  }
  return { ips, routes, ...(isObject(value['dns']) ? { dns: value['dns'] } : {}) }
}

/** Checks what this suite relies on; everything else passes through. */
function validated(value: Json, wrong: (why: string, details?: string) => CniError): Result {
  for (const key of ['interfaces', 'ips', 'routes']) {
    if (value[key] === null) delete value[key]
    const list = value[key]
    if (list === undefined) continue
    if (!Array.isArray(list) || !list.every(isObject)) throw wrong(`"${key}" is not a list of objects`)
    value[key] = list.map((entry) => ({ ...entry }))
  }
  if (value['dns'] === null) delete value['dns']
  if (value['dns'] !== undefined && !isObject(value['dns'])) throw wrong('"dns" is not an object')
  const result = value as Result
  for (const [at, entry] of (result.interfaces ?? []).entries()) {
    if (typeof entry.name !== 'string') throw wrong(`interfaces[${at}] has no name`)
  }
  for (const [at, ip] of (result.ips ?? []).entries()) {
    if (!looksLikePrefix(ip.address))
      throw wrong(`ips[${at}].address ${JSON.stringify(ip.address)} is no address with prefix`)
    delete (ip as unknown as Json)['version']
    if (!isSet(ip.gateway)) delete (ip as unknown as Json)['gateway']
    const index: unknown = ip.interface
    if (index === null) delete (ip as unknown as Json)['interface']
    else if (index !== undefined) {
      const known = result.interfaces?.length ?? 0
      if (!Number.isInteger(index) || (index as number) < 0 || (index as number) >= known) {
        throw wrong(`ips[${at}].interface ${String(index)} is not an index into its ${known} interfaces`)
      }
    }
  }
  for (const [at, route] of (result.routes ?? []).entries()) {
    if (!looksLikePrefix(route.dst)) throw wrong(`routes[${at}].dst ${JSON.stringify(route.dst)} is no prefix`)
    for (const key of Object.keys(route))
      if ((route as unknown as Json)[key] === null) delete (route as unknown as Json)[key]
    if (route.gw === '') delete (route as unknown as Json)['gw']
  }
  return result
}

/** Cheap: the full parse happens where an address is used. */
function looksLikePrefix(value: unknown): boolean {
  return typeof value === 'string' && value.includes('/') && (value.includes('.') || value.includes(':'))
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== ''
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function without<T extends object>(value: T, keys: readonly string[]): Partial<T> {
  const rest: Json = { ...(value as Json) }
  for (const key of keys) delete rest[key]
  return rest as Partial<T>
}

/** `4` or `6`; an IPv4-mapped address counts as 4. */
export function familyOf(address: string): '4' | '6' {
  return address.includes('.') && (!address.includes(':') || address.toLowerCase().startsWith('::ffff:')) ? '4' : '6'
}
