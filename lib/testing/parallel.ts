/** Many calls of plugins at one moment. */

import { spawn } from 'node:child_process'
import { type Answer, BIN, type Call, environment, type Json } from './cni.js'

/**
 * Runs all calls at once. Each process is started with its stdin still open, and all are told their
 * configuration when the last one is there, so that they really meet.
 */
export function callAll(requests: readonly Call[]): Promise<Answer[]> {
  const started = requests.map(start)
  for (const { go } of started) go()
  return Promise.all(started.map(({ answer }) => answer))
}

/** Runs one call while others run. */
export function callAsync(request: Call): Promise<Answer> {
  const { go, answer } = start(request)
  go()
  return answer
}

function start(request: Call): { readonly go: () => void; readonly answer: Promise<Answer> } {
  const type = (request.config as { type: string }).type
  const executable = `${(request.bin ?? BIN).split(':')[0]}/${type}`
  const child = spawn('nsenter', [`--net=${request.host.path}`, '--', executable], { env: environment(request) })
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
    })
  }
  child.stdin.on('error', () => undefined) // it ended without reading: its status says why
  const answer = new Promise<Answer>((done, fail) => {
    child.on('error', fail)
    child.on('close', (code) => done({ status: code ?? 128, ...output, json: parse(output.stdout) }))
  })
  return { go: () => child.stdin.end(request.stdin ?? JSON.stringify(request.config)), answer }
}

function parse(text: string): Json {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
