/** CHECK of the host's end, and of the ways through it. */

import type { Result } from '../../lib/cni/result.js'
import { checkRoutes } from '../../lib/interface/check-addressing.js'
import type { Look } from '../../lib/interface/model.js'
import type { Address } from '../../lib/interface/routes.js'
import type { InterfaceSettings } from '../../lib/interface/settings.js'
import { formatAddress } from '../../lib/ip/address.js'
import { equalPrefixes, formatPrefix, hostPrefix } from '../../lib/ip/prefix.js'
import type { Link } from '../../lib/netlink/links/link.js'
import type { PtpConfig } from './config.js'
import { connectedRoutes, gatewaysOf } from './routes.js'

export function check(
  { host, container, differs }: Look<PtpConfig, InterfaceSettings>,
  link: Link | undefined,
  all: readonly Address[],
  { interfaces = [] }: Result,
): void {
  if (link === undefined) return
  // ADD has given each of its own a gateway; later plugins may have added others.
  const addresses = all.filter(({ gateway }) => gateway !== undefined)
  const ways = connectedRoutes(link, addresses).flatMap(({ to, via }) =>
    to === 'default' ? [] : [{ dst: formatPrefix(to), ...(via === undefined ? {} : { gw: formatAddress(via) }) }],
  )
  checkRoutes(container, ways, true, differs)
  const end = link.peerIndex === undefined ? undefined : host.links.find(link.peerIndex)
  if (end === undefined || end.kind !== 'veth') {
    differs(`the host's end of ${link.name} is gone`)
    return
  }
  const { name, index } = end
  const mac = interfaces.find((one) => one.name === name && (one.sandbox ?? '') === '')?.mac
  if (mac !== undefined && mac !== end.mac) differs(`${name} has MAC ${end.mac}, not ${mac}`)
  if (!end.up) differs(`${name} is down`)
  const present = host.addresses.list(index)
  for (const prefix of gatewaysOf(addresses).map(hostPrefix)) {
    if (!present.some((known) => equalPrefixes(known.prefix, prefix))) differs(`${name} lacks ${formatPrefix(prefix)}`)
  }
  const routes = host.routes.list({ linkIndex: index })
  for (const { prefix } of addresses) {
    const wanted = hostPrefix(prefix.address)
    if (!routes.some(({ to }) => to !== 'default' && equalPrefixes(to, wanted))) {
      differs(`the host has no route to ${formatPrefix(wanted)} by ${name}`)
    }
    const { family } = prefix.address
    if (!host.netconf.forwards(family)) differs(`IPv${family} forwarding is off`)
  }
}
