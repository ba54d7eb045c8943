/** Rules of iptables-legacy are not in nf_tables, and only its own binary can touch them: so they are named. */

import { readKernelText } from '../sys/file.js'
import { warn } from '../sys/log.js'

/** Whether a legacy table is in use in this namespace, by family. */
export function hasLegacyTable(family: 4 | 6, table: 'nat' | 'filter'): boolean {
  const names = readKernelText(`/proc/net/ip${family === 6 ? '6' : ''}_tables_names`) ?? ''
  return names.split('\n').includes(table)
}

/** Says on stderr where to look for a chain that another program may have left. */
export function nameLegacyLeftovers(table: 'nat' | 'filter', chain: string): void {
  for (const family of [4, 6] as const) {
    if (!hasLegacyTable(family, table)) continue
    const command = `ip${family === 6 ? '6' : ''}tables-legacy -t ${table} -S`
    warn(`legacy iptables is in use, which flatnet does not touch; what is left there: ${command} | grep ${chain}`)
  }
}
