import { shortHash } from '../sys/text.js'

/** 16 hex digits that stand for an attachment wherever a name must be short: records, link aliases, nft comments. */
export function attachmentKey(network: string, containerId: string, ifName: string): string {
  return shortHash(`${network}\0${containerId}\0${ifName}`)
}
