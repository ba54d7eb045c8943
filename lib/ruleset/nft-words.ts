/** Conditions in nft's words. */

import { compareAddresses, type Family, type IpAddress, parseAddress } from '../ip/address.js'
import { hostPrefix, parsePrefix } from '../ip/prefix.js'
import type { Addresses, Condition, InterfaceName } from './condition.js'
import { isInterfaceName } from './interface-name.js'

type Fail = (what: string) => Error

const FIELDS: Readonly<Record<string, 'source' | 'destination'>> = { saddr: 'source', daddr: 'destination' }
const EQUALS = ['==', 'eq']
const DIFFERS = ['!=', 'ne']

export function readNft(words: readonly string[], family: Family, fail: Fail): Condition[] {
  const tokens = words.flatMap(splitBraces)
  const all: Condition[] = []
  let at = 0
  const next = () => tokens[at++] ?? ''
  while (at < tokens.length) {
    const side = readSide(next, family, fail)
    const relation = tokens[at] ?? ''
    const not = DIFFERS.includes(relation)
    if (not || EQUALS.includes(relation)) at++
    const values = readValues(next, fail)
    all.push(
      side === 'interface'
        ? { side, alternatives: values.map((value) => readInterface(value, fail)), not }
        : { side, alternatives: values.map((value) => readAddresses(value, family, fail)), not },
    )
  }
  return all
}

/** `{a,b}` as five tokens. */
function splitBraces(word: string): string[] {
  const tokens: string[] = []
  let start = 0
  for (let at = 0; at <= word.length; at++) {
    const c = word.charAt(at)
    if (c !== '{' && c !== '}' && c !== ',' && c !== '') continue
    if (at > start) tokens.push(word.slice(start, at))
    if (c !== '') tokens.push(c)
    start = at + 1
  }
  return tokens
}

function readSide(next: () => string, family: Family, fail: Fail): Condition['side'] {
  let word = next()
  if (word === 'meta') word = next()
  if (word === 'iifname' || word === 'iif') return 'interface'
  if (word === (family === 4 ? 'ip' : 'ip6')) {
    const field = next()
    const side = Object.hasOwn(FIELDS, field) ? FIELDS[field] : undefined
    if (side !== undefined) return side
    word = `${word} ${field}`
  }
  throw fail(`"${word}" is no condition that flatnet knows`)
}

/** A value, or a set of them between braces. */
function readValues(next: () => string, fail: Fail): string[] {
  const first = next()
  if (first !== '{') return [first]
  const values: string[] = []
  for (;;) {
    const value = next()
    if (value === '}' && values.length > 0) return values // nft allows a comma behind the last
    values.push(value)
    const behind = next()
    if (behind === '}') return values
    if (behind !== ',') throw fail(`the set { ${values.join(', ')} has no end`)
  }
}

function readInterface(value: string, fail: Fail): InterfaceName {
  const isQuoted = value.length > 1 && value.startsWith('"') && value.endsWith('"')
  const text = isQuoted ? value.slice(1, -1) : value
  if (text === '*' || !isInterfaceName(text)) throw fail(`"${text}" is no interface name`)
  return text.endsWith('*') ? { name: text.slice(0, -1), isStart: true } : { name: text }
}

/** An address, a prefix, or `first-last`. */
function readAddresses(value: string, family: Family, fail: Fail): Addresses {
  const dash = value.indexOf('-')
  if (dash >= 0) {
    const [first, last] = [value.slice(0, dash), value.slice(dash + 1)].map(parseAddress)
    if (isOf(first, family) && isOf(last, family) && compareAddresses(first, last) <= 0) return { first, last }
    throw fail(`"${value}" is no range of IPv${family} addresses`)
  }
  const address = parseAddress(value)
  const prefix = address === undefined ? parsePrefix(value) : hostPrefix(address)
  if (isOf(prefix?.address, family) && prefix !== undefined) return { prefix }
  throw fail(`"${value}" is no IPv${family} address or prefix`)
}

function isOf(address: IpAddress | undefined, family: Family): address is IpAddress {
  return address?.family === family
}
