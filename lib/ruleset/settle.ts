/** Transactions that race with everyone else's: look, decide, commit if nothing changed meanwhile, or look again. */

import { CniError, ErrorCode, isCniError } from '../cni/error.js'
import { isUnsupported, type Nftables, openNftables } from '../netlink/nftables/nftables.js'
import { sleep } from '../sys/clock.js'
import { isErrno } from '../sys/errno.js'
import { lacking, requireSupport, type Skeleton } from './skeleton.js'
import { withOwner } from './table-owner.js'

const ATTEMPTS = 300

/** Calls `attempt` until it says that it is done; what it met was of a moment that is past. */
export function settle(what: string, attempt: () => boolean): void {
  for (let round = 0; round < ATTEMPTS; round++) {
    try {
      if (attempt()) return
    } catch (error) {
      // Someone added or removed the same thing between our looking and our acting.
      if (!isErrno(error, 'EEXIST', 'ENOENT', 'EBUSY', 'EAGAIN', 'EINTR') || round + 1 === ATTEMPTS) throw error
    }
    if (round > 10) sleep(1 + (round % 7))
  }
  throw new CniError(
    ErrorCode.TryAgainLater,
    `cannot ${what}: the nftables ruleset changes all the time`,
    'something rewrites nftables without pause: nft monitor',
  )
}

/** nf_tables of this namespace. Throws code 105 where the kernel has none. */
export function openRuleset(): Nftables {
  let nft: Nftables | undefined
  try {
    nft = openNftables()
    nft.probe()
    return nft
  } catch (error) {
    nft?.close()
    throw isUnsupported(error) ? lacking(error) : error
  }
}

/** Runs `work` with the ruleset open, and says what it means where the kernel does not know nf_tables. */
export function withRuleset<T>(work: (nft: Nftables) => T): T {
  const nft = openRuleset()
  try {
    return work(nft)
  } catch (error) {
    if (isErrno(error, 'EOPNOTSUPP', 'EPROTONOSUPPORT', 'EAFNOSUPPORT')) throw lacking(error)
    throw withOwner(error)
  } finally {
    nft.close()
  }
}

/** As `withRuleset`, for what only removes: where the kernel has no nf_tables there is nothing to remove. */
export function withRulesetIfAny(work: (nft: Nftables) => void): void {
  let nft: Nftables
  try {
    nft = openRuleset()
  } catch (error) {
    if (isCniError(error)) return
    throw error
  }
  try {
    work(nft)
  } catch (error) {
    throw withOwner(error)
  } finally {
    nft.close()
  }
}

/** Runs `look`, which changes nothing; does not where the kernel has no nf_tables. */
export function lookAtRulesetIfAny(look: (nft: Nftables) => void): void {
  let nft: Nftables | undefined
  try {
    nft = openNftables()
    look(nft)
  } catch (error) {
    if (!isUnsupported(error)) throw error
  } finally {
    nft?.close()
  }
}

/** For STATUS: throws code 50 with what the kernel lacks for these tables. */
export function requireTables(skeletons: readonly Skeleton[]): void {
  try {
    withRuleset((nft) => {
      for (const skeleton of skeletons) requireSupport(nft, skeleton)
    })
  } catch (error) {
    if (isCniError(error)) throw new CniError(ErrorCode.NotAvailable, error.message, error.details)
    throw error
  }
}
