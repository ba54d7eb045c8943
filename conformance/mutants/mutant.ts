/** A plugin that breaks one requirement: a shell script around a good plugin, and what scripts are made of. */

export interface Mutant {
  /** What is wrong with it. */
  readonly name: string
  /** The good plugin's executable. */
  readonly plugin: string
  /** The requirement that is broken: one of its cases must fail. */
  readonly breaks: string
  /** Requirements that cannot be kept either where this one is broken, each with the reason. */
  readonly also?: Readonly<Record<string, string>>
  /** The version at which the cases of other requirements are run; default the newest. */
  readonly version?: string
  /**
   * Lines of bash in place of the plugin, in the host's namespace. `good` is the good plugin on the
   * script's stdin, `inside` runs a command in the container's namespace, and `$memory` is a number of the
   * host's namespace, 64 at first, that no snapshot has. What the lines do not handle goes to the good plugin.
   * `$under` is a command that runs the good plugin: `ELSEWHERE` has it do what it does in a host's namespace of no use.
   */
  readonly script: string
}

export const PRELUDE = `inside() { nsenter --net="$CNI_NETNS" -- "$@"; }
memory=/proc/sys/net/ipv4/ip_default_ttl`

/** From here on the good plugin forgets what it has in files, and reaches nothing of the host's kernel. */
export const ELSEWHERE = "under='unshare --net'"

/** A stdin that is closed stays one that cannot be read; bash would have a pipe of its own in its place. */
const OPENED = '[ -e /proc/self/fd/0 ] || exec 0>/dev/null'

/** Lines with stdin in `$in`. What cannot be read goes to the good plugin at once. */
export function reading(verbs: string, then: string): string {
  return `case $CNI_COMMAND in ${verbs})
  [ ! -d /proc/self/fd/0 ] || good || exit
  ${OPENED}
  in=$(cat; echo .); in=\${in%.}
${then}
  printf %s "$in" | good; exit
esac`
}

/** What is done where stdin holds a text; else the input goes on. */
export function where(text: string, then: string, verbs = 'ADD|DEL|CHECK'): string {
  return reading(verbs, `  case $in in *'${text}'*) ${then} ;; esac`)
}

/** The good plugin on `$in` with its stdout through sed, its status kept: for `where` and `reading`. */
export function through(sed: string): string {
  return `out=$(printf %s "$in" | good); s=$?; printf '%s\\n' "$out" | sed '${sed}'; exit $s`
}

/** The good plugin with its stdin through sed. */
export function input(sed: string, verbs = 'ADD|DEL|CHECK'): string {
  return reading(verbs, `  printf %s "$in" | sed '${sed}' | good; exit`)
}

/** The good plugin with its stdout through sed, its status kept. */
export function answer(sed: string, verbs = 'ADD'): string {
  return after(`out=$(printf '%s' "$out" | sed '${sed}')`, verbs)
}

/** As `answer`, for failures only. */
export function failure(sed: string, verbs = 'ADD|DEL|CHECK'): string {
  return after(`[ $s -eq 0 ] || out=$(printf '%s' "$out" | sed '${sed}')`, verbs)
}

/** Lines that are run when the good plugin has ended, with its answer in `$out` and its status in `$s`. */
export function after(then: string, verbs = 'ADD'): string {
  return `case $CNI_COMMAND in ${verbs})
  ${OPENED}
  out=$(good); s=$?
  ${then}
  [ -z "$out" ] || printf '%s\\n' "$out"
  exit $s
esac`
}

/** An error object. */
export function error(code: number, msg = 'no'): string {
  return `{"cniVersion":"1.1.0","code":${code},"msg":"${msg}"}`
}

export function refuse(code: number, msg = 'no'): string {
  return `echo '${error(code, msg)}'; exit 1`
}

/** A link on the host that nobody takes away. */
export const LITTER = 'ip link add litter0 type bridge 2>/dev/null'
