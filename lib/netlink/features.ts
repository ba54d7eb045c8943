/** Offloads of a link, as `ethtool -k` and `-K` have them (include/uapi/linux/ethtool_netlink.h). Linux 5.8. */

import { attributes } from './codec/attributes.js'
import { flag, list, nested, text, u32 } from './codec/types.js'
import { familyId, GENERIC_HEADER, writeGenericHeader } from './generic.js'
import type { Link } from './links/link.js'
import type { Message, Request } from './message.js'
import { NETLINK_GENERIC, NetlinkSocket } from './socket.js'

const ETHTOOL_MSG_FEATURES_GET = 11
const ETHTOOL_MSG_FEATURES_SET = 12
const ETHTOOL_FLAG_OMIT_REPLY = 2

const header = attributes({ index: [1, u32], flags: [3, u32] })
const bit = attributes({ name: [2, text], value: [3, flag] })
const bitset = attributes({ bits: [3, list(1, nested(bit))] })
const features = attributes({ header: [1, nested(header)], wanted: [3, nested(bitset)], active: [4, nested(bitset)] })

type LinkRef = Pick<Link, 'index' | 'name'>

function getFeatures(family: number, { index, name }: LinkRef): Request {
  return {
    type: family,
    flags: 0,
    about: () => `get features of link ${name}`,
    write(writer) {
      writeGenericHeader(writer, ETHTOOL_MSG_FEATURES_GET)
      features.write(writer, { header: { index } })
    },
  }
}

/** The names of the features that are on. */
function readFeatures({ reader, start, end }: Message): Set<string> {
  const { active } = features.read(reader, start + GENERIC_HEADER, end)
  return new Set((active?.bits ?? []).map(({ name }) => name ?? ''))
}

function setFeature(family: number, { index, name: link }: LinkRef, name: string, on: boolean): Request {
  return {
    type: family,
    flags: 0,
    about: () => `turn ${name} of link ${link} ${on ? 'on' : 'off'}`,
    write(writer) {
      writeGenericHeader(writer, ETHTOOL_MSG_FEATURES_SET)
      const bits = [on ? ({ name, value: true } as const) : { name }]
      features.write(writer, { header: { index, flags: ETHTOOL_FLAG_OMIT_REPLY }, wanted: { bits } })
    },
  }
}

/**
 * Turns a feature of a link in the current namespace on or off; false where it was so already.
 * Throws NetlinkError EOPNOTSUPP or ENOENT where link or kernel know no features.
 */
export function changeFeature(link: LinkRef, name: string, on: boolean): boolean {
  const socket = new NetlinkSocket(NETLINK_GENERIC)
  try {
    const family = familyId(socket, 'ethtool')
    if (socket.get(getFeatures(family, link), readFeatures).has(name) === on) return false
    socket.request(setFeature(family, link, name, on))
    return true
  } finally {
    socket.close()
  }
}
