//! How much of the stack TypeScript may use: so much less than there is that deep recursion is an exception and
//! no fault, and enough that no call meets its end half-way, where it could not even undo what it did.

/// What TypeScript may use where there is plenty.
const PLENTY: usize = 1 << 20;

/// For C and Rust below the last check of the engine, and for a signal's frame.
const RESERVE: usize = 32 << 10;

/// What every call of every plugin fits into: the largest needs half of it.
const ENOUGH: usize = 96 << 10;

/// Bytes for the engine from here on; None where a call could run out of them.
pub fn budget() -> Option<usize> {
    let here = 0u8;
    let used = top()?.saturating_sub(&raw const here as usize);
    within(limit(), used)
}

fn within(limit: usize, used: usize) -> Option<usize> {
    let left = limit.checked_sub(used)?.checked_sub(RESERVE)?.min(PLENTY);
    (left >= ENOUGH).then_some(left)
}

fn limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    unsafe { libc::getrlimit(libc::RLIMIT_STACK, &mut limit) };
    limit.rlim_cur as usize
}

/// The end that the kernel measures the stack's size from: the environment and the path of the executable, which
/// lie there, count too (acct_stack_growth in mm/vma.c).
fn top() -> Option<usize> {
    const PAGE: usize = 4096;
    let path = unsafe { libc::getauxval(libc::AT_EXECFN) } as *const core::ffi::c_char;
    if path.is_null() {
        return None;
    }
    Some((path as usize + unsafe { libc::strlen(path) } + 1).next_multiple_of(PAGE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_leaves_the_reserve_and_is_enough_or_none() {
        for limit in (0..2048).map(|kib| kib << 10).chain([usize::MAX]) {
            for used in [0, 4 << 10, 100 << 10, 2 << 20] {
                match within(limit, used) {
                    Some(budget) => assert!(budget + RESERVE + used <= limit && (ENOUGH..=PLENTY).contains(&budget)),
                    None => assert!(limit < used + RESERVE + ENOUGH),
                }
            }
        }
    }
}
