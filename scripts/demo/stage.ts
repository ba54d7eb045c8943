/** What an act of the demo plays on: namespaces that end with it, and claims that are counted. */

import { existsSync, readdirSync } from 'node:fs'
import { Netns } from '../../lib/testing/netns.js'
import { paint } from '../terminal/style.js'

export class Stage {
  readonly #ends: (() => void)[] = []
  #failed = 0

  netns(label: string, { loopback = true } = {}): Netns {
    return Netns.create({ teardown: (end) => this.#ends.push(end) }, label, { loopback })
  }

  say(...lines: string[]): void {
    for (const line of lines) console.log(`  ${line}`.trimEnd())
  }

  title(name: string, summary: string): void {
    this.say('', `${paint('bold', name)}  ${paint('dim', summary)}`, '')
  }

  /** A line that holds or does not. */
  claim(seen: boolean, text: string): void {
    if (!seen) this.#failed++
    this.say(`${seen ? paint('green', '✓') : paint('red', '✗')} ${text}`)
  }

  /** Claims that nobody would find a trace: `what` is what was looked at, `found` what was there. */
  claimNone(what: string, found: readonly string[]): void {
    this.claim(found.length === 0, found.length === 0 ? `no ${what} left` : `${what} left: ${found.join(', ')}`)
  }

  /** Whether everything held. */
  get succeeded(): boolean {
    return this.#failed === 0
  }

  /** Removes the namespaces of the act. */
  clear(): void {
    for (const end of this.#ends.splice(0).reverse()) end()
  }
}

/** Paths of all files under `folder`, relative to it. */
export function filesUnder(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`.slice(folder.length + 1))
}
