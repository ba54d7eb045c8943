/**
 * The fixed part of a table of ours: base chains, sets and the rules between them. What comes and goes with
 * attachments is elements alone, and chains that elements lead to.
 *
 * Each attachment has elements in maps of verdicts that no rule looks at. They say whose a key is and lead to a chain,
 * which says in its comment how many references it has without any: so what the kernel counts as its use tells in one
 * question whether an attachment is the last, however many there are. Rules look at plain sets instead, because with every
 * change of a map of verdicts that rules look at, kernels such as 6.1 check each of its elements again.
 */

import { CniError, ErrorCode, messageOf } from '../cni/error.js'
import type { Request } from '../netlink/message.js'
import { addChain, type BaseChain } from '../netlink/nftables/chain.js'
import type { Expression } from '../netlink/nftables/expression.js'
import type { TableName } from '../netlink/nftables/message.js'
import { isUnsupported, type Nftables } from '../netlink/nftables/nftables.js'
import { addRule } from '../netlink/nftables/rule.js'
import { addSet, type SetSpec } from '../netlink/nftables/set.js'
import { addTable, type Table } from '../netlink/nftables/table.js'
import { ownedByAnother, ownership } from './table-owner.js'

export interface SkeletonChain {
  readonly base?: BaseChain
  /** References by rules of the skeleton, for a chain that elements lead to. */
  readonly referred?: number
  /** Rules come and go with networks. */
  readonly grows?: boolean
  readonly rules: readonly (readonly Expression[])[]
}

export interface Skeleton {
  readonly name: TableName
  /** Raised with every change of what follows. */
  readonly version: number
  /** The base chain whose comment and use say that the skeleton is whole. */
  readonly witness: string
  readonly sets: Readonly<Record<string, SetSpec>>
  readonly chains: Readonly<Record<string, SkeletonChain>>
  /** Chains of the skeleton that elements lead to. */
  readonly counted: readonly string[]
  /** Sets that have elements, too, of whoever is led to a chain: another program may have emptied the maps of verdicts. */
  readonly setsOf: (chain: string) => readonly string[]
}

function words({ version }: Skeleton): string {
  return `flatnet ${version}`
}

/** The requests that make the whole of it; EEXIST where the table is there. */
export function buildSkeleton(skeleton: Skeleton): Request[] {
  const { name } = skeleton
  const requests = [addTable(name, `${words(skeleton)} ${objectsOf(skeleton)}`)]
  for (const set of Object.keys(skeleton.sets)) {
    requests.push(addSet({ ...name, set }, skeleton.sets[set] as SetSpec))
  }
  const chains = Object.keys(skeleton.chains)
  for (const chain of chains) {
    const { base, referred = 0, rules } = skeleton.chains[chain] as SkeletonChain
    const counted = skeleton.counted.includes(chain)
    const comment = chain === skeleton.witness ? words(skeleton) : counted ? `${rules.length + referred}` : undefined
    requests.push(
      addChain(
        { ...name, chain },
        { ...(base === undefined ? {} : { base }), ...(comment === undefined ? {} : { comment }) },
      ),
    )
  }
  for (const chain of chains) {
    for (const rule of (skeleton.chains[chain] as SkeletonChain).rules) {
      requests.push(addRule({ ...name, chain }, rule))
    }
  }
  return requests
}

/** One question: whether the table is there, of this version, and nobody has flushed its rules. */
export function isWhole(nft: Nftables, { name, version, witness, chains }: Skeleton): boolean {
  const chain = nft.chain({ ...name, chain: witness })
  return chain?.comment === `flatnet ${version}` && chain.use === chains[witness]?.rules.length
}

/** What others have done to a table, and chains whose rules are not those that we put there, as words for CHECK. */
export function damage(nft: Nftables, skeleton: Skeleton): string[] {
  const { family, table } = skeleton.name
  const present = nft.table(skeleton.name)
  if (present === undefined) return [`table ${family} ${table} is missing`]
  const found: string[] = []
  if (present.isDormant) {
    found.push(`table ${family} ${table} is dormant, so its rules see no packet: nft add table ${family} ${table}`)
  }
  if (present.owner !== undefined)
    found.push(`${ownership(skeleton.name, present.owner)}, and flatnet cannot change it`)
  for (const chain of Object.keys(skeleton.chains)) {
    const { rules, grows = false } = skeleton.chains[chain] as SkeletonChain
    const expected = rules.length
    const where = { ...skeleton.name, chain }
    if (nft.chain(where) === undefined) found.push(`chain ${family} ${table} ${chain} is missing`)
    else if (!grows && nft.rules(where).length !== expected) {
      found.push(`chain ${family} ${table} ${chain} has other rules than flatnet's ${expected}`)
    }
  }
  return found
}

/** Number of chains and sets, as the kernel counts them in a table's use. */
export function objectsOf({ sets, chains }: Skeleton): number {
  return Object.keys(sets).length + Object.keys(chains).length
}

/** The same of a table that is there, whatever its version: its comment says so. */
export function objectsIn(skeleton: Skeleton, { comment }: Table): number {
  const [, , objects] = comment.split(' ')
  return objects === undefined ? objectsOf(skeleton) : Number(objects)
}

/**
 * For STATUS: throws code 50 with what the kernel lacks for this table, or who keeps it for itself. Nothing is
 * changed.
 */
export function requireSupport(nft: Nftables, skeleton: Skeleton): void {
  try {
    nft.generation()
  } catch (error) {
    if (isUnsupported(error)) throw lacking(error, ErrorCode.NotAvailable)
    throw error
  }
  const owner = nft.table(skeleton.name)?.owner
  if (owner !== undefined) throw ownedByAnother(skeleton.name, owner, ErrorCode.NotAvailable)
  const trial = { ...skeleton, name: { ...skeleton.name, table: `${skeleton.name.table}-trial` } }
  try {
    nft.rehearse(buildSkeleton(trial))
  } catch (error) {
    throw lacking(error, ErrorCode.NotAvailable)
  }
}

/** What a refusal of nf_tables as such means to the operator. */
export function lacking(error: unknown, code: number = ErrorCode.KernelRefused): CniError {
  return new CniError(
    code,
    `kernel has no nf_tables, or lacks a part of it that this needs: ${messageOf(error)}`,
    'it needs CONFIG_NF_TABLES, NF_TABLES_INET, NFT_NAT, NFT_MASQ, NFT_FIB_INET and NFT_CT (modprobe nf_tables nft_nat nft_masq nft_fib_inet nft_ct)',
  )
}
