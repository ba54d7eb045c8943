/** A change as a request to the kernel, and as a line to read. */

import { formatAddress } from '../ip/address.js'
import { formatPrefix, type Prefix } from '../ip/prefix.js'
import { removeFdb, replaceFdb } from '../netlink/fdb.js'
import type { Request } from '../netlink/message.js'
import { removeNeighbour, replaceNeighbour } from '../netlink/neighbours.js'
import { addRoute, type Route, removeRoute } from '../netlink/routes.js'
import { addRule, removeRule } from '../netlink/rules.js'
import type { DesiredRoute, DesiredRule } from './desired.js'
import { type Change, describeRoute } from './diff.js'
import { OWN_PROTOCOL } from './identity.js'

/** `device` is the index of the tunnel's link; 0 where there is none. */
export function requestFor(change: Change, device: number): Request {
  switch (change.kind) {
    case 'route':
      if (change.action === 'remove') return removeRoute(change.route)
      return addRoute(routeOf(change.route, device), change.action === 'add' ? 'create-exclusive' : 'replace')
    case 'neighbour':
      if (change.action === 'remove') return removeNeighbour(device, change.entry.address)
      return replaceNeighbour(device, { address: change.entry.address, mac: change.entry.mac })
    case 'fdb':
      if (change.action === 'remove')
        return removeFdb(device, { mac: change.entry.mac, to: change.entry.to, self: true })
      return replaceFdb(device, { mac: change.entry.mac, to: change.entry.to, self: true })
    case 'rule':
      return change.action === 'remove' ? removeRule(change.rule) : addRule(ruleOf(change.rule))
  }
}

function routeOf({ to, type, via, link, onlink, table, priority, mtu }: DesiredRoute, device: number): Route {
  return {
    to,
    type,
    via,
    link: link === 'device' ? device : link,
    onlink,
    table,
    priority: priority === 0 ? undefined : priority,
    mtu,
    protocol: OWN_PROTOCOL,
  }
}

function ruleOf({ from, unlessMark, table, priority }: DesiredRule) {
  return { family: from.address.family, from, mark: 0, markMask: unlessMark, table, priority, protocol: OWN_PROTOCOL }
}

/** `+ route 10.244.2.0/24 via 10.9.0.2 dev eth0`, in the words of `ip` and `bridge`; `~` is a replacement. */
export function describeChange(change: Change, device: string, linkName: (index: number) => string): string {
  const sign = { add: '+', replace: '~', remove: '-' }[change.action]
  return `${sign} ${change.kind} ${subjectOf(change, device, linkName)}`
}

function subjectOf(change: Change, device: string, linkName: (index: number) => string): string {
  switch (change.kind) {
    case 'route': {
      const { link } = change.route
      return describeRoute(change.route, link === undefined ? undefined : link === 'device' ? device : linkName(link))
    }
    case 'neighbour':
      return `${formatAddress(change.entry.address)} lladdr ${change.entry.mac ?? ''} dev ${device}`
    case 'fdb':
      return `${change.entry.mac} dev ${device} dst ${change.entry.to === undefined ? '' : formatAddress(change.entry.to)}`
    case 'rule': {
      const { from, table, priority } = change.rule
      const mask = 'unlessMark' in change.rule ? change.rule.unlessMark : change.rule.markMask
      const mark = mask === undefined ? '' : ` fwmark 0/0x${mask.toString(16)}`
      return `from ${formatPrefix(from as Prefix)}${mark} lookup ${table} pref ${priority}`
    }
  }
}
