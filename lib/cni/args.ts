/**
 * CNI_ARGS: `KEY=value;KEY=value`. https://www.cni.dev/docs/conventions/#cni_args
 *
 * Every plugin of a chain gets the same text, each with keys of its own, so an unknown key is never an
 * error here: the Kubernetes keys reach plugins that never heard of them.
 */

import { plain } from '../sys/text.js'
import { CniError, ErrorCode } from './error.js'

const BOOLEANS = ['1', '0', 'true', 'false']

/**
 * The pairs of CNI_ARGS; keys are case-sensitive, the last of equal keys wins. Throws code 4 for what is no
 * pair, and for an IgnoreUnknown that is no boolean; with `lenient` (a plugin that reads none of them) leaves it out.
 */
export function parseArgs(text: string, lenient = false): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>()
  for (const pair of text.split(';')) {
    if (pair === '') continue
    const at = pair.indexOf('=')
    if (at <= 0) {
      if (lenient) continue
      throw invalid(
        `invalid pair ${JSON.stringify(pair)}`,
        'CNI_ARGS is a list of KEY=value pairs joined by semicolons',
      )
    }
    const key = pair.slice(0, at)
    const value = pair.slice(at + 1)
    if (key === 'IgnoreUnknown' && !lenient && !BOOLEANS.includes(value.toLowerCase())) {
      throw invalid(`IgnoreUnknown is ${JSON.stringify(value)}`, `IgnoreUnknown is one of ${BOOLEANS.join(', ')}`)
    }
    pairs.set(key, value)
  }
  return pairs
}

function invalid(what: string, how: string): CniError {
  return new CniError(ErrorCode.InvalidEnvironment, `invalid CNI_ARGS: ${what}`, how)
}

/** `namespace/name` of the pod, where the runtime said so; otherwise `''`. In plain characters: it goes into names and comments. */
export function podName(args: ReadonlyMap<string, string>): string {
  const name = args.get('K8S_POD_NAME') ?? ''
  const namespace = args.get('K8S_POD_NAMESPACE') ?? ''
  return name === '' ? '' : plain(namespace === '' ? name : `${namespace}/${name}`)
}
