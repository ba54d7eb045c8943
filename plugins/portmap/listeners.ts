/**
 * Processes of this host that listen on a mapped port, on every address or on one. What is sent there goes to the container
 * from now on. That is no reason to refuse: podman holds the ports that it publishes itself. But the operator must hear of it.
 */

import { messageOf } from '../../lib/cni/error.js'
import { equalAddresses, type Family, formatAddress, isLoopback, isUnspecified } from '../../lib/ip/address.js'
import { type Listener, SocketDiag } from '../../lib/netlink/socket-diag.js'
import { type Exposed, type PortMapping, PROTOCOLS } from '../../lib/ruleset/host-ports-table.js'
import { readDirectory, readKernelText, readLink } from '../../lib/sys/file.js'
import { warn } from '../../lib/sys/log.js'

/** Nobody who maps thousands of ports reads thousands of warnings. */
const MOST_WARNINGS = 16

type Protocol = PortMapping['protocol']

interface Question {
  readonly family: Family
  readonly mapping: PortMapping
}

/** One warning for each process and port; never a reason to fail. */
export function warnOfListeners({ families }: Exposed): void {
  const questions = families.flatMap(({ address: { family }, mappings }) =>
    mappings.map((mapping) => ({ family, mapping })),
  )
  if (questions.length === 0) return
  try {
    const lines = describe(ask(questions))
    for (const line of lines.slice(0, MOST_WARNINGS)) warn(line)
    if (lines.length > MOST_WARNINGS)
      warn(`processes listen on ${lines.length - MOST_WARNINGS} more of the mapped host ports`)
  } catch (error) {
    warn(`cannot see which processes listen on host ports: ${messageOf(error)}`)
  }
}

interface Found {
  readonly protocol: Protocol
  readonly listener: Listener
}

/** The sockets whose packets a mapping takes, each once. */
function ask(questions: readonly Question[]): Found[] {
  const found = new Map<number, Found>()
  const diag = new SocketDiag()
  try {
    for (const protocol of Object.keys(PROTOCOLS) as Protocol[]) {
      const asked = byPort(questions.filter(({ mapping }) => mapping.protocol === protocol))
      if (asked.size === 0) continue
      const [only] = asked.size === 1 ? asked.keys() : []
      for (const listener of diag.listeners(PROTOCOLS[protocol], only)) {
        const loses = asked.get(listener.port)?.some((question) => takesFrom(question, listener)) === true
        if (loses) found.set(listener.inode, { protocol, listener })
      }
    }
  } finally {
    diag.close()
  }
  return [...found.values()]
}

function byPort(questions: readonly Question[]): Map<number, Question[]> {
  const ports = new Map<number, Question[]>()
  for (const question of questions) {
    const { hostPort } = question.mapping
    const same = ports.get(hostPort)
    if (same === undefined) ports.set(hostPort, [question])
    else same.push(question)
  }
  return ports
}

function takesFrom({ family, mapping: { hostAddress } }: Question, { address, v6Only }: Listener): boolean {
  if (isUnspecified(address)) return address.family === family || (address.family === 6 && !v6Only)
  if (hostAddress !== undefined) return equalAddresses(hostAddress, address)
  // What is sent to ::1 never leads to a container.
  return address.family === family && !(family === 6 && isLoopback(address))
}

function describe(found: readonly Found[]): string[] {
  if (found.length === 0) return []
  const processes = processesOf(new Set(found.map(({ listener }) => listener.inode)))
  const places = new Map<string, { port: number; protocol: Protocol; process: string; addresses: Set<string> }>()
  for (const { protocol, listener } of found) {
    const { inode, port, address } = listener
    const process = processes.get(inode) ?? 'a process'
    const key = `${protocol} ${port} ${process}`
    const place = places.get(key) ?? { port, protocol, process, addresses: new Set() }
    if (!isUnspecified(address)) place.addresses.add(formatAddress(address))
    places.set(key, place)
  }
  return [...places.values()].map(({ port, protocol, process, addresses }) => {
    const where = addresses.size === 0 ? 'there' : `there, on ${[...addresses].join(' and ')}`
    return (
      `host port ${port}/${protocol} leads to the container from now on, although ${process} listens ${where}; ` +
      `if that is not meant, choose another host port, or a "hostIP" that nothing listens on: ss -lnp 'sport = :${port}'`
    )
  })
}

/** Looks through the descriptors of all processes until each of these sockets is found. */
function processesOf(inodes: ReadonlySet<number>): Map<number, string> {
  const processes = new Map<number, string>()
  for (const { name } of readDirectory('/proc')) {
    if (processes.size === inodes.size) break
    if (!(Number(name) > 0)) continue
    for (const inode of socketsOf(name)) {
      if (inodes.has(inode) && !processes.has(inode)) processes.set(inode, nameOf(name))
    }
  }
  return processes
}

function socketsOf(pid: string): number[] {
  const START = 'socket:['
  try {
    return readDirectory(`/proc/${pid}/fd`)
      .map(({ name }) => readLink(`/proc/${pid}/fd/${name}`) ?? '')
      .filter((target) => target.startsWith(START))
      .map((target) => Number(target.slice(START.length, -1)))
  } catch {
    return [] // it has ended, or is none of ours to look at
  }
}

function nameOf(pid: string): string {
  const command = (readKernelText(`/proc/${pid}/comm`) ?? '').trim()
  return `process ${pid}${command === '' ? '' : ` (${command})`}`
}
