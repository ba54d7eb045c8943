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
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
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
/** Directories that are ours alone, while what is in them is the machine's. */
const imitated = new Set<string>()
let storage = ''
let initial: ReadonlySet<string> = new Set()

/** `store`, a directory, is an empty file system afterwards, but for what is kept in its `machine`. */
export function protectMachine(store: string): void {
  const roots = ROOTS.filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isDirectory())
  const mounts = mountsBelow(roots)
  mount('-t', 'tmpfs', '-o', 'mode=0755', 'suite', store)
  storage = store
  process.chdir(store)
  for (const path of roots) {
    mkdirSync(aside(path), { recursive: true })
    mount('--rbind', path, aside(path))
  }
  const bare = roots.filter((path) => !cover(path))
  // What is mounted below does not show through, and has to come again.
  for (const path of mounts) show(path)
  for (const path of bare) {
    imitate(path)
    console.error(`no overlay can be laid over ${path}: what plugins write there is not watched`)
  }
  returnTo(store)
  initial = new Set(writtenLines())
}

/** The store by its path, where a layer has taken it away: until then it is reached from the working directory. */
function returnTo(path: string): void {
  mkdirSync(path, { recursive: true })
  mount('--bind', '.', path)
  process.chdir('/')
}

function aside(path: string): string {
  return join('machine/aside', path)
}

/** Whether a file system could be laid over `path`. */
function cover(path: string): boolean {
  // The characters that mean something in the options.
  if (/[\\:,]/.test(path)) return false
  const kept = `machine/${layers.length}`
  for (const name of ['upper', 'work']) mkdirSync(join(kept, name), { recursive: true })
  const options = `lowerdir=${aside(path)},upperdir=${kept}/upper,workdir=${kept}/work`
  if (tryMount('-t', 'overlay', '-o', options, 'suite', path) !== '') return false
  layers.push({ path, upper: join(storage, kept, 'upper'), lower: join(storage, aside(path)) })
  return true
}

/**
 * Where no layer can be laid, for want of overlays or, without root, over a directory in which there are mounts: a file
 * system with the same names, each the machine's own and read-only. One that cannot be had so is empty.
 */
function imitate(path: string): void {
  const from = `machine/imitated-${imitated.size}`
  imitated.add(path)
  mkdirSync(from, { recursive: true })
  mount('--rbind', path, from)
  mount('-t', 'tmpfs', '-o', `mode=${(statSync(path).mode & 0o7777).toString(8)}`, 'suite', path)
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [machines, ours] = [join(from, entry.name), join(path, entry.name)]
    if (entry.isSymbolicLink()) symlinkSync(readlinkSync(machines), ours)
    else if (entry.isDirectory()) mkdirSync(ours)
    else if (entry.isFile()) writeFileSync(ours, '')
    if (!entry.isDirectory() && !entry.isFile()) continue
    if (tryMount('--bind', machines, ours) !== '') continue
    if (tryMount('-o', 'remount,bind,ro', ours) !== '') spawnSync('umount', ['-n', '-l', ours])
  }
}

/** A directory of the machine's that is a mount gets a layer of its own; one that can have none stays away. */
function show(path: string): void {
  if (!layers.some((layer) => isBelow(path, layer.path))) return
  const stat = lstatSync(aside(path), { throwIfNoEntry: false })
  if (stat?.isDirectory() && existsSync(path)) cover(path)
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

/** An empty file system over `path`, which is made where it is not there, and not on the machine. */
export function hide(path: string): void {
  if (hidden.has(path)) return
  if (!existsSync(path)) {
    const parent = existingParent(path)
    if (parent === '/') throw new Error(`${path} cannot be hidden from the plugin: there is no /${path.split('/')[1]}`)
    if (!isOurs(parent)) {
      process.chdir(storage)
      imitate(parent)
      returnTo(storage)
    }
    mkdirSync(path, { recursive: true })
  }
  const real = realpathSync(path)
  if (![...hidden.values()].some((other) => isBelow(real, other))) {
    mount('-t', 'tmpfs', '-o', 'mode=0755', 'suite', path)
  }
  hidden.set(path, real)
}

function existingParent(path: string): string {
  const parent = dirname(path)
  return existsSync(parent) ? realpathSync(parent) : existingParent(parent)
}

/** Whether what is made in a directory is not made on the machine. */
function isOurs(directory: string): boolean {
  const whole = [...layers.map(({ path }) => path), ...hidden.values()]
  return imitated.has(directory) || whole.some((one) => directory === one || isBelow(directory, one))
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

/** What `mount` said where it failed. Relative paths stay so. */
function tryMount(...args: string[]): string {
  const { status, stderr, error } = spawnSync('mount', ['-n', '--no-canonicalize', ...args], { encoding: 'utf8' })
  return status === 0 ? '' : (error?.message ?? stderr.trim()) || `status ${status}`
}
