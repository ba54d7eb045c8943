/** What an answer must be. Each throws `Failure` with what was seen. */

import type { Answer } from './call.js'
import { Failure } from './case.js'
import { equal, isObject, type Json } from './json.js'

export function fail(message: string): never {
  throw new Failure(message)
}

/** `message` says what should have held. */
export function check(condition: unknown, message: string): asserts condition {
  if (!condition) fail(message)
}

export function same(actual: Json, expected: Json, message: string): void {
  if (!equal(actual, expected)) fail(`${message}: ${show(actual)}, expected ${show(expected)}`)
}

export function show(value: Json): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 600 ? `${text.slice(0, 600)}…` : text
}

/** Status, streams: for messages. */
export function seen({ what, status, signal, stdout, stderr }: Answer): string {
  const end = signal === null ? `status ${status}` : `ended by ${signal}`
  return `${what}: ${end}, stdout ${clip(stdout)}, stderr ${clip(stderr)}`
}

function clip(text: string): string {
  return text === '' ? 'empty' : JSON.stringify(text.length > 400 ? `${text.slice(0, 400)}…` : text)
}

/** OK(R): status 0 and one JSON object; the result. */
export function ok(answer: Answer): Json {
  if (answer.status !== 0 || !isObject(answer.json)) fail(`expected success with a result; ${seen(answer)}`)
  if (Object.hasOwn(answer.json, 'code')) fail(`expected a result, not an error; ${seen(answer)}`)
  return answer.json
}

/** OK0: status 0 and nothing on stdout. */
export function ok0(answer: Answer): void {
  if (answer.status !== 0 || answer.stdout !== '') fail(`expected success without output; ${seen(answer)}`)
}

/** Status 0, whatever is on stdout: for calls that only prepare or clean up. */
export function done(answer: Answer): Answer {
  if (answer.status !== 0) fail(`expected success; ${seen(answer)}`)
  return answer
}

/** ERR(codes): a failure and one error object; any code where none is given. The object. */
export function err(answer: Answer, ...codes: number[]): Json {
  const { status, json, signal } = answer
  if (signal !== null) fail(`expected an error object, but a signal came; ${seen(answer)}`)
  if (status === 0) fail(`expected a failure; ${seen(answer)}`)
  if (!isObject(json)) fail(`expected one JSON error object on stdout; ${seen(answer)}`)
  const { code, msg } = json
  if (!Number.isInteger(code) || typeof msg !== 'string' || msg === '') {
    fail(`expected an integer code and a msg; ${seen(answer)}`)
  }
  if (codes.length > 0 && !codes.includes(code)) fail(`expected code ${codes.join(' or ')}; ${seen(answer)}`)
  return json
}

/** Either outcome, as long as it is a well-formed one. True where it succeeded. */
export function wellFormed(answer: Answer): boolean {
  if (answer.status !== 0) {
    err(answer)
    return false
  }
  if (answer.stdout !== '') ok(answer)
  return true
}
