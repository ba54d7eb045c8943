/** IFLA_LINKINFO: a link's kind, what the kind adds, and what it is as a port (include/uapi/linux/if_link.h). */

import { attributes } from '../codec/attributes.js'
import { eachAttribute, readerOf } from '../codec/reader.js'
import { type AttributeType, bareText, writeAttribute } from '../codec/types.js'
import { linkFields } from './attributes.js'
import { kindOf, type LinkData, type LinkSpec } from './kinds.js'
import { type BridgePort, bridgePort } from './port.js'

const IFLA_INFO_KIND = 1
const IFLA_INFO_DATA = 2
const IFLA_INFO_SLAVE_KIND = 4
const IFLA_INFO_SLAVE_DATA = 5

interface LinkInfo {
  readonly kind?: string
  /** To be written: what of the kind's data to set. */
  readonly spec?: Partial<LinkSpec>
  /** As read. */
  readonly data?: LinkData | undefined
  readonly port?: BridgePort | undefined
}

const linkInfo: AttributeType<LinkInfo> = {
  write(writer, { kind, spec }) {
    if (kind === undefined) return
    writeAttribute(writer, IFLA_INFO_KIND, bareText, kind)
    if (spec === undefined) return
    const at = writer.open(IFLA_INFO_DATA)
    kindOf(kind)?.write?.(writer, spec)
    if (writer.length === at + 4) writer.length = at
    else writer.close(at)
  },
  read(reader, start, end) {
    let kind: string | undefined
    let portKind = ''
    // Some forty attributes each, and most callers want neither: copied, and decoded when asked for.
    let data: Uint8Array | undefined
    let port: Uint8Array | undefined
    // The kernel sends each kind before its data.
    eachAttribute(reader, start, end, (number, from, to) => {
      if (number === IFLA_INFO_KIND) kind = bareText.read(reader, from, to)
      else if (number === IFLA_INFO_SLAVE_KIND) portKind = bareText.read(reader, from, to)
      else if (number === IFLA_INFO_SLAVE_DATA && portKind === 'bridge') port = reader.bytes.slice(from, to)
      else if (number === IFLA_INFO_DATA) data = reader.bytes.slice(from, to)
    })
    return {
      ...(kind === undefined ? {} : { kind }),
      get data() {
        if (kind === undefined || data === undefined) return undefined
        return kindOf(kind)?.read?.(readerOf(data), 0, data.length)
      },
      get port() {
        return port === undefined ? undefined : bridgePort.read(readerOf(port), 0, port.length)
      },
    }
  },
}

export const linkMessage = attributes({ ...linkFields, info: [18, linkInfo] })
