/** What is said of a plugin set under a runtime, said aloud as it is found true or false. */

import type { PluginSet } from './plugin-sets.js'

export interface Tally {
  passed: number
  failed: number
  /** Claims that the reference is known not to meet, and did not. */
  known: number
}

export interface Claims {
  readonly tally: Tally
  /** Holds if `body` does not throw. `unlike` says why the reference need not hold it. */
  claim(sentence: string, body: () => void, unlike?: { reference: string }): void
}

export function claims(set: PluginSet): Claims {
  const tally: Tally = { passed: 0, failed: 0, known: 0 }
  return {
    tally,
    claim(sentence, body, unlike) {
      try {
        body()
        tally.passed++
        console.log(`ok - ${sentence}`)
      } catch (fault) {
        const reason = fault instanceof Error ? fault.message : String(fault)
        if (set.name === 'reference' && unlike !== undefined) {
          tally.known++
          console.log(`ok - ${sentence} # known: ${unlike.reference}`)
          return
        }
        tally.failed++
        console.log(`not ok - ${sentence}\n${indent(reason)}`)
      }
    },
  }
}

/** Throws, with both, where two values differ; objects are compared as JSON. */
export function same(found: unknown, wanted: unknown): void {
  const [a, b] = [found, wanted].map((value) => JSON.stringify(value, null, 1) ?? 'undefined')
  if (a !== b) throw new Error(`found  ${a}\nwanted ${b}`)
}

export function holds(fact: unknown, otherwise: string): void {
  if (!fact) throw new Error(otherwise)
}

/** Throws with the lines that only one of two texts has. */
export function sameLines(after: string, before: string): void {
  const [now, then] = [after.split('\n'), before.split('\n')]
  const more = now.filter((line) => !then.includes(line)).map((line) => `+ ${line}`)
  const less = then.filter((line) => !now.includes(line)).map((line) => `- ${line}`)
  if (more.length + less.length > 0) throw new Error([...less, ...more].slice(0, 40).join('\n'))
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n')
}
