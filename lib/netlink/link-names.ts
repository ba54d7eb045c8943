/** What a socket has read of links: a request names a link by its index, which says nothing to the reader of an error. */

import type { Link } from './links/link.js'

export class LinkNames {
  private readonly names = new Map<number, string>()

  learn({ index, name }: Pick<Link, 'index' | 'name'>): void {
    this.names.set(index, name)
  }

  /** `link eth0`; index 0 is `all links`. A link that nothing was read of is one that was only asked for by its number. */
  readonly describe = (index: number): string => {
    if (index === 0) return 'all links'
    const name = this.names.get(index)
    return name === undefined ? `link number ${index}` : `link ${name}`
  }
}
