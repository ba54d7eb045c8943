/** What the reference plugin has noted of a link that it changed, for a pod that lives longer than the reference. */

import { messageOf } from '../../lib/cni/error.js'
import type { DelRequest } from '../../lib/cni/request.js'
import { parseMac } from '../../lib/ip/mac.js'
import { openNetlink } from '../../lib/netlink/netlink.js'
import { inContainerIfPresent } from '../../lib/netns/namespace.js'
import { hasShape, type Shape } from '../../lib/store/shape.js'
import { readContent } from '../../lib/sys/content.js'
import { unlink } from '../../lib/sys/file.js'
import { warn } from '../../lib/sys/log.js'
import { decodeUtf8 } from '../../lib/sys/text.js'
import type { TuningConfig } from './config.js'
import { changeIfPresent } from './put-back.js'

const DATA_DIR = '/run/cni/tuning'
const LIMIT = 1 << 16

interface Backup {
  readonly mac?: string | undefined
  readonly mtu?: number | undefined
  readonly promisc?: boolean | undefined
  readonly allmulti?: boolean | undefined
  readonly txQLen?: number | undefined
}

const SHAPE: Shape = {
  'mac?': 'string',
  'mtu?': 'number',
  'promisc?': 'boolean',
  'allmulti?': 'boolean',
  'txQLen?': 'number',
}

/** Puts it back, and removes the file. */
export function putBackReference({ config, containerId, ifName, netns }: DelRequest<TuningConfig>): void {
  const { dataDir = DATA_DIR } = config
  if (!dataDir.startsWith('/')) return
  const path = `${dataDir}/${containerId}_${ifName}.json`
  const bytes = readContent(path, LIMIT)
  if (bytes === undefined) return
  const backup = parse(bytes, path)
  if (backup !== undefined) putBack(netns, ifName, backup)
  unlink(path)
}

function putBack(netns: string, ifName: string, { mac, mtu, promisc, allmulti, txQLen }: Backup): void {
  inContainerIfPresent(netns, () => {
    const container = openNetlink()
    const index = container.links.find(ifName)?.index ?? 0
    changeIfPresent(container, index, {
      ...(mac ? { mac } : {}),
      ...(mtu ? { mtu } : {}),
      ...(promisc === undefined ? {} : { promiscuous: promisc }),
      ...(allmulti === undefined ? {} : { allMulticast: allmulti }),
      ...(txQLen === undefined ? {} : { txQueueLength: txQLen }),
    })
  })
}

function parse(bytes: Uint8Array, path: string): Backup | undefined {
  try {
    const value: unknown = JSON.parse(decodeUtf8(bytes) ?? '')
    if (hasShape(value, SHAPE)) return usable(value as Backup, path)
    warn(`${path} is not a backup of the reference plugin: it is removed`)
  } catch (error) {
    warn(`${path} is not a backup of the reference plugin: ${messageOf(error)}: it is removed`)
  }
  return undefined
}

/** Without what no link can have: it would fail each DEL. */
function usable({ mac, mtu, txQLen, promisc, allmulti }: Backup, path: string): Backup {
  const isMac = (text: string) => parseMac(text) !== undefined
  const isLength = (count: number) => Number.isInteger(count) && count >= 0 && count <= 0xffffffff
  const valid = <T>(key: string, value: T | undefined, holds: (value: T) => boolean) => {
    if (value === undefined || value === '' || holds(value)) return value
    warn(`${path}: ${JSON.stringify(value)} is no ${key}: it is not put back`)
    return undefined
  }
  return {
    mac: valid('mac', mac, isMac),
    mtu: valid('mtu', mtu, isLength),
    txQLen: valid('txQLen', txQLen, isLength),
    ...{ promisc, allmulti },
  }
}
