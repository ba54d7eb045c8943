/**
 * Runs test files in one process, which prints the TAP of all: loading tap takes a second of processor time.
 *   test-together.js FILE...
 */

import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

for (const file of process.argv.slice(2)) await import(pathToFileURL(resolve(file)).href)
