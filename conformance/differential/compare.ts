/** What two programs made of one case, member by member, and where that differs. */

import type { Json } from '../../lib/testing/cni.js'
import { type Flat, flatten, parseKernelState } from '../../lib/testing/kernel-state.js'
import type { Case } from './generate.js'
import type { Sections } from './life.js'

export interface Difference {
  readonly what: Case
  /** Which call it was seen after: ADD, AGAIN, OTHER, CHECK, DEL, PROBE, END. */
  readonly call: string
  /** `ADD host link cni0.address`; ADD stands for AGAIN and OTHER as well. */
  readonly key: string
  /** Absent on one side is undefined there. */
  readonly ours: string | undefined
  readonly theirs: string | undefined
  /** Of the first ADD, ours and theirs. */
  readonly status: readonly [ours: string, theirs: string]
  /** Whether both refused this call, or the first ADD. */
  readonly bothFailed: boolean
  readonly version: string
  /** A look at the rest. */
  readonly seen: { readonly ours: Flat; readonly theirs: Flat }
  /** Whether the case has this value of a factor. */
  has(factor: string, ...ids: readonly string[]): boolean
}

/** Everything about a life that counts, `call what → value`. */
export function seenIn(sections: Sections, { macs }: Case): Flat {
  const seen: Flat = new Map()
  for (const [name, text] of sections) {
    const at = name.lastIndexOf(' ')
    const call = name.slice(0, at)
    const kind = name.slice(at + 1)
    const put = (flat: Flat) => {
      for (const [key, value] of flat) seen.set(`${call} ${key}`, value)
    }
    if (kind === 'state') put(parseKernelState(text, macs).flat)
    else if (kind === 'leases') put(leasesIn(text))
    else if (kind === 'call') {
      const state = sections.get(`${call} state`)
      const known = state === undefined ? (same: string) => same : parseKernelState(state, macs).translate
      // The other container's MAC is in no state that was printed.
      put(answerIn(text, (value) => (call === 'OTHER' && isMac(known(value)) ? 'MAC of the other' : known(value))))
    } else if (call === 'PROBE') put(probesIn(text))
    else if (call === 'END') put(leftovers(text))
  }
  return seen
}

const isMac = (text: string): boolean => /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(text)

/** A result member by member; of an error only the code, for the words are each program's own. */
function answerIn(text: string, translate: (value: string) => string): Flat {
  const [head = '', ...rest] = text.split('\n')
  const [status = '', plugin = ''] = head.split(' ')
  const flat: Flat = new Map([['status', status]])
  if (status !== '0') flat.set('failing plugin', plugin)
  const output = rest.join('\n').trim()
  if (output === '') return flat
  try {
    const answer = JSON.parse(output) as Json
    if (status !== '0') {
      flat.set('error code', String(answer.code))
      flat.set('words', `${answer.msg}; ${answer.details ?? ''}`)
    } else flatten(flat, 'result', answer, translate)
  } catch {
    flat.set('output', 'not one JSON text')
  }
  return flat
}

function leasesIn(text: string): Flat {
  const flat: Flat = new Map()
  for (const line of text.split('\n')) {
    const [, name = '', kind = '', mode = '', content = ''] = /^(\S+) (.) (\d+) ?(.*)$/.exec(line) ?? []
    if (name !== '')
      flat.set(`lease ${name}`, `${kind} ${mode} ${content.replaceAll('\r', '<CR>').replaceAll('~', '<LF>')}`)
  }
  return flat
}

function probesIn(text: string): Flat {
  const flat: Flat = new Map()
  for (const line of text.split('\n')) {
    const at = line.lastIndexOf(': ')
    if (at > 0) flat.set(`packet, ${line.slice(0, at)}`, line.slice(at + 2))
  }
  return flat
}

function leftovers(text: string): Flat {
  const lines = text.split('\n').filter((line) => line !== '')
  return new Map(
    lines.map((line) => [line.startsWith('table') ? line : `record ${line.replace(/.*\/state\//, '')}`, 'there']),
  )
}

export function differences(what: Case, ours: Flat, theirs: Flat): Difference[] {
  const keys = [...new Set([...ours.keys(), ...theirs.keys()])]
  const isOneSided = (key: string) => ours.has(key) !== theirs.has(key)
  const status = [ours.get('ADD status') ?? '', theirs.get('ADD status') ?? ''] as const
  const [version = 'unset'] = [...what.values].flatMap((one) => (one.startsWith('cniVersion=') ? [one.slice(11)] : []))
  return keys
    .filter((key) => ours.get(key) !== theirs.get(key) && !IGNORED.test(key))
    .filter((key) => !parentsOf(key).some(isOneSided)) // of a thing that is missing, its members are no news
    .map((key) => {
      const call = key.slice(0, key.indexOf(' '))
      return {
        what,
        call,
        key: `${usual(call)}${key.slice(call.length)}`,
        ours: ours.get(key),
        theirs: theirs.get(key),
        status,
        bothFailed: status.every(isFailure) || [ours, theirs].every((seen) => isFailure(seen.get(`${call} status`))),
        version,
        seen: { ours, theirs },
        has: (factor, ...ids) => ids.some((id) => what.values.has(`${factor}=${id}`)),
      }
    })
}

/** Of an error: each program's own, and no difference. */
export const WORDS = ' words'

/**
 * And what the kernel does in its own time: an IPv6 address may be used, and is in the local table, a moment after it is
 * there. Whether that moment is long is in `nodad` and accept_dad. A container's link has its link-local address when its
 * carrier is noticed, up to a second later where both ends of the pair have the same index. Whether it gets one is in
 * inet6_addr_gen_mode and disable_ipv6.
 */
const IGNORED =
  / words$|host address \S+ fe80::LL\/64\.tentative$|container address \S+ fe80::LL\/64(\.|$)|container route (main unicast fe80::\/64|local multicast ff00::\/8) via|route local (local|anycast) \S*:\S* via| dev up0 /

const isFailure = (status: string | undefined): boolean => status !== undefined && status !== '0'

function usual(call: string): string {
  const [name = ''] = call.split('#')
  return name === 'AGAIN' || name === 'OTHER' ? 'ADD' : name === 'OTHERDEL' ? 'DEL' : name
}

function parentsOf(key: string): string[] {
  return [...key.matchAll(/\./g)].map(({ index }) => key.slice(0, index))
}
