/** What a case works with: fresh namespaces, the plugin, calls, snapshots; all gone when the case ends. */

import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { check } from './assert.js'
import { Attachment, type AttachmentOptions } from './attachment.js'
import {
  type Answer,
  type CallOptions,
  type Command,
  callLater,
  callNow,
  type Invocation,
  invocation,
  type Running,
} from './call.js'
import { Skip } from './case.js'
import type { Descriptor } from './descriptor.js'
import { Fake } from './fake.js'
import { isObject, type Json, merge } from './json.js'
import { writtenLines } from './machine.js'
import { Netns } from './netns.js'
import { shape } from './shapes.js'
import {
  type Difference,
  difference,
  isEmpty,
  type Snapshot,
  showDifference,
  takeSnapshot,
  untilEmpty,
} from './snapshot.js'
import { atLeast } from './version.js'

export interface Subject {
  readonly plugin: Descriptor
  /** Directory of the executables under test, absolute. */
  readonly bin: string
  /** The version of this point. */
  readonly version: string
  /** What the plugin's VERSION lists. */
  readonly versions: readonly string[]
}

/** Directories whose content is part of every snapshot, besides the plugin's own. */
export const STATE_DIRECTORIES = ['/run/cni', '/run/flatnet', '/var/lib/cni', '/etc/cni']

const FAKE_IPAM = 'suite-ipam'

export class Context {
  readonly plugin: Descriptor
  readonly bin: string
  readonly executable: string
  readonly version: string
  readonly versions: readonly string[]
  /** Where the plugin runs; `lo` is up, and the descriptor's `prepare` has been done. */
  readonly host: Netns
  /** The scripted plugin that a delegating plugin under test runs; answers from a pool until told otherwise. */
  readonly fake: Fake
  readonly #namespaces: Record<string, Netns> = {}
  readonly #cleanups: (() => void)[] = []
  readonly #networks = new Map<string, number>()
  /** Of networks there were calls for. */
  readonly #names = new Set<string>()
  #container: Netns | undefined
  #attachments = 0

  constructor(
    { plugin, bin, version, versions }: Subject,
    /** A directory of the case's own. */
    readonly directory: string,
  ) {
    this.plugin = withoutNulls(plugin)
    this.bin = bin
    this.executable = join(bin, plugin.type)
    this.version = version
    this.versions = versions
    this.host = this.netns('host', { loopback: true })
    if (plugin.prepare !== undefined) this.host.sh(...plugin.prepare)
    this.fake = new Fake(directory, FAKE_IPAM, poolResult(version))
  }

  /** The namespace of the first container, made when it is first asked for. */
  get container(): Netns {
    this.#container ??= this.netns('container')
    return this.#container
  }

  /** Another namespace; it is part of every snapshot from then on. */
  netns(label = 'container', options: { loopback?: boolean } = {}): Netns {
    const netns = Netns.create(label, options)
    let name = label
    for (let n = 2; this.#namespaces[name] !== undefined; n++) name = `${label}.${n}`
    this.#namespaces[name] = netns
    this.cleanup(() => netns.remove())
    return netns
  }

  /** To be done when the case ends; the last first. */
  cleanup(action: () => void): void {
    this.#cleanups.push(action)
  }

  end(): void {
    for (const action of this.#cleanups.reverse()) {
      try {
        action()
      } catch {
        // Another cleanup has taken it away.
      }
    }
  }

  /** A directory of the case's own. */
  temp(name: string): string {
    const path = join(this.directory, name)
    mkdirSync(path, { recursive: true })
    return path
  }

  /** CNI_PATH: the executables under test, and the scripted delegate where the plugin delegates. */
  get path(): string {
    return this.plugin.delegates === undefined ? this.bin : `${this.bin}:${this.fake.bin}`
  }

  /** CFG(v): the smallest valid configuration with `over` laid on it; a member that is `undefined` is left out. */
  config(over: Json = {}): Json {
    const { type, kind, config, delegates } = this.plugin
    const common = { cniVersion: this.version, name: 'suite', type: kind === 'ipam' ? 'suite-main' : type }
    const own = kind === 'ipam' ? { ipam: { ...config, type } } : config
    const delegate = delegates === undefined ? {} : { [delegates]: merge(config[delegates] ?? {}, { type: FAKE_IPAM }) }
    return merge({ ...common, ...own, ...delegate }, over)
  }

  /** Which network of the case: the first that has attachments is 0, the next 1, … */
  networkNumber(name: string): number {
    const number = this.#networks.get(name) ?? this.#networks.size
    this.#networks.set(name, number)
    return number
  }

  /** A result of the newest shape in that of this version. */
  shape(result: Json, version = this.version): Json {
    return shape(version, result)
  }

  /** Members laid over the plugin's own section: the top level, or `ipam` of an IPAM plugin. */
  own(over: Json): Json {
    return this.plugin.kind === 'ipam' ? { ipam: over } : over
  }

  /** One call; the answer whatever it is. Without options all of the environment but CNI_PATH is empty. */
  call(command: string, options: CallOptions = {}): Answer {
    return callNow(this.#invocation(command, options))
  }

  /** Starts a call. */
  start(command: string, options: CallOptions = {}): Running {
    return callLater(this.#invocation(command, options))
  }

  #invocation(command: string, options: CallOptions): Invocation {
    const name = options.config?.name
    if (typeof name === 'string') this.#names.add(name)
    return invocation(command, this.executable, this.host, { path: this.path, ...options })
  }

  /**
   * ATT: a complete environment; by default container `c1` with the plugin's ifname or `eth0` in `container`,
   * the second one `c2` in a namespace of its own. For a chained plugin the link is there when this returns.
   */
  attachment(options: AttachmentOptions = {}): Attachment {
    const n = ++this.#attachments
    const netns = options.netns ?? (n === 1 ? this.container : this.netns())
    return new Attachment(this, n, { containerId: `c${n}`, ...options, netns })
  }

  /** SNAP: host, containers, state directories, and what is written to others. */
  snapshot(): Snapshot {
    const there = Object.entries(this.#namespaces).filter(([, netns]) => existsSync(netns.path))
    return takeSnapshot(Object.fromEntries(there), this.stateDirectories, writtenLines())
  }

  get stateDirectories(): readonly string[] {
    return [...new Set([...STATE_DIRECTORIES, ...(this.plugin.state ?? [])])]
  }

  /**
   * What `look` finds. Where a namespace of the case is gone it looks again for some time: the kernel takes its links
   * away, and what they held of others, when the last process has left it.
   */
  settled(look: () => Difference): Difference {
    const isGone = Object.values(this.#namespaces).some((netns) => netns.isUnmounted)
    return untilEmpty(look, isGone ? 5 : 0)
  }

  /** Fails where anything differs from `before`. */
  unchanged(before: Snapshot, what: string, except: readonly string[] = []): void {
    const changes = this.settled(() => difference(before, this.snapshot(), except))
    check(isEmpty(changes), `${what}, but there is a difference:\n${showDifference(changes)}`)
  }

  /**
   * Directories that a plugin makes once and may leave, as `unchanged` excepts them: those of its state and of its
   * `leaves`, in them one with its own or a network's name, and another in that. Any other may be an attachment's.
   */
  get lastingDirectories(): string[] {
    const left = (this.plugin.leaves ?? []).flatMap((line) => /^dir ([^ *]+)/.exec(line)?.[1] ?? [])
    const names = [...this.#names, this.plugin.type]
    const below = names.flatMap((name) => [`/${name}`, ...names.map((inner) => `/${name}/${inner}`)])
    return [...this.stateDirectories, ...left].flatMap((path) => ['', ...below].map((name) => `dir ${path}${name} *`))
  }

  /** Fails where more than the descriptor's leftovers and lasting directories differ from `before`. */
  noResidue(before: Snapshot, what = 'after DEL all is as before ADD', except: readonly string[] = []): void {
    this.unchanged(before, what, [...this.lastingDirectories, ...(this.plugin.leaves ?? []), ...except])
  }

  /** Whether the version of this point is at least that. */
  since(version: string): boolean {
    return atLeast(this.version, version)
  }

  skip(reason: string): never {
    throw new Skip(reason)
  }
}

export type { Answer, CallOptions, Command, Running }

/** The descriptor's overlays are JSON, where null says that a member is to be left out. */
function withoutNulls(plugin: Descriptor): Descriptor {
  const faults = Object.entries(plugin.faults ?? {}).map(([name, over]) => [name, undefinedForNull(over)])
  return {
    ...plugin,
    ...(plugin.layer2 === undefined ? {} : { layer2: undefinedForNull(plugin.layer2) }),
    ...(plugin.noop === undefined ? {} : { noop: undefinedForNull(plugin.noop) }),
    ...(plugin.faults === undefined ? {} : { faults: Object.fromEntries(faults) }),
  }
}

function undefinedForNull(value: Json): Json {
  if (value === null) return undefined
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, undefinedForNull(member)]))
}

function poolResult(version: string): Json {
  return shape(version, {
    ips: [
      { address: '10.88.0.@N@/24', gateway: '10.88.0.1' },
      { address: 'fd00:88::@N@/64', gateway: 'fd00:88::1' },
    ],
    routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
    dns: {},
  })
}
