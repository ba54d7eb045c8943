/**
 * Processes of this host that listen on a mapped port. What is sent there goes to the container from now on. That is no
 * reason to refuse: podman holds the ports that it publishes itself. But the operator must hear of it.
 */

import { messageOf } from '../../lib/cni/error.js'
import type { Family, IpAddress } from '../../lib/ip/address.js'
import { SocketDiag } from '../../lib/netlink/socket-diag.js'
import { type Exposed, type PortMapping, PROTOCOLS } from '../../lib/ruleset/host-ports-table.js'
import { readDirectory, readKernelText, readLink } from '../../lib/sys/file.js'
import { warn } from '../../lib/sys/log.js'

/** A question takes some 5 microseconds, and nobody who maps thousands of ports reads thousands of warnings. */
const MOST_QUESTIONS = 64

/** One warning for each process; never a reason to fail. */
export function warnOfListeners({ families }: Exposed): void {
  const questions = families
    .flatMap(({ address: { family }, mappings }) => mappings.map((mapping) => ({ family, mapping })))
    .slice(0, MOST_QUESTIONS)
  if (questions.length === 0) return
  try {
    const found = ask(questions)
    for (const [inode, { hostPort, protocol }] of found) {
      warn(
        `host port ${hostPort}/${protocol} leads to the container from now on, although ${processOf(inode)} listens there; ` +
          `if that is not meant, choose another host port: ss -lnp 'sport = :${hostPort}'`,
      )
    }
  } catch (error) {
    warn(`cannot see which processes listen on host ports: ${messageOf(error)}`)
  }
}

/** Mappings by the inode of the socket that is bound to their port. */
function ask(questions: readonly { family: Family; mapping: PortMapping }[]): Map<number, PortMapping> {
  const diag = new SocketDiag()
  try {
    const sockets = diag.find(
      questions.map(({ family, mapping: { protocol, hostAddress, hostPort } }) => ({
        protocol: PROTOCOLS[protocol],
        address: hostAddress ?? unspecified(family),
        port: hostPort,
      })),
    )
    return new Map(
      sockets.flatMap((socket, at) => {
        const mapping = questions[at]?.mapping
        return socket === undefined || mapping === undefined ? [] : [[socket.inode, mapping] as const]
      }),
    )
  } finally {
    diag.close()
  }
}

function unspecified(family: Family): IpAddress {
  return { family, bytes: new Uint8Array(family === 4 ? 4 : 16) }
}

/** Looks through the descriptors of all processes until one is this socket. */
function processOf(inode: number): string {
  const link = `socket:[${inode}]`
  for (const { name } of readDirectory('/proc')) {
    if (!(Number(name) > 0) || !hasDescriptor(name, link)) continue
    const command = (readKernelText(`/proc/${name}/comm`) ?? '').trim()
    return `process ${name}${command === '' ? '' : ` (${command})`}`
  }
  return 'a process'
}

function hasDescriptor(pid: string, link: string): boolean {
  try {
    return readDirectory(`/proc/${pid}/fd`).some(({ name }) => readLink(`/proc/${pid}/fd/${name}`) === link)
  } catch {
    return false // it has ended, or is none of ours to look at
  }
}
