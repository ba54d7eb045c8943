/** How far an address or a route reaches (enum rt_scope_t, include/uapi/linux/rtnetlink.h). */

export type Scope = 'universe' | 'site' | 'link' | 'host' | 'nowhere' | number

/** Default universe. */
export function scopeNumber(scope: Scope | undefined): number {
  switch (scope) {
    case undefined:
    case 'universe':
      return 0
    case 'site':
      return 200
    case 'link':
      return 253
    case 'host':
      return 254
    case 'nowhere':
      return 255
    default:
      return scope
  }
}

/** The number itself where it has no name. */
export function scopeName(number: number): Scope {
  switch (number) {
    case 0:
      return 'universe'
    case 200:
      return 'site'
    case 253:
      return 'link'
    case 254:
      return 'host'
    case 255:
      return 'nowhere'
    default:
      return number
  }
}
