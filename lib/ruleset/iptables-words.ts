/** Conditions in iptables' words. */

import type { Family } from '../ip/address.js'
import type { Condition, InterfaceName } from './condition.js'
import { isInterfaceName } from './interface-name.js'
import { readAddresses } from './iptables-addresses.js'

const SIDES: Readonly<Record<string, Condition['side']>> = {
  '-s': 'source',
  '--source': 'source',
  '--src': 'source',
  '-d': 'destination',
  '--destination': 'destination',
  '--dst': 'destination',
  '-i': 'interface',
  '--in-interface': 'interface',
}

type Fail = (what: string) => Error

export function readIptables(words: readonly string[], family: Family, fail: Fail): Condition[] {
  const all: Condition[] = []
  let at = 0
  const take = (expected: string) => {
    const found = words[at] === expected
    if (found) at++
    return found
  }
  while (at < words.length) {
    const isNegated = take('!')
    const word = words[at++] ?? ''
    const side = Object.hasOwn(SIDES, word) ? SIDES[word] : undefined
    if (side === undefined) throw fail(`"${word}" is no condition that flatnet knows`)
    if (all.some((one) => one.side === side)) throw fail(`${word} is given twice: write one list, a,b`)
    const not = take('!') || isNegated // the second place is that of older releases
    let value = words[at++] ?? ''
    while (value.endsWith(',') && at < words.length) value += words[at++]
    all.push(
      side === 'interface'
        ? { side, alternatives: [readInterface(value, fail)], not }
        : { side, alternatives: readList(value, family, not, fail), not },
    )
  }
  return all
}

/** Of a list, each counts; iptables allows none with `!`. */
function readList(value: string, family: Family, not: boolean, fail: Fail): ReturnType<typeof readAddresses>[] {
  const parts = value.split(',')
  if (not && parts.length > 1)
    throw fail(`! is not possible with a list, "${value}": iptables would not say which it means`)
  return parts.map((part) => readAddresses(part, family, fail))
}

/** A final `+` stands for any rest. */
function readInterface(value: string, fail: Fail): InterfaceName {
  const isStart = value.endsWith('+')
  if (!isInterfaceName(value)) throw fail(`"${value}" is no interface name`)
  return isStart ? { name: value.slice(0, -1), isStart } : { name: value }
}
