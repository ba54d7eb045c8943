/**
 * A plugin the suite writes: it records each call's environment and stdin, and answers what it is told.
 * As an IPAM plugin that was told nothing it hands out 10.88.0.2, 10.88.0.3, … and fd00:88::2, … of a pool.
 */

import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Json, parse } from './json.js'

/** Between environment and stdin in the record of a call. */
const MARK = '\0\0suite\0\0'

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

// Few processes: it is run thousands of times. A file that must not be there yet is the shell's own lock (set -C).
const SCRIPT = `#!/bin/sh
d=@DIR@
set -C
n=1
if [ -e "$d/last" ]; then read n <"$d/last"; fi
while ! true 2>/dev/null >"$d/calls/$n"; do n=$((n+1)); [ -d "$d/calls" ] || exit 1; done
echo "$n" >|"$d/last"
/bin/cat /proc/$$/environ "$d/mark" - >|"$d/calls/$n"
: >|"$d/done/$n"
v=$CNI_COMMAND
if [ -e "$d/$v.sleep" ]; then read s <"$d/$v.sleep"; /bin/sleep "$s"; fi
if [ -e "$d/$v.stderr" ]; then /bin/cat "$d/$v.stderr" >&2; fi
if [ -e "$d/$v.stdout" ]; then /bin/cat "$d/$v.stdout"
else
  key="$CNI_CONTAINERID:$CNI_IFNAME"
  case $v in
  ADD)
    a=2
    while ! true 2>/dev/null >"$d/pool/$a"; do a=$((a+1)); [ -d "$d/pool" ] || exit 1; done
    echo "$a" >>"$d/held/$key"
    read -r r <"$d/result"
    while :; do case $r in *@N@*) r=\${r%%@N@*}$a\${r#*@N@} ;; *) break ;; esac; done
    printf '%s\\n' "$r" ;;
  DEL)
    if [ -e "$d/held/$key" ]; then
      while read a; do set -- "$@" "$d/pool/$a"; done <"$d/held/$key"
      /bin/rm -f "$@" "$d/held/$key"
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
    for (const path of [
      this.bin,
      this.#data,
      ...['calls', 'done', 'pool', 'held'].map((name) => join(this.#data, name)),
    ]) {
      mkdirSync(path, { recursive: true })
    }
    writeFileSync(join(this.#data, 'mark'), MARK)
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
    writeFileSync(join(this.#data, 'result'), `${JSON.stringify(result)}\n`)
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
    return readdirSync(join(this.#data, 'done'))
      .map(Number)
      .sort((a, b) => a - b)
      .map((n) => {
        const text = readFileSync(join(this.#data, 'calls', String(n)), 'utf8')
        const middle = text.indexOf(MARK)
        const stdin = text.slice(middle + MARK.length)
        const pairs = text.slice(0, middle).split('\0').filter(Boolean)
        const env = Object.fromEntries(pairs.map((pair) => [before(pair, '='), pair.slice(pair.indexOf('=') + 1)]))
        return { env, stdin, config: parse(stdin), verb: env['CNI_COMMAND'] ?? '' }
      })
  }

  verbs(): string[] {
    return this.calls().map(({ verb }) => verb)
  }

  /** Forgets the calls, not the addresses. */
  forget(): void {
    for (const name of ['done', 'calls']) {
      rmSync(join(this.#data, name), { recursive: true })
      mkdirSync(join(this.#data, name))
    }
  }

  /** Addresses of the pool that are held, by container and interface (`c1:eth0`). */
  held(): string[] {
    return readdirSync(join(this.#data, 'held')).sort()
  }
}

function before(text: string, separator: string): string {
  return text.slice(0, text.indexOf(separator))
}
