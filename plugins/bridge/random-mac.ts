import { formatMac } from '../../lib/ip/mac.js'
import { randomBytes } from '../../lib/sys/process.js'

/** A hardware address of nobody's: unicast, locally administered. */
export function randomMac(): string {
  const mac = randomBytes(6)
  mac[0] = ((mac[0] as number) & 0xfc) | 0x02
  return formatMac(mac)
}
