/**
 * A chained plugin that keeps a record of each attachment: what differs from plugin to plugin is in `ChainedPlugin`, the
 * life of an attachment (ADD, DEL, CHECK, GC) is here.
 */

import type { NetworkConfig } from '../cni/config.js'
import { CniError, ErrorCode } from '../cni/error.js'
import { type Bundle, definePlugin } from '../cni/plugin.js'
import type { AddRequest, CheckRequest, DelRequest, GcRequest, StatusRequest } from '../cni/request.js'
import type { Result } from '../cni/result.js'
import type { Schema } from '../cni/schema.js'
import { attachmentKey } from '../store/key.js'
import type { Shape } from '../store/shape.js'
import { removeAbandoned } from './abandoned.js'
import { collectRecords, keysOf, recordedKeys } from './collect.js'
import { collectFailures, type Failures } from './failures.js'
import { requirePrevious } from './previous.js'
import { removeAttachment } from './removal.js'
import { refuseStateDir, requireStateDir, stateDirOf } from './state-dir.js'
import { transaction } from './transaction.js'

/** Whose something is, and where its record is kept. */
export interface Attachment {
  readonly network: string
  readonly containerId: string
  readonly ifName: string
  /** 16 hex digits for the three. */
  readonly key: string
  readonly stateDir: string
  /** Path of the container's namespace in this call; `''` where it gave none, and for an attachment of another call. */
  readonly netns: string
}

/** What `apply` says of its work while it is under way. */
export interface Progress<Recorded> {
  /** What `keeps` has kept. */
  readonly earlier: Recorded | undefined
  /** Replaces what the record will say. Until `save`, `announce` or the end of `apply` it is not written. */
  update(recorded: Recorded): void
  /** Writes the record as `adding`: what was there before must be on disk before it is changed. */
  save(): void
  /** Writes the record as `ready` before `apply` has ended, for other calls that look at records. */
  announce(): void
}

/** Where differences that CHECK finds belong, and how they are mended. */
export interface Subject {
  /** `host ports of c1 are` reads before "not as ADD left them". */
  readonly what: string
  /** The end of the details. */
  readonly hint?: string
}

/** What every record says. */
export interface HostEnd {
  /** The host's end of the container's link, where there is one. */
  readonly link?: string
}

/**
 * `Settings`: what the configuration comes to. `Wanted`: what ADD is to make. `Recorded`: what DEL must know of it, in
 * values that JSON has. `Tools`: sockets that all of it works with.
 */
export interface ChainedPlugin<C extends NetworkConfig, Settings, Wanted, Recorded extends HostEnd, Tools> {
  readonly name: string
  readonly schema: Schema
  /** CNI_ARGS that are not KEY=value pairs are an error on ADD and CHECK. Default false. */
  readonly usesArgs?: boolean
  /** Returns undefined where the configuration asks for nothing. Throws code 7. */
  settings(config: C): Settings | undefined
  /** Opens the tools for ADD and CHECK, and closes them after `work`. */
  using<Out>(work: (tools: Tools) => Out): Out
  /** The same for DEL and GC: does not call `work` where the kernel can have nothing to remove. */
  usingIfAny(work: (tools: Tools) => void): void
  /** Decides what ADD is to make, and changes nothing. Returns undefined where that is nothing. */
  wanted(
    tools: Tools,
    request: AddRequest<C> | CheckRequest<C>,
    settings: Settings,
    previous: Result,
  ): Wanted | undefined
  record(wanted: Wanted): Recorded
  /** What a record looks like; one that does not counts as absent. */
  readonly shape: Shape
  /**
   * Whether what an earlier ADD of this attachment has finished stays, for this one to add to, as where a list has the
   * plugin twice; its record is then `progress.earlier`. Default: it is undone first.
   */
  keeps?(tools: Tools, at: Attachment, earlier: Recorded): boolean
  /**
   * Makes it. What it has made is undone where it throws, together with what was kept. Returns the result where that is not
   * the previous one.
   */
  apply(tools: Tools, at: Attachment, wanted: Wanted, progress: Progress<Recorded>): Result | undefined
  /** For DEL and GC: removes what `apply` made, whole or in part; what is absent already is no error. */
  withdraw(tools: Tools, at: Attachment, recorded: Recorded): void
  /** The same for ADD, where the container's link stays, with all that hangs on it. Default: `withdraw`. */
  undo?(tools: Tools, at: Attachment, recorded: Recorded): void
  /** Removes what is found of an attachment by its key, where there is no record of it. */
  withdrawKey(tools: Tools, key: string, stateDir: string): void
  /** DEL without a record: the plugin may know more than the key. */
  withdrawUnrecorded(request: DelRequest<C>, at: Attachment): void
  /** Returns the keys of the network's attachments that the kernel has something of and that are not in `keep`. */
  stale(tools: Tools, network: string, keep: ReadonlySet<string>): readonly string[]
  /** The end of GC. */
  tidy?(tools: Tools, failures: Failures): void
  /** Returns how the kernel differs from `wanted`, in words. */
  differences(tools: Tools, at: Attachment, wanted: Wanted): readonly string[]
  subject(at: Attachment): Subject
  status(request: StatusRequest<C>): void
}

export function defineChained<C extends NetworkConfig, Settings, Wanted, Recorded extends HostEnd, Tools>(
  plugin: ChainedPlugin<C, Settings, Wanted, Recorded, Tools>,
): Bundle {
  return definePlugin<C>({
    name: plugin.name,
    schema: plugin.schema,
    usesArgs: plugin.usesArgs === true,
    add: (request) => add(plugin, request),
    check: (request) => check(plugin, request),
    del: (request) => del(plugin, request),
    gc: (request) => gc(plugin, request),
    status(request) {
      refuseStateDir(request.config)
      plugin.status(request)
      requireStateDir(stateDirOf(request.config))
    },
  })
}

/** The tools are open before the record is written: a kernel that lacks something leaves no record. */
function add<C extends NetworkConfig, S, W, R extends HostEnd, T>(
  plugin: ChainedPlugin<C, S, W, R, T>,
  request: AddRequest<C>,
): Result {
  const previous = requirePrevious(plugin.name, request.prevResult)
  const settings = plugin.settings(request.config)
  if (settings === undefined) return previous
  refuseStateDir(request.config)
  const at = attachmentOf(request)
  return plugin.using((tools) => {
    const wanted = plugin.wanted(tools, request, settings, previous)
    if (wanted === undefined) return previous
    let recorded = plugin.record(wanted)
    let kept: R | undefined
    const undo = (what: R) => (plugin.undo ?? plugin.withdraw)(tools, at, what)
    return transaction<R, Result>(
      { ...at, plugin: plugin.name, shape: plugin.shape },
      {
        planned: recorded,
        keeps({ state, sameBoot, content }) {
          if (state !== 'ready' || !sameBoot || plugin.keeps?.(tools, at, content) !== true) return false
          recorded = content
          kept = content
          return true
        },
        settle: (earlier) => undo(earlier.content),
        work(claim, steps) {
          steps.push(`what ${plugin.name} did`, () => undo(recorded))
          const result = plugin.apply(tools, at, wanted, {
            earlier: kept,
            update(latest) {
              recorded = latest
            },
            save: () => claim.write('adding', recorded),
            announce: () => claim.write('ready', recorded),
          })
          claim.write('ready', recorded)
          return result ?? previous
        },
      },
    )
  })
}

function del<C extends NetworkConfig, S, W, R extends HostEnd, T>(
  plugin: ChainedPlugin<C, S, W, R, T>,
  request: DelRequest<C>,
): void {
  const at = attachmentOf(request)
  const place = { ...at, plugin: plugin.name, shape: plugin.shape }
  removeAttachment<R>(place, (recorded) => {
    if (recorded === undefined) plugin.withdrawUnrecorded(request, at)
    else plugin.usingIfAny((tools) => plugin.withdraw(tools, at, recorded))
  })
  removeAbandoned<R>(place, {
    own: at.key,
    linkOf: ({ link }) => link,
    remove: (gone, recorded) =>
      plugin.usingIfAny((tools) => plugin.withdraw(tools, { ...at, ...gone, netns: '' }, recorded)),
  })
}

function check<C extends NetworkConfig, S, W, R extends HostEnd, T>(
  plugin: ChainedPlugin<C, S, W, R, T>,
  request: CheckRequest<C>,
): void {
  const settings = plugin.settings(request.config)
  if (settings === undefined) return
  const at = attachmentOf(request)
  const differences = plugin.using((tools) => {
    const wanted = plugin.wanted(tools, request, settings, request.prevResult)
    return wanted === undefined ? [] : plugin.differences(tools, at, wanted)
  })
  if (differences.length === 0) return
  const { what, hint = '' } = plugin.subject(at)
  throw new CniError(
    ErrorCode.NotAsConfigured,
    `${what} not as ADD left them: ${differences.length} ${differences.length === 1 ? 'difference' : 'differences'}`,
    `${differences.join('; ')}${hint === '' ? '' : `. ${hint}`}`,
  )
}

/** Records first, then what has lost its record. */
function gc<C extends NetworkConfig, S, W, R extends HostEnd, T>(
  plugin: ChainedPlugin<C, S, W, R, T>,
  request: GcRequest<C>,
): void {
  const { config, network, valid } = request
  if (valid === undefined) return
  const place = {
    stateDir: stateDirOf(config as Partial<NetworkConfig>),
    plugin: plugin.name,
    network,
    shape: plugin.shape,
  }
  const keep = keysOf(network, valid)
  const failures = collectFailures()
  plugin.usingIfAny((tools) => {
    collectRecords<R>(place, keep, failures, ({ key, containerId, ifName }, recorded) => {
      if (recorded === undefined) plugin.withdrawKey(tools, key, place.stateDir)
      else plugin.withdraw(tools, { ...place, containerId, ifName, key, netns: '' }, recorded)
    })
    failures.attempt('cannot look for what has lost its record', () => {
      const stale = plugin.stale(tools, network, keep)
      // The records are read after the kernel: what an ADD has made meanwhile has one.
      const recorded = new Set(stale.length === 0 ? [] : recordedKeys(place))
      for (const key of stale.filter((one) => !recorded.has(one))) {
        failures.attempt(`cannot remove what is left of ${key}`, () => plugin.withdrawKey(tools, key, place.stateDir))
      }
    })
    plugin.tidy?.(tools, failures)
  })
  failures.report()
}

function attachmentOf({
  config,
  network,
  containerId,
  ifName,
  netns,
}: Pick<DelRequest<NetworkConfig>, 'config' | 'network' | 'containerId' | 'ifName' | 'netns'>): Attachment {
  const key = attachmentKey(network, containerId, ifName)
  return { network, containerId, ifName, key, stateDir: stateDirOf(config), netns }
}
