/** Result types: section 11 of the list, without conversions. */

import { isIP } from 'node:net'
import { check, done, err, ok, ok0, same, show } from '../assert.js'
import type { Case } from '../case.js'
import type { Context } from '../context.js'
import type { Json } from '../json.js'
import { family } from '../shapes.js'

const NEWER_LINK = ['mtu', 'socketPath', 'pciID']
const NEWER_ROUTE = ['mtu', 'advmss', 'priority', 'table', 'scope']

/** The result of an ADD at this version. */
function added(t: Context): Json {
  return t.attachment().added()
}

/** Address and prefix length; fails where it is not one. */
function prefix(text: Json, what: string): { address: string; length: number } {
  check(typeof text === 'string' && text.includes('/'), `${what} is in prefix notation: ${show(text)}`)
  const [address = '', length = ''] = text.split('/')
  const bits = isIP(address) === 4 ? 32 : 128
  check(isIP(address) !== 0 && !address.includes('%'), `${what} has an address: ${text}`)
  check(/^\d{1,3}$/.test(length) && Number(length) <= bits, `${what} has a prefix length: ${text}`)
  return { address, length: Number(length) }
}

/** All addresses of a result in either shape, and all routes. */
function parts(result: Json): { ips: Json[]; routes: Json[] } {
  if (result.ip4 === undefined && result.ip6 === undefined) {
    return { ips: result.ips ?? [], routes: result.routes ?? [] }
  }
  const old = [result.ip4, result.ip6].filter(Boolean)
  return {
    ips: old.map(({ ip, gateway }) => ({ address: ip, gateway })),
    routes: old.flatMap(({ routes }) => routes ?? []),
  }
}

export const cases: Case[] = [
  {
    id: 'RES-01',
    section: 'S5 ADD',
    level: 'MUST',
    duty: ['P'],
    versions: 'each',
    claim: 'The result’s cniVersion is the configuration’s',
    run: (t) => same(added(t).cniVersion, t.version, 'cniVersion'),
  },
  {
    id: 'RES-02',
    section: 'S0.1–S0.2',
    level: 'MUST',
    duty: ['P'],
    needs: { until: '0.2.0' },
    versions: 'each',
    claim: 'Before 0.3.0 a result has ip4 or ip6 with their routes inside, and no lists',
    run(t) {
      const result = added(t)
      check(result.ip4 !== undefined || result.ip6 !== undefined, `there is ip4 or ip6: ${show(result)}`)
      for (const key of ['interfaces', 'ips', 'routes']) check(!(key in result), `there is no ${key}: ${show(result)}`)
      for (const [key, number] of [
        ['ip4', '4'],
        ['ip6', '6'],
      ] as const) {
        if (result[key] === undefined) continue
        same(family(result[key].ip), number, `family of ${key}`)
        for (const { dst } of result[key].routes ?? []) same(family(dst), number, `family of the routes of ${key}`)
      }
    },
  },
  {
    id: 'RES-03',
    section: 'S0.3–S0.4',
    level: 'MUST',
    duty: ['P'],
    needs: { since: '0.3.0', until: '0.4.0' },
    versions: 'each',
    claim: 'From 0.3.0 to 0.4.0 each address has its family as the string 4 or 6',
    run(t) {
      const result = added(t)
      check(Array.isArray(result.ips), `ips is a list: ${show(result)}`)
      check(!('ip4' in result) && !('ip6' in result), `there is no older shape: ${show(result)}`)
      for (const { version, address } of result.ips) same(version, family(address), `version of ${address}`)
    },
  },
  {
    id: 'RES-04',
    section: 'S1.0',
    level: 'MUST',
    duty: ['P'],
    needs: { since: '1.0.0' },
    versions: 'each',
    claim: 'From 1.0.0 addresses have no version',
    run(t) {
      const result = added(t)
      for (const ip of result.ips ?? []) check(!('version' in ip), `no version in ${show(ip)}`)
      check(!('ip4' in result) && !('ip6' in result), `there is no older shape: ${show(result)}`)
    },
  },
  {
    id: 'RES-05',
    section: 'matrix',
    level: 'SHOULD',
    // An IPAM plugin answers the plugin that called it, which can use what its own version has no word for.
    duty: ['IF', 'CH'],
    needs: { since: '0.3.0', until: '1.0.0' },
    versions: 'each',
    claim: 'Members that came with 1.1.0 are not in older results',
    run(t) {
      // What there is to leak: a delegate's and an earlier plugin's newest members.
      const routes = [{ dst: '192.0.2.0/24', mtu: 1400, advmss: 1300, priority: 50, table: 100, scope: 0 }]
      const attachment = t.attachment()
      const { prevResult } = attachment
      if (prevResult !== undefined) {
        attachment.prevResult = {
          ...prevResult,
          interfaces: prevResult.interfaces.map((link: Json) => ({ ...link, mtu: 1500, pciID: '0000:00:00.0' })),
          routes: [...prevResult.routes, ...routes],
        }
      }
      if (t.plugin.delegates !== undefined) {
        const ips = [{ address: '10.88.0.9/24', gateway: '10.88.0.1' }]
        t.fake.on('ADD', { stdout: { ...t.shape({ ips }), routes } })
      }
      const result = attachment.added()
      for (const link of result.interfaces ?? []) {
        for (const key of NEWER_LINK) check(!(key in link), `no ${key} in ${show(link)}`)
      }
      for (const route of result.routes ?? []) {
        for (const key of NEWER_ROUTE) check(!(key in route), `no ${key} in ${show(route)}`)
      }
    },
  },
  {
    id: 'RES-06',
    section: 'S5 ADD',
    level: 'MUST',
    duty: ['IF'],
    needs: { since: '0.3.0' },
    claim: 'Every interface made is listed as the kernel has it: the host’s without sandbox, the container’s with it',
    run(t) {
      const attachment = t.attachment()
      const there = (netns: typeof t.host) => new Set(netns.ip('link').map(({ ifindex }) => ifindex))
      const [hostBefore, containerBefore] = [there(t.host), there(attachment.netns)]
      const { interfaces } = attachment.added()
      check(Array.isArray(interfaces), 'interfaces is a list')
      for (const [netns, before, inside] of [
        [t.host, hostBefore, false],
        [attachment.netns, containerBefore, true],
      ] as const) {
        const listed: Json[] = interfaces.filter(({ sandbox = '' }) => (sandbox !== '') === inside)
        const links = netns.ip('link')
        for (const { ifindex, ifname } of links) {
          if (before.has(ifindex)) continue
          check(
            listed.some(({ name }) => name === ifname),
            `${ifname} was made and is listed: ${show(interfaces)}`,
          )
        }
        for (const { name, mac } of listed) {
          const link = links.find(({ ifname }) => ifname === name)
          check(link !== undefined, `${name} is listed and exists: ${show(interfaces)}`)
          if (mac !== undefined) same(mac, link.address, `mac of ${name}`)
        }
      }
    },
  },
  {
    id: 'RES-07',
    section: 'S5 ADD',
    level: 'SHOULD',
    duty: ['IF'],
    needs: { since: '0.3.0' },
    versions: 'each',
    claim: 'The container’s link has the given namespace, byte for byte, as sandbox',
    run(t) {
      const attachment = t.attachment()
      const link = attachment.added().interfaces?.find(({ name }: Json) => name === attachment.ifName)
      same(link?.sandbox, attachment.netns.path, 'sandbox')
    },
  },
  {
    id: 'RES-08',
    section: 'S5 ADD',
    level: 'MUST',
    duty: ['P'],
    versions: 'each',
    claim: 'Addresses are in prefix notation with gateways of their family and interfaces within bounds',
    run(t) {
      const result = added(t)
      for (const ip of parts(result).ips) {
        const { address } = prefix(ip.address, 'an address')
        if (ip.gateway !== undefined) same(isIP(ip.gateway), isIP(address), `family of the gateway of ${show(ip)}`)
        if (ip.interface === undefined) continue
        const inside =
          Number.isInteger(ip.interface) && ip.interface >= 0 && ip.interface < (result.interfaces ?? []).length
        check(inside, `interface is an index into ${(result.interfaces ?? []).length} interfaces: ${show(ip)}`)
      }
    },
  },
  {
    id: 'RES-09',
    section: 'S5 ADD',
    level: 'MUST',
    duty: ['P'],
    versions: 'each',
    claim: 'Routes have a destination in prefix notation and a next hop of its family',
    run(t) {
      for (const { dst, gw } of parts(added(t)).routes) {
        const { address } = prefix(dst, 'a destination')
        if (gw !== undefined) same(isIP(gw), isIP(address), `family of the next hop ${gw} to ${dst}`)
      }
    },
  },
  {
    id: 'RES-10',
    section: 'S5 ADD',
    level: 'MUST',
    duty: ['P'],
    versions: 'each',
    claim: 'dns has only its four members, as lists of strings, and nameservers that are addresses',
    run(t) {
      const dns = {
        nameservers: ['192.0.2.53', '2001:db8::53'],
        domain: 'example.org',
        search: ['a.example'],
        options: ['x'],
      }
      const result = ok(t.attachment().add({ config: { dns } }))
      for (const [key, value] of Object.entries(result.dns ?? {})) {
        if (key === 'domain') {
          check(typeof value === 'string', 'domain is a string')
          continue
        }
        check(['nameservers', 'search', 'options'].includes(key), `dns has no member ${key}`)
        const strings = Array.isArray(value) && value.every((one) => typeof one === 'string')
        check(strings, `${key} is a list of strings: ${show(value)}`)
        if (key === 'nameservers') for (const one of value as string[]) check(isIP(one) !== 0, `${one} is an address`)
      }
    },
  },
  {
    id: 'RES-11',
    section: 'S5',
    level: 'MUST',
    duty: ['IF'],
    needs: { descriptor: ['layer2'], since: '0.3.0' },
    versions: 'each',
    claim: 'An interface without addresses is a valid result without ips',
    run(t) {
      const attachment = t.attachment({ config: t.plugin.layer2 })
      const result = attachment.added()
      same(result.ips ?? [], [], 'ips')
      check(result.interfaces?.length > 0, `the interface is listed: ${show(result)}`)
      done(attachment.del())
    },
  },
  {
    id: 'RES-11.oldest',
    section: 'S0.1–S0.2',
    level: 'MUST',
    duty: ['IF'],
    needs: { descriptor: ['layer2'], until: '0.2.0' },
    versions: 'each',
    claim: 'Before 0.3.0, where an address is compulsory, an interface without one is an error, and gone after DEL',
    run(t) {
      const attachment = t.attachment({ config: t.plugin.layer2 })
      const before = t.snapshot()
      err(attachment.add())
      ok0(attachment.del())
      t.noResidue(before)
    },
  },
]
