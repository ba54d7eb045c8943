/** One attachment of one plugin, driven as a runtime does: the result kept and handed on. */

import { ok } from './assert.js'
import type { Answer, CallOptions, Running } from './call.js'
import type { Context } from './context.js'
import { isObject, type Json, merge } from './json.js'
import type { Netns } from './netns.js'

export interface AttachmentOptions {
  readonly containerId?: string
  readonly ifName?: string
  readonly netns?: Netns
  /** Laid over CFG(v). */
  readonly config?: Json
  /** Do not make the link of a chained plugin. */
  readonly bare?: boolean
}

/** `config` is laid over the attachment's; to send something else entirely use `stdin`. */
export type AttachmentCall = CallOptions

const BRIDGE = 'suite0'

export class Attachment {
  readonly containerId: string
  readonly ifName: string
  readonly netns: Netns
  /** What the plugins before a chained plugin have made; its members may be replaced by the case. */
  prevResult: Json
  /** The last successful ADD's. */
  result: Json
  /** Host's end of the link of a chained plugin. */
  readonly hostEnd: string
  readonly #over: Json

  constructor(
    readonly context: Context,
    /** Which attachment of the case: 1, 2, … */
    readonly number: number,
    { containerId = '', ifName, netns, config = {}, bare = false }: AttachmentOptions,
  ) {
    this.containerId = containerId
    this.ifName = ifName ?? context.plugin.ifName ?? 'eth0'
    this.netns = netns ?? context.container
    this.#over = config
    this.hostEnd = `suite-h${number}`
    if (context.plugin.kind === 'chained' && !bare) this.#makeLink()
  }

  #makeLink(): void {
    const { host } = this.context
    const four = `10.88.0.${this.number + 1}`
    const six = `fd00:88::${this.number + 1}`
    if (host.link(BRIDGE) === undefined) {
      host.sh(
        `ip link add ${BRIDGE} address 02:00:00:58:00:01 type bridge`,
        // A bridge forwards no IPv6 while it looks for duplicates of its own address.
        `echo 0 >/proc/sys/net/ipv6/conf/${BRIDGE}/accept_dad`,
        `ip addr add 10.88.0.1/24 dev ${BRIDGE}`,
        `ip addr add fd00:88::1/64 dev ${BRIDGE} nodad`,
        `ip link set ${BRIDGE} up`,
      )
    }
    host.sh(
      `ip link add ${this.hostEnd} index ${100 + this.number} address ${mac('68', this.number)} type veth \
        peer name ${this.ifName} index ${1000 + this.number} address ${mac('63', this.number)} netns ${this.netns.path}`,
      `ip link set ${this.hostEnd} master ${BRIDGE} up`,
    )
    this.netns.sh(
      'ip link set lo up',
      `ip addr add ${four}/24 dev ${this.ifName}`,
      `ip addr add ${six}/64 dev ${this.ifName} nodad`,
      `ip link set ${this.ifName} up`,
      `ip route add default via 10.88.0.1`,
      `ip -6 route add default via fd00:88::1`,
      settled(six, this.ifName),
    )
    host.sh(settled('fd00:88::1', BRIDGE))
    this.prevResult = this.context.shape({
      interfaces: [
        { name: BRIDGE, mac: host.link(BRIDGE).address },
        { name: this.hostEnd, mac: host.link(this.hostEnd).address },
        { name: this.ifName, mac: this.netns.link(this.ifName).address, sandbox: this.netns.path },
      ],
      ips: [
        { interface: 2, address: `${four}/24`, gateway: '10.88.0.1' },
        { interface: 2, address: `${six}/64`, gateway: 'fd00:88::1' },
      ],
      routes: [
        { dst: '0.0.0.0/0', gw: '10.88.0.1' },
        { dst: '::/0', gw: 'fd00:88::1' },
      ],
      dns: {},
    })
  }

  /**
   * What a runtime's DEL of the whole list does to a chained plugin's link, and the next ADD: another one takes its
   * place, with the same names, numbers and addresses.
   */
  renew(): void {
    const { host, plugin } = this.context
    if (plugin.kind !== 'chained') return
    host.try(['ip', 'link', 'del', this.hostEnd])
    this.#makeLink()
  }

  /** What is sent for a verb: ADD of a chained plugin with the prevResult, CHECK and DEL with the result. */
  config(command: string, over: Json = {}): Json {
    const { context } = this
    const base = this.#base()
    const result =
      command === 'ADD' ? this.prevResult : context.since('0.4.0') ? (this.result ?? this.prevResult) : undefined
    const given = result === undefined || command === 'GC' || command === 'STATUS' ? {} : { prevResult: result }
    return merge(isObject(base) ? { ...base, ...given } : base, over)
  }

  /** CFG(v), in it what must differ from other attachments and networks, and over it what the case wants. */
  #base(): Json {
    const { context, number } = this
    const { perAttachment = [], perNetwork = [] } = context.plugin
    const base = structuredClone(context.config())
    const network = context.networkNumber(this.#over?.name ?? base.name)
    for (const path of perAttachment) raise(base, path, number - 1)
    for (const path of perNetwork) raise(base, path, network)
    return merge(base, this.#over)
  }

  #options(command: string, { config, ...rest }: AttachmentCall): CallOptions {
    const { containerId, ifName, netns } = this
    return { containerId, ifName, netns, config: this.config(command, config), ...rest }
  }

  call(command: string, options: AttachmentCall = {}): Answer {
    const answer = this.context.call(command, this.#options(command, options))
    if (command === 'ADD' && answer.status === 0) this.result = answer.json
    return answer
  }

  /** Starts a call; the result of an ADD is kept when it is done. */
  start(command: string, options: AttachmentCall = {}): Running {
    const { child, done } = this.context.start(command, this.#options(command, options))
    const kept = done.then((answer) => {
      if (command === 'ADD' && answer.status === 0) this.result = answer.json
      return answer
    })
    return { child, done: kept }
  }

  add(options: AttachmentCall = {}): Answer {
    return this.call('ADD', options)
  }

  /** ADD that must succeed; the result. */
  added(options: AttachmentCall = {}): Json {
    return ok(this.add(options))
  }

  check(options: AttachmentCall = {}): Answer {
    return this.call('CHECK', options)
  }

  del(options: AttachmentCall = {}): Answer {
    return this.call('DEL', options)
  }

  /** This attachment as an entry of a list of valid ones. */
  get valid(): Json {
    return { containerID: this.containerId, ifname: this.ifName }
  }
}

/** Adds to the number at a dotted path; one that is absent is taken for 1. */
function raise(config: Json, path: string, by: number): void {
  if (by === 0) return
  const keys = path.split('.')
  const last = keys.pop() ?? ''
  const holder = keys.reduce((inner: Json, key) => inner?.[key], config)
  if (holder !== undefined && holder !== null) holder[last] = Number(holder[last] ?? 1) + by
}

/** A line that waits for an address to be in use: the kernel does that some time after a link has its carrier. */
function settled(address: string, link: string): string {
  const there = `ip -6 route show table local dev ${link} | grep -q '${address} '`
  return `n=0; until ${there} || [ $n -gt 200 ]; do n=$((n+1)); sleep 0.01; done`
}

function mac(side: string, number: number): string {
  return `02:00:00:${side}:${(number >> 8).toString(16).padStart(2, '0')}:${(number & 255).toString(16).padStart(2, '0')}`
}
