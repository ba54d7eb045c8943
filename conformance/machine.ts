/**
 * Nothing that is written below /etc, /run, /tmp and /var reaches the machine: in this process's mount namespace, which
 * must be private, a file system over each shows what the machine has and keeps what is changed, where it can be listed.
 */

import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { entryLine } from './snapshot.js'

const ROOTS = ['/etc', '/run', '/tmp', '/var']

/** Locks of tools, which are no state of the plugin that runs them: iptables makes one. */
const LOCKS = ['/run/xtables.lock']

interface Layer {
  readonly path: string
  /** What has been written. */
  readonly upper: string
  /** The machine's own. */
  readonly lower: string
}

const layers: Layer[] = []
/** Directories that began empty, by the paths they were given by; where that leads without symbolic links. */
const hidden = new Map<string, string>()
let initial: ReadonlySet<string> = new Set()

/** `store`, a directory, is an empty file system afterwards, but for what is kept in its `machine`. */
export function protectMachine(store: string): void {
  const roots = ROOTS.filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isDirectory())
  const mounts = mountsBelow(roots)
  mount('-t', 'tmpfs', '-o', 'mode=0755', 'suite', store)
  // A layer over the store's own parent takes its path away until the end; from here it can be reached.
  process.chdir(store)
  for (const path of roots) {
    mkdirSync(aside(path), { recursive: true })
    mount('--rbind', path, join(store, aside(path)))
  }
  for (const path of roots) if (!cover(path, store)) lock(path)
  // What is mounted below does not show through, and has to come again.
  for (const path of mounts) show(path, store)
  mkdirSync(store, { recursive: true })
  mount('--no-canonicalize', '--bind', '.', store)
  process.chdir('/')
  initial = new Set(writtenLines())
}

function aside(path: string): string {
  return join('machine/aside', path)
}

/** Whether a file system could be laid over `path`. */
function cover(path: string, store: string): boolean {
  // The characters that mean something in the options.
  if (/[\\:,]/.test(path)) return false
  const kept = `machine/${layers.length}`
  for (const name of ['upper', 'work']) mkdirSync(join(kept, name), { recursive: true })
  const options = `lowerdir=${aside(path)},upperdir=${kept}/upper,workdir=${kept}/work`
  if (tryMount('-t', 'overlay', '-o', options, 'suite', path) !== '') return false
  layers.push({ path, upper: join(store, kept, 'upper'), lower: join(store, aside(path)) })
  return true
}

/** Where the kernel has no such file system the machine's is read-only. */
function lock(path: string): void {
  mount('--bind', path, path)
  mount('-o', 'remount,bind,ro', path)
  console.error(`${path} is read-only for the plugins: this kernel lays no overlay over it`)
}

/** A directory of the machine's that is a mount gets a layer of its own; one that can have none stays away. */
function show(path: string, store: string): void {
  if (!layers.some((layer) => isBelow(path, layer.path))) return
  const stat = lstatSync(aside(path), { throwIfNoEntry: false })
  if (stat?.isDirectory() && existsSync(path)) cover(path, store)
  else if (stat?.isFile()) {
    try {
      copyFileSync(aside(path), path)
    } catch {
      // A namespace, which cannot be read.
    }
  }
}

/** Directories and files below `roots` at which something is mounted, the outer first. */
function mountsBelow(roots: readonly string[]): string[] {
  const paths = readFileSync('/proc/self/mountinfo', 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .map((path) => path.replace(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8))))
  return [...new Set(paths)].filter((path) => roots.some((root) => isBelow(path, root))).sort()
}

/** An empty file system over `path`, which is made where it is not there and nothing of it reaches the machine. */
export function hide(path: string): void {
  if (hidden.has(path)) return
  if (!existsSync(path)) {
    if (!isOurs(path)) throw new Error(`${path} is not there to be hidden from the plugin: make an empty directory`)
    mkdirSync(path, { recursive: true })
  }
  const real = realpathSync(path)
  if (![...hidden.values()].some((other) => isBelow(real, other))) {
    mount('-t', 'tmpfs', '-o', 'mode=0755', 'suite', path)
  }
  hidden.set(path, real)
}

/** Whether what is made at `path` is not made on the machine. */
function isOurs(path: string): boolean {
  let parent = dirname(path)
  while (!existsSync(parent)) parent = dirname(parent)
  const real = realpathSync(parent)
  const ours = [...layers.map((layer) => layer.path), ...hidden.values()]
  return ours.some((one) => real === one || isBelow(real, one))
}

/** Takes away what is in a directory, if it is a hidden one. */
export function empty(path: string): void {
  if (!hidden.has(path) || !existsSync(path)) return
  for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true, force: true })
}

/** What differs from the machine's files, as lines of a snapshot; hidden directories are not in it. */
export function writtenLines(): string[] {
  return layers.flatMap(({ path, upper, lower }) => linesBelow(path, upper, lower)).filter((line) => !initial.has(line))
}

function linesBelow(path: string, upper: string, lower: string): string[] {
  return readdirSync(upper, { withFileTypes: true }).flatMap((entry) => {
    const [name, own, before] = [join(path, entry.name), join(upper, entry.name), join(lower, entry.name)]
    if (LOCKS.includes(name)) return []
    // How an overlay keeps that there is nothing any more.
    if (entry.isCharacterDevice()) return [`file ${name} removed`]
    const line = entryLine(own, name) ?? ''
    const isKnown = line === entryLine(before, name) || [...hidden.values()].some((one) => isBelow(`${one}/`, name))
    const more = entry.isDirectory() ? linesBelow(name, own, before) : []
    return isKnown ? more : [line, ...more]
  })
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(`${directory}/`)
}

function mount(...args: string[]): void {
  const said = tryMount(...args)
  if (said !== '') throw new Error(`mount ${args.join(' ')}: ${said}`)
}

/** What `mount` said where it failed. */
function tryMount(...args: string[]): string {
  const { status, stderr, error } = spawnSync('mount', ['-n', ...args], { encoding: 'utf8' })
  return status === 0 ? '' : (error?.message ?? stderr.trim()) || `status ${status}`
}
