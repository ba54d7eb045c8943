/** Calls plugins as a runtime does: environment, stdin, a network namespace; one call or a whole list. */

import { resolve } from 'node:path'
import type { Netns, Output } from './netns.js'

// biome-ignore lint/suspicious/noExplicitAny: results are looked at member by member
export type Json = any

/** Our executables. */
export const BIN = resolve('bin')

/** The reference plugins as Debian packages them (1.1.1). */
export const REFERENCE_BIN = '/usr/lib/cni'

export type Command = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS' | 'VERSION'

export interface Call {
  readonly command: Command
  /** The node's namespace, where the plugin runs. */
  readonly host: Netns
  readonly config: Json
  readonly containerId?: string
  /** A namespace or a path; `''` for none. */
  readonly netns?: Netns | string
  readonly ifName?: string
  readonly args?: string
  /** Directories of the executables; default ours. */
  readonly bin?: string
  readonly env?: Record<string, string>
  /** Raw stdin instead of `config`. */
  readonly stdin?: string | Buffer
}

export interface Answer extends Output {
  /** stdout parsed; undefined where it is empty or no JSON. */
  readonly json: Json
}

/** The environment of a call. */
export function environment(call: Call): Record<string, string> {
  const { command, containerId = 'c1', netns = '', ifName = 'eth0', args = '', bin = BIN } = call
  return {
    CNI_COMMAND: command,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: typeof netns === 'string' ? netns : netns.path,
    CNI_IFNAME: ifName,
    CNI_ARGS: args,
    CNI_PATH: bin,
    PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
    ...call.env,
  }
}

/** Runs one plugin once; whatever it answers. */
export function call(request: Call): Answer {
  const type = (request.config as { type: string }).type
  const executable = `${(request.bin ?? BIN).split(':')[0]}/${type}`
  const input = request.stdin ?? JSON.stringify(request.config)
  const output = request.host.try([executable], { input, env: environment(request) })
  let json: Json
  try {
    json = JSON.parse(output.stdout)
  } catch {
    json = undefined
  }
  return { ...output, json }
}

/** One attachment, driven as libcni drives it: prevResult handed on, DEL in reverse, the result kept. */
export class Attachment {
  result: Json

  constructor(
    readonly host: Netns,
    /** A conflist, or one plugin's configuration. */
    readonly list: Json,
    readonly container: Netns | string,
    readonly options: Pick<Call, 'containerId' | 'ifName' | 'args' | 'bin' | 'env'> & { capabilities?: Json } = {},
  ) {}

  #configs(): Json[] {
    const { plugins, ...common } = this.list
    const { capabilities = {} } = this.options
    return ((plugins as Json[] | undefined) ?? [this.list]).map((plugin) => {
      const runtimeConfig = Object.fromEntries(
        Object.entries(capabilities).filter(([name]) => plugin.capabilities?.[name] === true),
      )
      return {
        ...plugin,
        name: common.name,
        cniVersion: common.cniVersion,
        ...(Object.keys(runtimeConfig).length === 0 ? {} : { runtimeConfig }),
      }
    })
  }

  #call(command: Command, config: Json, netns = this.container): Answer {
    const { capabilities: _, ...options } = this.options
    return call({ command, host: this.host, config, netns, ...options })
  }

  /** ADD through the list; the first failure's answer, or the last plugin's. */
  tryAdd(): Answer {
    let answer: Answer | undefined
    let prevResult: Json
    for (const config of this.#configs()) {
      answer = this.#call('ADD', prevResult === undefined ? config : { ...config, prevResult })
      if (answer.status !== 0) return answer
      prevResult = answer.json
    }
    this.result = prevResult
    return answer as Answer
  }

  /** ADD that must succeed; the result. */
  add(): Json {
    return expectSuccess('ADD', this.tryAdd()).json
  }

  tryCheck(): Answer {
    let answer: Answer | undefined
    for (const config of this.#configs()) {
      answer = this.#call('CHECK', { ...config, prevResult: this.result })
      if (answer.status !== 0) return answer
    }
    return answer as Answer
  }

  check(): void {
    expectSuccess('CHECK', this.tryCheck())
  }

  /** DEL in reverse order. `netns: ''` as a runtime does when the container is gone. */
  tryDel({ netns = this.container, prevResult = this.result as Json } = {}): Answer {
    let answer: Answer | undefined
    for (const config of this.#configs().reverse()) {
      answer = this.#call('DEL', prevResult === undefined ? config : { ...config, prevResult }, netns)
      if (answer.status !== 0) return answer
    }
    return answer as Answer
  }

  del(options: { netns?: Netns | string; prevResult?: Json } = {}): void {
    expectSuccess('DEL', this.tryDel(options))
  }

  /** GC that keeps `valid`. */
  gc(valid: { containerID: string; ifname: string }[] | null): Answer {
    let answer: Answer | undefined
    for (const config of this.#configs()) {
      answer = this.#call('GC', { ...config, 'cni.dev/valid-attachments': valid, 'cni.dev/attachments': valid })
      if (answer.status !== 0) return answer
    }
    return answer as Answer
  }

  status(): Answer {
    let answer: Answer | undefined
    for (const config of this.#configs()) {
      answer = this.#call('STATUS', config)
      if (answer.status !== 0) return answer
    }
    return answer as Answer
  }
}

export function expectSuccess(what: string, answer: Answer): Answer {
  if (answer.status === 0) return answer
  throw new Error(`${what} failed with status ${answer.status}\nstdout: ${answer.stdout}\nstderr: ${answer.stderr}`)
}
