/** resolv.conf(5), as far as a result's `dns` can carry it. */

import { CniError, type ErrorCode, messageOf } from '../../lib/cni/error.js'
import type { Dns } from '../../lib/cni/result.js'
import { readContent } from '../../lib/sys/content.js'
import { isErrno } from '../../lib/sys/errno.js'

const LIMIT = 1 << 20

/** The file that the configuration names; throws `code` where it is absent, odd or not to be read. */
export function readResolvConf(path: string, code: ErrorCode): Uint8Array {
  const refuse = (why: string) =>
    new CniError(code, `failed to get DNS: ${why}`, `ipam.resolvConf names this file: ls -l '${path}'`)
  let content: Uint8Array | undefined
  try {
    content = readContent(path, LIMIT, { configured: true })
  } catch (error) {
    throw isErrno(error, 'EACCES', 'EPERM') ? refuse(messageOf(error)) : error
  }
  if (content === undefined) throw refuse(`there is no file ${path}`)
  return content
}

/**
 * One name server a line; the last `domain` wins; `search` and `options` add up over lines, as the
 * reference has it.
 */
export function parseResolvConf(text: string): Dns {
  const nameservers: string[] = []
  const search: string[] = []
  const options: string[] = []
  let domain = ''
  for (const line of text.split('\n')) {
    const [keyword = '', ...values] = fieldsOf(line)
    if (keyword.startsWith('#') || keyword.startsWith(';') || values.length === 0) continue
    if (keyword === 'nameserver') nameservers.push(values[0] ?? '')
    else if (keyword === 'domain') domain = values[0] ?? ''
    else if (keyword === 'search') search.push(...values)
    else if (keyword === 'options') options.push(...values)
  }
  return {
    ...(nameservers.length === 0 ? {} : { nameservers }),
    ...(domain === '' ? {} : { domain }),
    ...(search.length === 0 ? {} : { search }),
    ...(options.length === 0 ? {} : { options }),
  }
}

/** Words between blanks of any kind. */
function fieldsOf(line: string): string[] {
  const fields: string[] = []
  let field = ''
  for (const character of line) {
    if (character.trim() !== '') field += character
    else if (field !== '') {
      fields.push(field)
      field = ''
    }
  }
  if (field !== '') fields.push(field)
  return fields
}
