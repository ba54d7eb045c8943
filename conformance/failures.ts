/** Failures any plugin can be brought to, for what must hold of every failure. */

import type { Answer } from './call.js'
import type { Context } from './context.js'
import { isObject } from './json.js'

/**
 * Answers to calls that must fail: environment, input, name, version, namespace, prevResult, meaning. Calls that
 * succeeded are not among them: whether they may is the question of other cases.
 */
export function failures(t: Context): Answer[] {
  const attachment = t.attachment()
  const answers = [
    attachment.add({ env: { CNI_CONTAINERID: '' } }),
    attachment.add({ env: { CNI_IFNAME: 'a/b' } }),
    attachment.call('UPDATE', { config: attachment.config('ADD') }),
    attachment.add({ stdin: '{' }),
    ...configured(t, attachment),
    attachment.add({ config: { cniVersion: '9.9.9', prevResult: undefined } }),
  ]
  // An IPAM plugin has no business in the container.
  if (t.plugin.kind !== 'ipam') answers.push(attachment.add({ netns: '/run/netns/no-such-namespace' }))
  return answers.filter(hasFailed)
}

function hasFailed({ status, json }: Answer): boolean {
  return status !== 0 || (isObject(json) && 'code' in json)
}

/** Failures of calls whose configuration could be read, so that the plugin knows the version. */
export function configuredFailures(t: Context): Answer[] {
  return configured(t, t.attachment()).filter(hasFailed)
}

function configured(t: Context, attachment: ReturnType<Context['attachment']>): Answer[] {
  const answers = [attachment.add({ config: { name: undefined } }), attachment.add({ config: { name: '../x' } })]
  if (t.since('0.4.0')) answers.push(attachment.check({ config: { prevResult: undefined } }))
  for (const fault of Object.values(t.plugin.faults ?? {})) answers.push(attachment.add({ config: fault }))
  return answers
}
