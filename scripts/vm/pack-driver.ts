/**
 * Packs a compiled driver of a test behind the engine, for a test that runs where that takes minutes: in the virtual machine.
 *   pack-driver.js MODULE DIRECTORY
 */

import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { packForEngine } from '../../lib/testing/engine.js'

const [, , module = '', directory = ''] = process.argv
mkdirSync(directory, { recursive: true })
await packForEngine(resolve(module), resolve(directory), 'driver')
