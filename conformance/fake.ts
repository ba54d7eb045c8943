/**
 * A plugin the suite writes: it records each call's environment and stdin, and answers what it is told.
 * As an IPAM plugin that was told nothing it hands out 10.88.0.2, 10.88.0.3, … and fd00:88::2, … of a pool.
 */

import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Json, parse } from './json.js'

export interface Recorded {
  readonly env: Record<string, string>
  readonly stdin: string
  readonly config: Json
  readonly verb: string
}

export interface Reply {
  /** A string is written as it is. */
  readonly stdout?: Json | string
  readonly stderr?: string
  readonly exit?: number
  /** Seconds before it answers. */
  readonly sleep?: number
}

const SCRIPT = `#!/bin/sh
d=@DIR@
n=1
while ! /bin/mkdir "$d/calls/$n" 2>/dev/null; do n=$((n+1)); [ -d "$d/calls" ] || exit 1; done
/bin/cat /proc/$$/environ >"$d/calls/$n/env"
/bin/cat >"$d/calls/$n/stdin"
: >"$d/calls/$n/done"
v=$CNI_COMMAND
if [ -e "$d/$v.sleep" ]; then read s <"$d/$v.sleep"; /bin/sleep "$s"; fi
if [ -e "$d/$v.stderr" ]; then /bin/cat "$d/$v.stderr" >&2; fi
if [ -e "$d/$v.stdout" ]; then /bin/cat "$d/$v.stdout"
else
  key="$CNI_CONTAINERID:$CNI_IFNAME"
  case $v in
  ADD)
    a=2
    while ! /bin/mkdir "$d/pool/$a" 2>/dev/null; do a=$((a+1)); [ -d "$d/pool" ] || exit 1; done
    echo "$a" >>"$d/held/$key"
    /bin/sed "s/@N@/$a/g" "$d/result" ;;
  DEL)
    if [ -e "$d/held/$key" ]; then
      while read a; do /bin/rmdir "$d/pool/$a"; done <"$d/held/$key"
      /bin/rm -f "$d/held/$key"
    fi ;;
  VERSION)
    echo '{"cniVersion":"1.1.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}' ;;
  esac
fi
if [ -e "$d/$v.exit" ]; then read s <"$d/$v.exit"; exit "$s"; fi
exit 0
`

export class Fake {
  /** Where the executable lies alone. */
  readonly bin: string
  readonly #data: string

  /** `result` is what the pool answers, with \`@N@\` where the address's last number goes. */
  constructor(
    directory: string,
    readonly type: string,
    result: Json,
  ) {
    this.bin = join(directory, `${type}-bin`)
    this.#data = join(directory, `${type}-data`)
    for (const path of [this.bin, this.#data, ...['calls', 'pool', 'held'].map((name) => join(this.#data, name))]) {
      mkdirSync(path, { recursive: true })
    }
    this.answerFromPool(result)
    this.install(this.bin)
  }

  /** Puts the executable into another directory, under its own or another name. */
  install(directory: string, name = this.type): void {
    mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, name), SCRIPT.replace('@DIR@', this.#data))
    chmodSync(join(directory, name), 0o755)
  }

  answerFromPool(result: Json): void {
    writeFileSync(join(this.#data, 'result'), JSON.stringify(result))
    rmSync(join(this.#data, 'ADD.stdout'), { force: true })
  }

  /** What it does on a verb from now on; nothing given is the default again. */
  on(verb: string, { stdout, stderr, exit, sleep }: Reply = {}): void {
    this.#set(verb, 'stdout', stdout === undefined || typeof stdout === 'string' ? stdout : JSON.stringify(stdout))
    this.#set(verb, 'stderr', stderr)
    this.#set(verb, 'exit', exit === undefined ? undefined : `${exit}\n`)
    this.#set(verb, 'sleep', sleep === undefined ? undefined : `${sleep}\n`)
  }

  /** Fails a verb with an error object. */
  fails(verb: string, code: number, msg = `fake fails ${verb}`): void {
    this.on(verb, { stdout: { cniVersion: '1.0.0', code, msg }, exit: 1 })
  }

  #set(verb: string, what: string, text: string | undefined): void {
    const path = join(this.#data, `${verb}.${what}`)
    if (text === undefined) rmSync(path, { force: true })
    else writeFileSync(path, text)
  }

  /** Every call so far, in order. */
  calls(): Recorded[] {
    const folder = join(this.#data, 'calls')
    return readdirSync(folder)
      .map(Number)
      .sort((a, b) => a - b)
      .filter((n) => existsSync(join(folder, String(n), 'done')))
      .map((n) => {
        const stdin = readFileSync(join(folder, String(n), 'stdin'), 'utf8')
        const pairs = readFileSync(join(folder, String(n), 'env'), 'utf8')
          .split('\0')
          .filter(Boolean)
        const env = Object.fromEntries(pairs.map((pair) => [before(pair, '='), pair.slice(pair.indexOf('=') + 1)]))
        return { env, stdin, config: parse(stdin), verb: env['CNI_COMMAND'] ?? '' }
      })
  }

  verbs(): string[] {
    return this.calls().map(({ verb }) => verb)
  }

  /** Forgets the calls, not the addresses. */
  forget(): void {
    const folder = join(this.#data, 'calls')
    rmSync(folder, { recursive: true })
    mkdirSync(folder)
  }

  /** Addresses of the pool that are held, by container and interface (`c1:eth0`). */
  held(): string[] {
    return readdirSync(join(this.#data, 'held')).sort()
  }
}

function before(text: string, separator: string): string {
  return text.slice(0, text.indexOf(separator))
}
