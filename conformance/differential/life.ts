/**
 * One case under one program: a shell script in network and mount namespaces of its own, which makes the calls
 * that a runtime makes and prints what came of each.
 */

import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LINK_SYSCTLS, SYSCTLS } from '../../lib/testing/kernel-state.js'
import { quoted } from '../../lib/testing/shell.js'
import type { Step } from './factor.js'
import { DIRECTORY } from './factors/common.js'
import type { Case } from './generate.js'
import { probeLines, surroundings } from './probes.js'

/** What a life printed: by section its lines. The same name twice becomes `DEL#2`. */
export type Sections = ReadonlyMap<string, string>

const MARK = '\u0001'
/** Calls of plugins, and probes that wait, together. */
const PATIENCE = 120_000

/** Runs a case in `directory`, which it makes anew. */
export async function live(what: Case, bin: string, directory: string): Promise<Sections> {
  mkdirSync(directory, { recursive: true })
  const inPlace = (text: string) => text.replaceAll(DIRECTORY, directory)
  for (const [at, { text, whole }] of what.plugins.entries()) {
    const config = inPlace(text)
    writeFileSync(join(directory, `config.${at}`), whole ? config : config.slice(0, config.lastIndexOf('}')))
  }
  for (const [name, text] of Object.entries({ look: LOOK, batch: BATCH, result: ',"prevResult":', end: '}' })) {
    writeFileSync(join(directory, name), text)
  }
  return sectionsOf(await run(scriptOf(what, bin, directory)))
}

function sectionsOf(output: string): Sections {
  const sections = new Map<string, string>()
  for (const part of output.split(MARK).slice(1)) {
    const end = part.indexOf('\n')
    const title = part.slice(0, end)
    let name = title
    for (let n = 2; sections.has(name); n++) name = title.replace(/ (\w+)$/, `#${n} $1`)
    sections.set(name, part.slice(end + 1))
  }
  return sections
}

/** Printed by `state` for the host and for the container; lib/testing/kernel-state.ts reads it. */
const LOOK = `
ip -j -d -batch $D/batch
bridge -j vlan show; echo
tc -j qdisc show >$D/qdiscs; cat $D/qdiscs; echo
case "$(cat $D/qdiscs)" in *'"ingress"'*)
  for link in /proc/sys/net/ipv4/conf/veth*; do
    [ -e $link ] && tc -j filter show dev \${link##*/} parent ffff: 2>/dev/null && echo
  done ;;
esac
grep -Hs . ${SYSCTLS.map((path) => `/proc/sys/${path}`).join(' ')} ${LINK_SYSCTLS.map((path) => `/proc/sys/${path.replace('LINK', '*')}`).join(' ')}
true
`

const BATCH = 'link show\naddr show\nroute show table all\nneigh show nud permanent\n'

function scriptOf(what: Case, bin: string, directory: string): string {
  const { env, setup, steps, plugins, probes } = what
  const variables = Object.entries(env).map(
    ([name, value]) => `export ${name}=${quoted(value.replaceAll('$BIN', bin).replaceAll(DIRECTORY, directory))}`,
  )
  const types = plugins.map(({ type }, at) => `T${at}=${type} W${at}=${plugins[at]?.whole ? 'yes' : ''}`)
  const numbers = plugins.map((_, at) => at)
  return `
    export D=${directory} PATH=/usr/sbin:/usr/bin:/sbin:/bin
    data=$D/data BIN=${bin} BRIDGE=${quoted(bridgeOf(what))} OLD=${isOld(what) ? 'yes' : ''}
    ${types.join('\n')}
    mount -t tmpfs none /var/lib/cni
    FORWARDS='${numbers.join(' ')}' BACKWARDS='${numbers.toReversed().join(' ')}'
    cd $D
    new() { : >$D/$1; unshare --net=$D/$1 true; }
    inside() { nsenter --net=$D/pod -- "$@"; }
    mark() { printf '\\001%s\\n' "$1"; }
    new pod; ip link set lo up
    ${variables.join('\n')}
    NS=$CNI_NETNS ID=$CNI_CONTAINERID
    ${FUNCTIONS}
    mark 'SETUP output'
    { true
      ${surroundings(probes)}
      ${setup.join('\n')}
    } 2>&1
    ${steps.map((step) => `${lineOf(step)}${step === 'ADD' ? probed(probes) : ''}`).join('\n')}
    mark 'END output'
    nft list tables
    find $D/state -type f 2>/dev/null
    kill $SERVERS 2>/dev/null
    true`
}

function probed(probes: Case['probes']): string {
  const lines = probeLines(probes)
  if (lines === '') return ''
  return `
    if [ "$status" = 0 ] && [ ! "$probed" ]; then
      probed=yes; mark 'PROBE output'
      { ${lines}
      } 2>/dev/null
    fi`
}

/** How each call is made and told. A DEL and a CHECK get the result of ADD, from 0.4.0 on. */
const FUNCTIONS = `
    state() { sh $D/look; echo '#container'; if [ -e $D/pod ]; then inside sh $D/look; fi; }
    leases() {
      for dir in $D/data $D/made/on/the/way /var/lib/cni/networks; do
        [ -d $dir ] || continue
        cd $dir
        find . -mindepth 1 -path ./.flatnet -prune -o -printf '%P %y %m\n' >$D/found
        while read -r name kind mode; do
          content=''
          if [ $kind = f ]; then
            while IFS= read -r line; do content="$content$line~"; done <$name
            content=$content$line
          fi
          echo "$name $kind $mode $content"
        done <$D/found
        cd $D
      done
    }
    call() { # command, plugin, previous result
      eval type=\\$T$2 whole=\\$W$2
      number=$((number + 1))
      if [ "$whole" ]; then in=$D/config.$2
      elif [ "$3" ]; then in=$D/in; cat $D/config.$2 $D/result $3 $D/end >$in
      else in=$D/in; cat $D/config.$2 $D/end >$in; fi
      CNI_COMMAND=$1 $BIN/$type <$in >$D/out.$number 2>>$D/err
      status=$?
    }
    all() { # label, command, previous result
      previous=$3 worst=0 failing=-
      if [ $2 = DEL ]; then order=$BACKWARDS; else order=$FORWARDS; fi
      for at in $order; do
        call $2 $at "$previous"
        if [ $status != 0 ]; then
          [ $worst = 0 ] && worst=$status answer=$D/out.$number failing=$at
          [ $2 = DEL ] || break
        elif [ $2 = ADD ]; then previous=$D/out.$number; fi
      done
      [ $worst = 0 ] && answer=$D/out.$number
      status=$worst
      mark "$1 call"; echo $status $failing; cat $answer
    }
    see() { mark "$1 state"; state; mark "$1 leases"; leases; }
    add() { # label, container, namespace, which
      export CNI_CONTAINERID="$2" CNI_NETNS="$3"
      all $1 ADD ''
      if [ $status = 0 ]; then eval final$4=$answer; elif [ $1 != AGAIN ]; then eval final$4=; fi
      see $1
    }
    late() { # label, command, container, namespace, which
      export CNI_CONTAINERID="$3" CNI_NETNS="$4"
      given=
      [ "$OLD" ] || eval given=\\$final$5
      all "$1" $2 "$given"
      [ $2 = DEL ] && see "$1"
    }`

function lineOf(step: Step): string {
  const lines: Readonly<Record<Step, string>> = {
    ADD: 'add ADD "$ID" "$NS" 1',
    AGAIN: 'add AGAIN "$ID" "$NS" 1',
    OTHER: 'new other; add OTHER c2 $D/other 2',
    CHECK: 'if [ ! "$OLD" ] && [ "$final1" ]; then late CHECK CHECK "$ID" "$NS" 1; fi',
    STATUS: 'export CNI_CONTAINERID="$ID" CNI_NETNS="$NS"; all STATUS STATUS ""',
    DEL: 'late DEL DEL "$ID" "$NS" 1; final1=',
    'DEL twice': 'late DEL DEL "$ID" "$NS" 1',
    'OTHER DEL': "late 'OTHERDEL' DEL c2 $D/other 2",
    'DEL netnsless': 'late DEL DEL "$ID" "" 1',
    // The kernel takes the pair down by itself, a moment after the last process in there.
    'DEL gone': `{ kill $SERVERS && wait $SERVERS; } 2>/dev/null
      umount -l $D/pod; rm -f $D/pod
      for wait in $(seq 600); do ip -o link show type veth | grep -Ev 'up0|v9' | grep -q . || break; sleep 0.05; done
      late DEL DEL "$ID" "$NS" 1`,
  }
  return lines[step]
}

function bridgeOf({ plugins }: Case): string {
  try {
    const name = JSON.parse(plugins[0]?.text ?? '').bridge
    return typeof name === 'string' && name !== '' ? name : 'cni0'
  } catch {
    return 'cni0'
  }
}

/** Before 0.4.0 there is no CHECK, and no result for DEL. */
function isOld({ values }: Case): boolean {
  const [, version = ''] = [...values].find((one) => one.startsWith('cniVersion='))?.split('=') ?? []
  return !['0.4.0', '1.0.0', '1.1.0'].includes(version)
}

function run(script: string): Promise<string> {
  // As one command, so that nothing inside reads the rest of it.
  const child = spawn('unshare', ['--net', '--mount', '--propagation', 'private', '--', 'sh'], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '' },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdin.end(`{ ${script}\n} </dev/null\n`)
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE)
  return new Promise((done, fail) => {
    child.on('error', fail)
    child.on('close', (code) => {
      clearTimeout(timer)
      if (code === 0) done(stdout)
      else fail(new Error(`the script ended with ${code}\n${stdout.slice(-2000)}\n${stderr.slice(-2000)}`))
    })
  })
}
