/** The node's list of sysctls that a configuration may set: a regular expression a line. */

import { CniError, ErrorCode, messageOf } from '../../lib/cni/error.js'
import { isErrno } from '../../lib/sys/errno.js'
import { close, open, readAll } from '../../lib/sys/file.js'
import { decodeUtf8 } from '../../lib/sys/text.js'
import { compilePattern, type Matches } from '../../lib/sysctl/pattern.js'

const PATH = '/etc/cni/tuning/allowlist.conf'
const LIMIT = 1 << 20

/** Throws code 7 for a key that no line matches. Without the file everything is allowed, with an empty one nothing. */
export function requireAllowed(keys: readonly string[]): void {
  if (keys.length === 0) return
  const allowed = readAllowList()
  const refused = keys.find((key) => allowed?.some((matches) => matches(key)) === false)
  if (refused === undefined) return
  throw new CniError(
    ErrorCode.InvalidConfig,
    `Sysctl ${refused} is not allowed. Only the following sysctls are allowed: those that a line of ${PATH} matches`,
    `take it out of the configuration, or add a line: ^${refused.split('.').join('\\.')}$`,
  )
}

/** Undefined where there is no list. Throws code 50 where it cannot be read or understood: it must not be passed over. */
export function readAllowList(): Matches[] | undefined {
  const text = read()
  return text?.split('\n').flatMap((line, at) => {
    const pattern = line.trim()
    if (pattern === '') return []
    try {
      return [compilePattern(pattern)]
    } catch (error) {
      throw unusable(`line ${at + 1}, ${JSON.stringify(pattern.slice(0, 100))}: ${messageOf(error)}`)
    }
  })
}

function read(): string | undefined {
  try {
    const fd = open(PATH)
    try {
      const text = decodeUtf8(readAll(fd, LIMIT, PATH))
      if (text === undefined) throw unusable('it is not valid UTF-8')
      return text
    } finally {
      close(fd)
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
    if (isErrno(error, 'EACCES', 'EPERM', 'EISDIR', 'ELOOP', 'EFBIG', 'ENXIO')) throw unusable(messageOf(error))
    throw error
  }
}

function unusable(why: string): CniError {
  return new CniError(
    ErrorCode.NotAvailable,
    `cannot use the allow list of sysctls ${PATH}: ${why}`,
    'correct the file, or remove it to allow all sysctls below net',
  )
}
