/** nf_tables of one network namespace: questions, and transactions that happen whole or not at all. */

import { isErrno } from '../../sys/errno.js'
import { NetlinkError } from '../error.js'
import type { Message, Request } from '../message.js'
import { ENOENT, NETLINK_NETFILTER, NetlinkSocket } from '../socket.js'
import { type Chain, type ChainName, getChain, listChains, readChain } from './chain.js'
import { type Element, getElement, listElements, readElements } from './element.js'
import {
  batchBegin,
  batchEnd,
  NFGEN_LENGTH,
  NFT_MSG_GETGEN,
  type NftRequest,
  nftRequest,
  type TableFamily,
  type TableName,
} from './message.js'
import { getRule, listRules, type Rule, readRule } from './rule.js'
import { getSet, readSetHandle, type SetName } from './set.js'
import { getTable, readTable, type Table } from './table.js'

/** ERESTART: the ruleset is of another generation than the transaction was made for. */
const ERESTART = 85

/** A change of a table that another process keeps for itself. */
export class OwnedTableError extends NetlinkError {
  constructor(
    { request, errno }: NetlinkError,
    readonly table: TableName,
    /** The process's netlink port. */
    readonly owner: number,
  ) {
    super(request, errno)
  }
}

export class Nftables {
  /** Asked for and not used yet. */
  private probed: number | undefined

  constructor(readonly socket: NetlinkSocket) {}

  /** Asks for the first generation: EINVAL or EOPNOTSUPP where the kernel has no nf_tables. */
  probe(): void {
    this.probed = this.generation()
  }

  /** Counts the changes of the whole ruleset, by anyone; to be asked before what is read of it. */
  generation(): number {
    const probed = this.probed
    this.probed = undefined
    if (probed !== undefined) return probed
    const request = nftRequest(
      NFT_MSG_GETGEN,
      0,
      undefined,
      () => 'ask nf_tables for its generation',
      () => {},
    )
    return this.socket.get(request, ({ reader, start }: Message) => reader.view.getUint32(start + NFGEN_LENGTH + 4))
  }

  /** Undefined where there is none, as in every question here. */
  table(name: TableName): Table | undefined {
    return this.find(getTable(name), readTable)
  }

  chain(name: ChainName): Chain | undefined {
    return this.find(getChain(name), readChain)
  }

  /** Those of the chains that are there, asked for in one datagram. */
  chainsAmong(names: readonly ChainName[]): Chain[] {
    return this.socket.getAll(names.map(getChain), readChain).filter((chain) => chain !== undefined)
  }

  chains(family?: TableFamily): Chain[] {
    return this.socket.dump(listChains(family), readChain)
  }

  setHandle(name: SetName): number | undefined {
    return this.find(getSet(name), readSetHandle)
  }

  element(name: SetName, key: Uint8Array): Element | undefined {
    return this.find(getElement(name, key), (message) => readElements(message)[0])
  }

  elements(name: SetName): Element[] {
    return this.list(listElements(name), readElements).flat()
  }

  rule(chain: ChainName, handle: number): Rule | undefined {
    return this.find(getRule(chain, handle), readRule)
  }

  rules(chain: ChainName): Rule[] {
    return this.list(listRules(chain), readRule)
  }

  /**
   * Applies all of `requests` or none of them. False where `generation` was given and is past: look again, then try
   * again. Throws the first refusal, which names its object.
   */
  commit(requests: readonly Request[], generation?: number, echo?: (message: Message) => void): boolean {
    return this.send([batchBegin(generation), ...requests, batchEnd()], requests.length, echo)
  }

  /** Has the kernel check `requests` as a transaction and forget them: what it lacks, it says. */
  rehearse(requests: readonly Request[]): void {
    this.send([batchBegin(undefined), ...requests], requests.length)
  }

  private send(messages: readonly Request[], last: number, echo?: (message: Message) => void): boolean {
    const [failure] = this.socket.transaction(messages, last, echo)
    if (failure === undefined) return true
    if (failure.error.errno === ERESTART) return false
    throw this.explained(failure.error, messages[failure.index])
  }

  /** EPERM is the answer to who lacks the capability, and to everyone but its owner where a table has one. */
  private explained(error: NetlinkError, refused: Request | undefined): NetlinkError {
    const name = (refused as Partial<NftRequest> | undefined)?.table
    if (name === undefined || !isErrno(error, 'EPERM')) return error
    const owner = this.table(name)?.owner
    return owner === undefined ? error : new OwnedTableError(error, name, owner)
  }

  private find<T>(request: Request, read: (message: Message) => T): T | undefined {
    return this.socket.find(request, read, [ENOENT])
  }

  private list<T>(request: Request, read: (message: Message) => T): T[] {
    try {
      return this.socket.dump(request, read)
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return []
      throw error
    }
  }

  close(): void {
    this.socket.abandon()
  }
}

/** Opens nf_tables of the current network namespace. */
export function openNftables(): Nftables {
  return new Nftables(new NetlinkSocket(NETLINK_NETFILTER))
}

/** The refusals that mean "no such thing in this kernel". */
export function isUnsupported(error: unknown): error is NetlinkError {
  return isErrno(error, 'EOPNOTSUPP', 'EPROTONOSUPPORT', 'EAFNOSUPPORT', 'EINVAL', 'ENOSYS')
}
