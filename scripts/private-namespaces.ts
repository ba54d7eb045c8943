/** A program that builds networks runs where nothing it builds is the machine's: in namespaces of its own. */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

const INSIDE = 'FLATNET_PRIVATE_NAMESPACES'

/**
 * Starts this program again in a network and a mount namespace of its own, with an empty directory at
 * each of `hidden`, and ends with its status; returns where that has been done. Without root it is a user
 * namespace in which we are root. All of it is gone with the last process, however that ends.
 */
export function enterPrivateNamespaces(hidden: readonly string[]): void {
  if (process.env[INSIDE] === undefined) process.exit(startInside())
  for (const path of hidden) hide(path)
  run('ip', 'link', 'set', 'lo', 'up')
}

function startInside(): number {
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']
  const unshare = [...user, '--net', '--mount', '--propagation', 'private', '--']
  if (spawnSync('unshare', [...unshare, 'true']).status !== 0) {
    console.error('This kernel gives no namespaces to this user: run it as root')
    return 1
  }
  const program = [...unshare, process.execPath, ...process.execArgv, ...process.argv.slice(1)]
  const { status } = spawnSync('unshare', program, { stdio: 'inherit', env: { ...process.env, [INSIDE]: '1' } })
  return status ?? 1
}

/**
 * An empty file system over `path`; where it does not exist, over its parent, so that none is left behind. For use
 * inside only.
 */
export function hide(path: string): void {
  let over = path
  while (!existsSync(over)) over = dirname(over)
  run('mount', '-t', 'tmpfs', '-o', 'mode=0755', 'flatnet', over)
  mkdirSync(path, { recursive: true })
}

function run(program: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr.trim()}`)
}
