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
const BRIDGE_MAC = '02:00:00:58:00:01'

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
  /** Whether a DEL has succeeded since the last ADD. */
  #deleted = false
  readonly #bare: boolean

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
    this.#bare = bare || context.plugin.kind !== 'chained'
    if (!this.#bare) this.#makeLink()
  }

  #makeLink(): void {
    const { host } = this.context
    const four = `10.88.0.${this.number + 1}`
    const six = `fd00:88::${this.number + 1}`
    const [near, far] = [mac('68', this.number), mac('63', this.number)]
    // As few processes as can be: this is done for every call of a chained plugin.
    host.sh(
      'conf=/proc/sys/net/ipv4/conf',
      `[ -e $conf/${BRIDGE} ] || {`,
      `ip link add ${BRIDGE} address ${BRIDGE_MAC} type bridge`,
      // A bridge forwards no IPv6 while it looks for duplicates of its own address.
      `echo 0 >/proc/sys/net/ipv6/conf/${BRIDGE}/accept_dad`,
      ...batch(`addr add 10.88.0.1/24 dev ${BRIDGE}`, `addr add fd00:88::1/64 dev ${BRIDGE} nodad`),
      '}',
      // It may go by itself meanwhile, with its namespace.
      `[ ! -e $conf/${this.hostEnd} ] || ip link del ${this.hostEnd} 2>/dev/null || true`,
      ...batch(
        `link set ${BRIDGE} up`,
        `link add ${this.hostEnd} index ${100 + this.number} address ${near} type veth \
          peer name ${this.ifName} index ${1000 + this.number} address ${far} netns ${this.netns.path}`,
        `link set ${this.hostEnd} master ${BRIDGE} up`,
      ),
    )
    this.netns.sh(
      ...batch(
        'link set lo up',
        `addr add ${four}/24 dev ${this.ifName}`,
        `addr add ${six}/64 dev ${this.ifName} nodad`,
        `link set ${this.ifName} up`,
        `route add default via 10.88.0.1`,
        `route add default via fd00:88::1`,
      ),
      settled(six, this.ifName),
    )
    host.sh(settled('fd00:88::1', BRIDGE))
    this.prevResult = this.context.shape({
      interfaces: [
        { name: BRIDGE, mac: BRIDGE_MAC },
        { name: this.hostEnd, mac: near },
        { name: this.ifName, mac: far, sandbox: this.netns.path },
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
   * What a runtime's DEL of the whole list does to a chained plugin's link, and its next ADD: another one takes its
   * place, with the same names, numbers and addresses. Only where a DEL has succeeded; `call` does it before ADD.
   */
  renew(): void {
    if (!this.#deleted || this.#bare) return
    this.#deleted = false
    const { prevResult } = this
    this.#makeLink()
    this.prevResult = prevResult
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
    if (command === 'ADD') this.renew()
    return this.#kept(command, this.context.call(command, this.#options(command, options)))
  }

  #kept(command: string, answer: Answer): Answer {
    if (answer.status !== 0) return answer
    if (command === 'ADD') this.result = answer.json
    if (command === 'DEL') this.#deleted = true
    return answer
  }

  /** Starts a call; the result of an ADD is kept when it is done. After a DEL `renew` first. */
  start(command: string, options: AttachmentCall = {}): Running {
    const { child, done } = this.context.start(command, this.#options(command, options))
    return { child, done: done.then((answer) => this.#kept(command, answer)) }
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

/** Lines that run `ip` once for several commands. */
function batch(...commands: string[]): string[] {
  return ['ip -batch - <<.', ...commands, '.']
}

/** A line that waits for an address to be in use: the kernel does that some time after a link has its carrier. */
function settled(address: string, link: string): string {
  return `n=0; until case $(ip -6 route show table local dev ${link}) in *'${address} '*) ;; *) false ;; esac \
    || [ $n -gt 200 ]; do n=$((n+1)); sleep 0.01; done`
}

function mac(side: string, number: number): string {
  return `02:00:00:${side}:${(number >> 8).toString(16).padStart(2, '0')}:${(number & 255).toString(16).padStart(2, '0')}`
}
