/**
 * Connections the kernel remembers from before: a datagram's is followed as it was when it began, so a client that
 * keeps sending would never see a mapping come or go.
 */

import { messageOf } from '../../lib/cni/error.js'
import type { Family, IpAddress } from '../../lib/ip/address.js'
import { equalAddresses } from '../../lib/ip/address.js'
import { type Connection, Conntrack, type Doomed } from '../../lib/netlink/conntrack/conntrack.js'
import { glance, mentions } from '../../lib/netlink/conntrack/glance.js'
import type { Netlink } from '../../lib/netlink/netlink.js'
import type { Nftables } from '../../lib/netlink/nftables/nftables.js'
import { type Exposed, type PortMapping, PROTOCOLS } from '../../lib/ruleset/host-ports-table.js'
import { isErrno } from '../../lib/sys/errno.js'
import { warn } from '../../lib/sys/log.js'

/** More ports than these are picked here from one list of all, instead of asking the kernel for each. */
const ASKED_ONE_BY_ONE = 4
/** Each is a walk of the kernel over an array of pointers: some 0.3 ms where listing takes 5. */
const ASKED_AT_ONCE = 12

/** Forgets datagram connections that ADD or DEL makes wrong; never a reason to fail. */
export function forgetConnections(nft: Nftables, host: Netlink, exposed: Exposed, command: 'ADD' | 'DEL'): void {
  const conntrack = new Conntrack(nft.socket)
  try {
    const jobs = promising(conntrack, jobsOf(exposed))
    if (jobs.length === 0) return
    const doomed = doomedBy(host, jobs.filter(isSelectable), command)
    const selected = doomed.length <= ASKED_AT_ONCE && conntrack.forgetAll(doomed)
    const local = new Map<string, boolean>()
    for (const job of jobs) {
      const { address, protocol, mappings } = job
      if (selected && isSelectable(job)) continue
      const stale = candidates(conntrack, address.family, PROTOCOLS[protocol], mappings).filter((connection) =>
        mappings.some((mapping) =>
          isConcerned(connection, mapping, address, command, (to) => isLocal(host, to, local)),
        ),
      )
      for (const { error } of conntrack.forget(stale)) throw error
    }
  } catch (error) {
    if (isErrno(error, 'EINVAL', 'EOPNOTSUPP', 'EPROTONOSUPPORT')) return // no conntrack: nothing is remembered
    warn(`cannot forget old connections of host ports: ${messageOf(error)}`)
  }
}

interface Job {
  readonly address: IpAddress
  readonly protocol: 'udp' | 'sctp'
  readonly mappings: readonly PortMapping[]
}

function jobsOf({ families }: Exposed): Job[] {
  return families
    .flatMap(({ address, mappings }) =>
      (['udp', 'sctp'] as const).map((protocol) => ({
        address,
        protocol,
        mappings: mappings.filter((mapping) => mapping.protocol === protocol),
      })),
    )
    .filter(({ mappings }) => mappings.length > 0)
}

/** Those there may be a connection for, as far as that can be told quickly. */
function promising(conntrack: Conntrack, jobs: readonly Job[]): readonly Job[] {
  const count = jobs.length === 0 ? 0 : conntrack.count()
  if (count === 0) return []
  const text = glance(count)
  if (text === undefined) return jobs
  return jobs.filter(({ address: { family }, protocol, mappings }) =>
    mappings.some(({ hostPort }) => mentions(text, family, PROTOCOLS[protocol], hostPort)),
  )
}

/**
 * Whether the kernel selects by these addresses what it is told to. Up to 6.18 at least it compares those of IPv6 the
 * wrong way round and takes all but the one (ctnetlink_filter_match_tuple(), net/netfilter/nf_conntrack_netlink.c).
 */
function isSelectable({ address }: Job): boolean {
  return address.family === 4
}

/** By what the kernel can select: on ADD each local address with the port, on DEL the container. */
function doomedBy(host: Netlink, jobs: readonly Job[], command: 'ADD' | 'DEL'): Doomed[] {
  let local: IpAddress[] | undefined
  return jobs.flatMap(({ address, protocol, mappings }) =>
    mappings.flatMap(({ hostPort, containerPort, hostAddress }): Doomed[] => {
      const { family } = address
      const base = { family, protocol: PROTOCOLS[protocol], destinationPort: hostPort }
      if (command === 'DEL') return [{ ...base, answeredBy: { address, port: containerPort } }]
      if (hostAddress !== undefined) return [{ ...base, destination: hostAddress }]
      local ??= host.addresses.list(0, family).map(({ prefix }) => prefix.address)
      return local.map((destination) => ({ ...base, destination }))
    }),
  )
}

function candidates(
  conntrack: Conntrack,
  family: Family,
  protocol: number,
  mappings: readonly PortMapping[],
): Connection[] {
  const ports = new Set(mappings.map(({ hostPort }) => hostPort))
  if (ports.size > ASKED_ONE_BY_ONE) {
    return conntrack.list({ family, protocol }).filter(({ original }) => ports.has(original.destinationPort))
  }
  return [...ports].flatMap((destinationPort) => conntrack.list({ family, protocol, destinationPort }))
}

/** On DEL what leads to the container; on ADD what was sent to the mapped port and leads elsewhere. */
function isConcerned(
  { original, reply }: Connection,
  { hostPort, hostAddress, containerPort }: PortMapping,
  container: IpAddress,
  command: 'ADD' | 'DEL',
  isLocalAddress: (address: IpAddress) => boolean,
): boolean {
  if (original.destinationPort !== hostPort || original.destination === undefined) return false
  const leadsHere =
    reply.source !== undefined && equalAddresses(reply.source, container) && reply.sourcePort === containerPort
  if (command === 'DEL') return leadsHere
  if (leadsHere) return false
  return hostAddress === undefined
    ? isLocalAddress(original.destination)
    : equalAddresses(hostAddress, original.destination)
}

/** Whether an address is this host's: others' ports of the same number are none of our business. */
function isLocal(host: Netlink, address: IpAddress, known: Map<string, boolean>): boolean {
  const key = address.bytes.join('.')
  let answer = known.get(key)
  if (answer === undefined) {
    answer = host.routes.get(address)?.type === 'local'
    known.set(key, answer)
  }
  return answer
}
