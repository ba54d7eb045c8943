/** What may be in the place of a file of ours, and is none. */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname } from 'node:path'

/** What is put at a path, and what stderr calls it; no words where the content is what is wrong with it. */
export const ODDITIES: Record<string, { readonly put: (path: string) => void; readonly words?: RegExp }> = {
  'a FIFO': { put: (path) => spawnSync('mkfifo', [path]), words: /FIFO/ },
  'a socket': { put: listen, words: /socket/ },
  'a device that never ends': { put: (path) => spawnSync('mknod', [path, 'c', '1', '5']), words: /large|device/ },
  'a directory': { put: (path) => mkdirSync(path), words: /directory/ },
  'a symbolic link that leads nowhere': { put: (path) => symlinkSync('/nowhere/at/all', path) },
  'a symbolic link that leads to itself': { put: (path) => symlinkSync(path, path), words: /symbolic link/ },
  'a file that is too large': { put: (path) => writeFileSync(path, 'x'.repeat(20 << 20)), words: /larger|too large/ },
  'JSON of another shape': { put: (path) => writeFileSync(path, '{"version":1,"state":"ready","content":7}') },
  'no JSON': { put: (path) => writeFileSync(path, '[[[{') },
  nothing: { put: (path) => writeFileSync(path, '') },
}

function listen(path: string): void {
  const server = createServer().listen(path)
  server.unref()
  // It is there when the kernel has bound it, which is when its name is.
  const deadline = Date.now() + 5000
  while (!existsSync(path) && Date.now() < deadline) spawnSync('true')
}

/** Puts it there, whatever was there. */
export function put(path: string, oddity: keyof typeof ODDITIES): void {
  rmSync(path, { recursive: true, force: true })
  mkdirSync(dirname(path), { recursive: true })
  ODDITIES[oddity]?.put(path)
}
