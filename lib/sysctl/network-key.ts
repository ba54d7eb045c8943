/** Keys of a configuration that name settings of a network namespace. */

const PLACEHOLDER = 'IFNAME'

/**
 * Returns where a setting is below /proc/sys. As sysctl(8) does, the first separator says which one it is: in
 * `net.ipv4.conf.eth0/100.mtu` a slash is a dot, in `net/ipv4/conf/eth0.100/mtu` a dot is a dot. The first `IFNAME` is the
 * container's interface. Undefined for all that is not below `net`.
 */
export function networkKey(key: string, ifName: string): string | undefined {
  const slashes = key.includes('/') && !key.slice(0, key.indexOf('/')).includes('.')
  const segments = slashes ? key.split('/') : key.split('.').map((segment) => segment.split('/').join('.'))
  const at = segments.findIndex((segment) => segment.includes(PLACEHOLDER))
  const named = segments.map((segment, index) => (index === at ? segment.replace(PLACEHOLDER, () => ifName) : segment))
  const isPath = named.every((segment) => !['', '.', '..'].includes(segment) && !segment.includes('\0'))
  return isPath && named[0] === 'net' && named.length > 1 ? named.join('/') : undefined
}
