/** IFLA_LINKINFO: a link's kind, what the kind adds, and what it is as a port (include/uapi/linux/if_link.h). */

import { attributes } from '../codec/attributes.js'
import { eachAttribute } from '../codec/reader.js'
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
  readonly data?: LinkData
  readonly port?: BridgePort
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
    const info: { kind?: string; data?: LinkData; port?: BridgePort } = {}
    let portKind = ''
    // The kernel sends each kind before its data.
    eachAttribute(reader, start, end, (number, from, to) => {
      if (number === IFLA_INFO_KIND) info.kind = bareText.read(reader, from, to)
      else if (number === IFLA_INFO_SLAVE_KIND) portKind = bareText.read(reader, from, to)
      else if (number === IFLA_INFO_SLAVE_DATA && portKind === 'bridge') info.port = bridgePort.read(reader, from, to)
      else if (number === IFLA_INFO_DATA && info.kind !== undefined) {
        const data = kindOf(info.kind)?.read?.(reader, from, to)
        if (data !== undefined) info.data = data
      }
    })
    return info
  },
}

export const linkMessage = attributes({ ...linkFields, info: [18, linkInfo] })
